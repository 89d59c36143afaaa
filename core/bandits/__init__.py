"""One file per algorithm; ``base`` holds the protocol that all of them follow."""
