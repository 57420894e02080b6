"""Recognize the expressions of an image: detect faces, crop, classify, fuse scores, annotate."""
