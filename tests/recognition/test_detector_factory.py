from __future__ import annotations

import hashlib
import http.client
import io
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.errors import ModelError
from emotion.recognition import detector_factory
from emotion.recognition.detector_factory import (
    THIRD_PARTY,
    YUNET_FILE,
    YUNET_SHA256,
    available_detectors,
    detector_description,
    download_yunet,
    find_yunet,
    get_cache_folder,
    make_detector,
)
from emotion.recognition.opencv_detectors import HaarCascade

GOOD = b"the network as it was published"


@pytest.fixture(autouse=True)
def _alone(user_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No YuNet anywhere, and no network: a test that needs one of them makes it."""
    monkeypatch.setattr(detector_factory, "BUILTIN_MODELS", tmp_path / "models")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("a connection was opened"))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, float]]]:
    """`serve(answer)`: what the network gives, bytes or an exception; returns the list of what was asked."""

    def serve(answer: bytes | Exception) -> list[tuple[str, float]]:
        asked: list[tuple[str, float]] = []

        def urlopen(url: str, timeout: float) -> io.BytesIO:
            asked.append((url, timeout))
            if isinstance(answer, Exception):
                raise answer
            return io.BytesIO(answer)

        monkeypatch.setattr(urllib.request, "urlopen", urlopen)
        return asked

    return serve


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """`GOOD` is the published file."""
    monkeypatch.setattr(detector_factory, "YUNET_SHA256", hashlib.sha256(GOOD).hexdigest())


def put(folder: Path, content: bytes = GOOD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / YUNET_FILE).write_bytes(content)
    return folder / YUNET_FILE


# ------------------------------------------------------------------ where YuNet may be


def test_no_yunet_is_no_error() -> None:
    assert find_yunet() is None
    assert available_detectors() == ("haar",)
    assert isinstance(make_detector(), HaarCascade)


def test_yunet_in_models_or_in_the_cache(tmp_path: Path) -> None:
    cached = put(get_cache_folder())
    assert find_yunet() == cached
    shipped = put(tmp_path / "models")
    assert find_yunet() == shipped
    assert available_detectors() == THIRD_PARTY == ("yunet", "haar")


@pytest.mark.parametrize("none", ["none", "None", "NONE"])
def test_yunet_switched_off(monkeypatch: pytest.MonkeyPatch, none: str) -> None:
    put(get_cache_folder())
    monkeypatch.setenv("EMOTION_YUNET", none)
    assert find_yunet() is None
    assert make_detector().name == "haar"


def test_yunet_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(get_cache_folder())
    named = put(tmp_path / "elsewhere")
    monkeypatch.setenv("EMOTION_YUNET", str(named))
    assert find_yunet() == named
    monkeypatch.setenv("EMOTION_YUNET", "")  # as if it were not set
    assert find_yunet() == get_cache_folder() / YUNET_FILE


@pytest.fixture
def unreadable_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may look everywhere, but a name that is too long is refused to it as well."""
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / ("x" * 300)))


@pytest.mark.usefixtures("unreadable_home")
def test_who_needs_no_yunet_needs_no_home() -> None:
    assert find_yunet() is None
    assert make_detector().name == "haar"


@pytest.mark.usefixtures("user_cache")
def test_who_has_no_home_at_all_finds_faces_and_is_told_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nobody)
    assert "haar" in available_detectors()
    with pytest.raises(ModelError, match="This user has no home folder; set HOME"):
        download_yunet()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert get_cache_folder() == tmp_path / "emotion-studio"


