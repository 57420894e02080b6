"""Facial features of a face crop: points, head pose and movements."""
