"""What error messages call a file, and whether a file that cannot be decoded is plain text."""

from __future__ import annotations

import os
import re
from typing import Final

_MAX_NAME_LENGTH: Final = 60
_NAME_HEAD, _NAME_TAIL = 44, 15  # characters kept of a longer name; the tail shows its suffix
_TEXT_SAMPLE_BYTES: Final = 512


def display_name(source: object, fallback: str) -> str:
    """Return the base name of a path or file in quotes, without control characters and shortened, else `fallback`."""
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "name", None)  # open files and uploads have one
    if not isinstance(source, (str, os.PathLike)):
        return fallback
    base = re.split(r"[/\\]", os.fsdecode(source).rstrip("/\\"))[-1]
    text = "".join(character for character in base if character.isprintable()).strip()
    if len(text) > _MAX_NAME_LENGTH:
        text = f"{text[:_NAME_HEAD]}…{text[-_NAME_TAIL:]}"
    return f'"{text}"' if text else fallback


def is_plain_text(data: bytes) -> bool:
    """Return whether the first bytes are printable UTF-8 text."""
    text = data[:_TEXT_SAMPLE_BYTES].decode(errors="replace")[:-1]  # the last character may be cut in two
    return all((character.isprintable() and character != "\ufffd") or character.isspace() for character in text)
