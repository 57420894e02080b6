"""The STUN and TURN servers of the Live page, from the environment or secrets.toml."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from emotion.errors import EmotionError

ICE_ENV_VAR: Final = "EMOTION_ICE_SERVERS"  # `ice_servers` in secrets.toml
_ICE_URL: Final = re.compile(r"stuns?:[^\s/?@:]+(:\d{1,5})?|turns?:[^\s/?@:]+(:\d{1,5})?(\?transport=(udp|tcp))?")


def load_ice_servers() -> list[dict[str, Any]]:
    """Load the STUN and TURN servers of the operator; none by default, so that no other server is contacted.

    They are JSON in the environment variable `ICE_ENV_VAR`, or `ice_servers` in .streamlit/secrets.toml.

    Raises:
        EmotionError: If they are invalid.
    """
    text = os.environ.get(ICE_ENV_VAR)
    try:
        servers = json.loads(text) if text else []
    except ValueError as error:
        raise EmotionError(f"{ICE_ENV_VAR} is not JSON ({error}); expected a list of objects with urls.") from error
    if not text and st.secrets.load_if_toml_exists():
        servers = st.secrets.get("ice_servers", [])
    if not isinstance(servers, list) or not all(map(_is_ice_server, servers)):
        raise EmotionError(
            "The configured ICE servers are invalid; expected a list of objects with urls that begin with stun: "
            "or turn:, and for turn: username and credential."
        )
    return [dict(server) for server in servers]


def _is_ice_server(value: object) -> bool:
    """Check that browser and server accept a value as an ICE server; both end with an error otherwise."""
    if not isinstance(value, Mapping):
        return False
    urls = value.get("urls")
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list) or not urls or not all(isinstance(u, str) and _ICE_URL.fullmatch(u) for u in urls):
        return False
    has_credentials = [isinstance(value.get(name), str) and value[name] for name in ("username", "credential")]
    return all(has_credentials) or not any(url.startswith("turn") for url in urls)
