"""Errors and untrusted text, shown safely on a page."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

import streamlit as st
from streamlit.errors import StreamlitDuplicateElementKey

from emotion.errors import EmotionError
from emotion.translation.messages import gettext as _
from emotion.translation.messages import translate_error
from emotion.ui.streamlit_workarounds import ICON_ONLY, get_run_marker

_CLOSED_KEY: Final = "closed_errors"  # session state: `_ClosedError` by the key of its box
_PAGE_RUNS_KEY: Final = "page_runs"  # session state: how often a page was drawn

_log: Final = logging.getLogger("emotion")


@dataclass
class _ClosedError:
    """A closed box: the run that closed it, whether the error came again there, and its last page run."""

    run: object
    is_lasting: bool
    page_run: int


def escape_markdown(text: str) -> str:
    """Escape untrusted text as Markdown that shows exactly this text: no links, colors, formulas or icons."""
    # Backslashes do not stop the links, dashes, arrows and ":icons:" that Streamlit replaces in the rendered text; an
    # invisible word joiner does.
    # Names of files may hold halves of characters, which no page can be sent.
    text = text.encode(errors="replace").decode()
    joined = re.sub(r"([:@<>-]|www)", "\\1\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$&:^=\"'])", r"\\\1", joined)


def count_page_run() -> None:
    """Count the runs of pages, so that a closed error that comes back later is shown again."""
    st.session_state[_PAGE_RUNS_KEY] = st.session_state.get(_PAGE_RUNS_KEY, 0) + 1


@contextmanager
def error_box(action: str) -> Iterator[None]:
    """Show the message of an `EmotionError`; log any other error with its traceback and show a generic message.

    The page continues after the block, which may have assigned nothing. The box has a button that closes it.

    Args:
        action: What failed, in "Something went wrong with {action}", in the language of the page.
    """
    try:
        yield
    except EmotionError as error:
        _show_error(escape_markdown(translate_error(error)))
    except Exception:  # the boundary of a part of the page: the other parts must still be shown
        _log.exception("failed: %s", action)
        _show_error(
            _("Something went wrong with {action}. It is an error of this program; its log has the details.").format(
                action=escape_markdown(action)
            )
        )


def _show_error(text: str) -> None:
    """Show an error with a button that closes it, unless it is closed."""
    key = f"error_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if _is_closed(key):
        return
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        st.error(text, icon=":material/error:")
        for number in count():  # the same error may be shown twice, as that of a photo that was dropped twice
            try:
                st.button(
                    _("Close"),
                    key=f"{key}_{number}{ICON_ONLY}",
                    icon=":material/close:",
                    type="tertiary",
                    help=_("Close"),
                    on_click=_close,
                    args=(key,),
                )
            except StreamlitDuplicateElementKey:
                continue
            return


def _close(key: str) -> None:
    """Close a box; called at the start of the run that a click causes."""
    closed = st.session_state.setdefault(_CLOSED_KEY, {})
    closed[key] = _ClosedError(get_run_marker(), False, st.session_state.get(_PAGE_RUNS_KEY, 0))


def _is_closed(key: str) -> bool:
    """Return whether an error that occurs is the closed one.

    An error of something that stays, such as a file in an upload, comes again in each run of the page and stays closed.
    One of a click does not: it is shown when a later click causes it again.
    """
    closed: dict[str, _ClosedError] = st.session_state.get(_CLOSED_KEY, {})
    error, page_run = closed.get(key), st.session_state.get(_PAGE_RUNS_KEY, 0)
    if error is None:
        return False
    if error.run is get_run_marker() or (error.is_lasting and page_run - error.page_run <= 1):
        error.is_lasting, error.page_run = True, page_run
        return True
    del closed[key]
    return False
