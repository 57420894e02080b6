import pytest

from emotion.errors import EmotionError
from emotion.ui.live import ice_servers


@pytest.mark.parametrize(
    "text",
    [
        "stun:stun.example.org",
        "{}",
        "5",
        "null",
        '"stun:x"',
        "[1]",
        "[[]]",
        '[{"url": "stun:x"}]',
        '[{"urls": ""}]',
        '[{"urls": []}]',
        '[{"urls": 5}]',
        '[{"urls": ["stun:x", 5]}]',
        '[{"urls": "http://x"}]',
        '[{"urls": "stun:"}]',
        '[{"urls": "stun:a b"}]',
        '[{"urls": "stun:x?transport=udp"}]',
        '[{"urls": "turn:x"}]',
        '[{"urls": "turn:x", "username": "a", "credential": 5}]',
        '[{"urls": "stun:x"}, null]',
    ],
)
def test_invalid_ice_servers_are_rejected(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ice_servers.ICE_ENV_VAR, text)
    with pytest.raises(EmotionError, match="expected a list of objects with urls"):
        ice_servers.load_ice_servers()
