"""The command line: `python -m emotion`."""
