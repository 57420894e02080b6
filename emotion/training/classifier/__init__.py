"""Train, measure and export expression classifiers."""
