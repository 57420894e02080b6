"""Chaos tests of the long tasks: `python -m tests.chaos --help`."""
