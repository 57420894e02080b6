"""Spoiled pictures and films by the thousand, decoded by a process that is watched: `python -m tests.fuzz --help`."""
