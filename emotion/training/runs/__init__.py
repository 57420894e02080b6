"""Runs on disk, without Keras: what the app reads of a training."""
