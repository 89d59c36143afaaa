"""What is on the wire and in the state: typed records and their codecs."""
