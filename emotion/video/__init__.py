"""Analyze videos in jobs, and provide their results as tables, images, subtitles and reports."""
