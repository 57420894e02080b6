"""Benchmarks: single steps, a live stream, and video files; each returns rows for a table."""
