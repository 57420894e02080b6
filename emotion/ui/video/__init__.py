"""The parts of the Videos page."""
