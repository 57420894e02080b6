"""Build a data set from photos sorted by label, as a job of its own."""
