"""Training of the network that estimates facial features."""
