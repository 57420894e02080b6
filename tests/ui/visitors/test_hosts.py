from __future__ import annotations

import pytest

from emotion.errors import SettingsError
from emotion.ui.visitors.hosts import read_hosts

LOCAL = ("localhost", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("  ", ()),
        ("studio.example.org", (*LOCAL, "studio.example.org")),
        ("Studio.example.org, *.example.net", (*LOCAL, "studio.example.org", "*.example.net")),
        ("a b,c", (*LOCAL, "a", "b", "c")),
        ("localhost 192.168.1.2 fe80::1", (*LOCAL, "192.168.1.2", "fe80::1")),
    ],
)
def test_names_are_added_to_those_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, text: str, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("EMOTION_HOSTS", text)
    assert read_hosts() == names


@pytest.mark.parametrize(
    "text", ["https://studio.example.org", "studio.example.org:8501", "a/b", "*", "-a", "[::1]", "a..b", "x" * 300, "ä"]
)
def test_what_is_no_host_name_is_refused_with_one_sentence(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("EMOTION_HOSTS", f"studio.example.org {text}")
    with pytest.raises(SettingsError, match=r"EMOTION_HOSTS names '.*; expected host names"):
        read_hosts()
