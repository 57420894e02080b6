"""Many visitors for many minutes: `python -m tests.load --help`."""
