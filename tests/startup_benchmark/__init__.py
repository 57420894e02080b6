"""Startup benchmark of the app: `python -m tests.startup_benchmark`."""
