"""The host names under which the app is served, in the address bar of a browser."""

from __future__ import annotations

import os
import re
from typing import Final

from emotion.errors import SettingsError

HOSTS_VAR: Final = "EMOTION_HOSTS"
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
_MAX_NAME_LENGTH: Final = 253  # of a name in DNS
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# A name or an IPv4 address, with "*." for all subdomains; or an IPv6 address without brackets.
_HOST_PATTERN: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*|[0-9a-f:]*:[0-9a-f:.]*")


def read_hosts() -> tuple[str, ...]:
    """Return the names of EMOTION_HOSTS, separated by commas or spaces, after those of this machine.

    Returns:
        The names in lower case; () where the variable is not set.

    Raises:
        SettingsError: A name is none that a browser can show.
    """
    names = os.environ.get(HOSTS_VAR, "").replace(",", " ").lower().split()
    for name in names:
        if len(name) > _MAX_NAME_LENGTH or not _HOST_PATTERN.fullmatch(name):
            raise SettingsError(
                f"{HOSTS_VAR} names {name!r:.80}; expected host names without scheme and port, separated by commas or "
                "spaces, such as studio.example.org or *.example.org."
            )
    return tuple(dict.fromkeys((*LOCAL_HOSTS, *names))) if names else ()
