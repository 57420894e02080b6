"""Enlarge gray faces of 48 pixels to 192: train a network on photos, run it, measure it."""
