"""Faces over time: tracks, steady labels and streams of frames."""
