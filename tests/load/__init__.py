"""Load test of the app with many visitors: `python -m tests.load --help`."""
