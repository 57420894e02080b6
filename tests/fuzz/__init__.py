"""Fuzzing of the image and video decoders in a monitored process: `python -m tests.fuzz --help`."""