@pytest.mark.parametrize("named", ["missing.onnx", ".", "x" * 300])
def test_yunet_named_where_it_is_not(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("EMOTION_YUNET", named)
    for ask in (find_yunet, available_detectors, make_detector):
        with pytest.raises(ModelError, match=r"EMOTION_YUNET names .*, which is no file; correct it or set it to none"):
            ask()
    assert make_detector("haar").name == "haar"  # which needs no file


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the rules of Linux")
@pytest.mark.parametrize(
    ("xdg", "folder"), [(None, ".cache/emotion-studio"), ("", ".cache/emotion-studio"), ("/x/y", "/x/y/emotion-studio")]
)
def test_cache_folder(monkeypatch: pytest.MonkeyPatch, user_cache: Path, xdg: str | None, folder: str) -> None:
    if xdg is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert get_cache_folder() == user_cache / folder


# ------------------------------------------------------------------ making one


@pytest.mark.parametrize("name", ["Haar", "dlib", "../haar"])
def test_a_detector_that_is_none(name: str) -> None:
    with pytest.raises(ModelError, match=r"There is no detector .*; expected one of yunet, haar"):
        make_detector(name)


def test_yunet_where_it_is_not() -> None:
    with pytest.raises(ModelError, match="YuNet is not on this machine; run `emotion models download-yunet`"):
        make_detector("yunet")


def test_yunet_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching it would not help."""
    monkeypatch.setenv("EMOTION_YUNET", "none")
    with pytest.raises(ModelError, match="EMOTION_YUNET=none switches YuNet off; unset it"):
        make_detector("yunet")


def test_a_yunet_that_cannot_be_read() -> None:
    put(get_cache_folder(), b"half a file")
    with pytest.raises(ModelError, match=re.escape(f"{get_cache_folder() / YUNET_FILE} cannot be read; replace it")):
        make_detector()
    assert make_detector("haar").name == "haar"


def test_every_call_makes_a_new_one() -> None:
    assert make_detector("haar") is not make_detector("haar")


@pytest.mark.parametrize("name", ["glance", *THIRD_PARTY])
def test_each_is_described_in_a_sentence(name: str) -> None:
    assert detector_description(name).endswith(".")


def test_a_detector_of_ones_own_is_not_described_as_the_built_in_one() -> None:
    assert detector_description("mine") == "Mine, a detector of your own, trained with this program."


# ------------------------------------------------------------------ fetching it


@pytest.mark.usefixtures("published")
def test_fetched_once_and_kept(serve: Callable) -> None:
    asked = serve(GOOD)
    path = download_yunet(timeout=2)
    assert path == get_cache_folder() / YUNET_FILE == find_yunet()
    assert path.read_bytes() == GOOD
    assert download_yunet() == path
    assert asked == [(detector_factory.YUNET_URL, 2)]
    assert detector_factory.YUNET_URL.startswith("https://")


@pytest.mark.usefixtures("published")
def test_a_spoilt_file_in_the_cache_is_fetched_anew(serve: Callable) -> None:
    put(get_cache_folder(), b"half a file")
    serve(GOOD)
    assert download_yunet().read_bytes() == GOOD


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route to host"),
        urllib.error.HTTPError("https://x", 404, "gone", None, None),  # type: ignore[arg-type]
        TimeoutError("timed out"),
        ConnectionResetError(),
        http.client.IncompleteRead(b"half"),
        http.client.BadStatusLine("nonsense"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_offline_gives_a_sentence(serve: Callable, error: Exception) -> None:
    serve(error)
    with pytest.raises(ModelError, match=r"could not be fetched \(no network\?\); .* use another detector: haar\."):
        download_yunet()
    assert find_yunet() is None


def test_offline_names_the_detectors_that_are_here(serve: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(urllib.error.URLError("no route to host"))
    monkeypatch.setattr(detector_factory, "trained_detectors", lambda: {"glance": None})
    with pytest.raises(ModelError, match=r"use another detector: glance, haar\."):
        download_yunet()


@pytest.mark.parametrize("answer", [b"", b"<html>log in first</html>", GOOD, bytes(3_000_000)])
def test_another_file_is_not_kept(serve: Callable, answer: bytes) -> None:
    """With the real sha256, which none of these has."""
    serve(answer)
    with pytest.raises(ModelError, match=r"is not the published one \(sha256 differs\); it was not kept"):
        download_yunet()
    assert not get_cache_folder().exists() or not list(get_cache_folder().iterdir())


@pytest.mark.usefixtures("published")
def test_a_cache_that_cannot_be_written_to(serve: Callable) -> None:
    serve(GOOD)
    get_cache_folder().parent.mkdir(parents=True)
    get_cache_folder().write_text("a file where a folder should be")
    with pytest.raises(ModelError, match="YuNet cannot be kept in"):
        download_yunet()


@pytest.mark.usefixtures("published", "unreadable_home")
def test_a_cache_that_may_not_be_looked_into(serve: Callable) -> None:
    serve(GOOD)
    with pytest.raises(ModelError, match="YuNet cannot be kept in"):
        download_yunet()


def test_the_published_sum_is_pinned() -> None:
    assert YUNET_SHA256 == "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
    named = os.environ.get("EMOTION_YUNET")
    assert named is None  # the fixture took it away: no test here depends on the machine
