"""The suffixes of video files."""

from __future__ import annotations

from typing import Final

# Of files that are always videos; a GIF may be an image, too.
VIDEO_SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
