"""Decode and encode images and videos: the only package that does."""
