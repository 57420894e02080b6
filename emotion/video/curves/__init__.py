"""Curves of the faces of a video over time."""
