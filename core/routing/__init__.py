"""What the router is made of: deciding, learning, policies, and the state that they share."""
