"""The command line: the program `emotion`, also started by `python -m emotion`."""
