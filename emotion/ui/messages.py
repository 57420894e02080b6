"""Errors and text of others, shown safely on a page."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from emotion.errors import EmotionError

_log: Final = logging.getLogger("emotion")


def escape_markdown(text: str) -> str:
    """Text of others as Markdown that shows exactly this text: no links, colours, formulas or icons."""
    # Backslashes do not stop the links, dashes, arrows and ":icons:" that are looked for in the finished text;
    # a word joiner, which cannot be seen, does.
    joined = re.sub(r"([:@<>-]|www)", "\\1\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$&:^=\"'])", r"\\\1", joined)


@contextmanager
def error_box(action: str = "this") -> Iterator[None]:
    """Show an `EmotionError` as its sentence; log everything else with its traceback and say so politely.

    The page goes on after the block; what follows must not need what the block failed to make.
    """
    try:
        yield
    except EmotionError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
    except Exception:
        _log.exception("failed: %s", action)
        st.error(
            f"Something went wrong with {escape_markdown(action)}. "
            "It is a fault of this program; its log has the details.",
            icon=":material/error:",
        )
