"""Video files: opening and checking containers, and conversion of frames."""
