"""Many visitors for many minutes: `python -m tests.soak --help`."""
