"""Measure how fast the steps, a live stream and a video are read."""
