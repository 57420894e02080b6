"""Errors and untrusted text, shown safely on a page."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from emotion.errors import EmotionError
from emotion.translation.messages import gettext as _

_log: Final = logging.getLogger("emotion")


def escape_markdown(text: str) -> str:
    """Escape untrusted text as Markdown that shows exactly this text: no links, colors, formulas or icons."""
    # Backslashes do not stop the links, dashes, arrows and ":icons:" that Streamlit replaces in the rendered text; an
    # invisible word joiner does.
    # Names of files may hold halves of characters, which no page can be sent.
    text = text.encode(errors="replace").decode()
    joined = re.sub(r"([:@<>-]|www)", "\\1\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$&:^=\"'])", r"\\\1", joined)


@contextmanager
def error_box(action: str) -> Iterator[None]:
    """Show the message of an `EmotionError`; log any other error with its traceback and show a generic message.

    The page continues after the block, which may have assigned nothing.

    Args:
        action: What failed, in "Something went wrong with {action}", in the language of the page.
    """
    try:
        yield
    except EmotionError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
    except Exception:  # the boundary of a part of the page: the other parts must still be shown
        _log.exception("failed: %s", action)
        st.error(
            _("Something went wrong with {action}. It is an error of this program; its log has the details.").format(
                action=escape_markdown(action)
            ),
            icon=":material/error:",
        )
