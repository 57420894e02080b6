"""The charts of the Videos page, all of them over time."""
