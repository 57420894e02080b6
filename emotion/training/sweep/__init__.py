"""Searches over the settings of a classifier's training: each trial is a run."""
