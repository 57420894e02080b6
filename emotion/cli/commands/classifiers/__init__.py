"""The commands `emotion classifier` and `emotion sweep`."""
