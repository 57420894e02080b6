"""Train, measure and export face detectors."""
