"""Run folders: their files, predictions and steps; without Keras."""
