"""Calibrate and evaluate a trained classifier: predictions, robustness, labeled faces, whole scenes."""
