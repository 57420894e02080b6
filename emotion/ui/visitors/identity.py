"""Who is asking: an unguessable id in a cookie of the browser, and the key under which its files are recorded."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

import streamlit as st

COOKIE_NAME: Final = "emotion_visitor"
LINK_PATH: Final = "/open-link"  # opened with "#" and an id
_ID_BYTES: Final = 32
_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # `_ID_BYTES` in URL-safe base64
_KEY_LENGTH: Final = 32

# Set by the server for each request; threads that run pages have the cookies of their session instead.
_request_key: ContextVar[str] = ContextVar("visitor_key")


def make_id() -> str:
    """Make the id of a new visitor."""
    return secrets.token_urlsafe(_ID_BYTES)


def read_id(cookies: Mapping[str, str]) -> str:
    """Return the id in the cookies of a request; "" where there is none that this program can have made."""
    found = cookies.get(COOKIE_NAME, "")
    return found if is_id(found) else ""


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id."""
    return _ID_PATTERN.fullmatch(text) is not None


def make_key(visitor_id: str) -> str:
    """Return the key of a visitor, "" for no id: a hash, from which the id cannot be computed."""
    return hashlib.sha256(visitor_id.encode()).hexdigest()[:_KEY_LENGTH] if visitor_id else ""


def set_request_key(key: str) -> None:
    """Set the visitor of the request that this task answers."""
    _request_key.set(key)


def get_request_key() -> str | None:
    """Return the key of the visitor whose request is answered: "" without an id, None outside of a request."""
    return _request_key.get(None)


def get_id() -> str:
    """Return the id of the visitor whose page is run, "" where the browser sent none."""
    return read_id(st.context.cookies)


def get_key() -> str:
    """Return the key of the visitor who asks, in a request or in the run of a page; "" where the browser sent no id."""
    key = get_request_key()
    return make_key(get_id()) if key is None else key
