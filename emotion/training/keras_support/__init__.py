"""Additions to Keras that all trainings share: files, types, layers, number format, learning rates."""
