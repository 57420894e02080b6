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
from emotion.recognition.detectors import detector_factory
from emotion.recognition.detectors.detector_factory import (
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
from emotion.recognition.detectors.opencv_detectors import HaarCascade

CONTENT = b"the network as it was published"


@pytest.fixture(autouse=True)
def _without_yunet(user_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide any YuNet file and forbid connections."""
    monkeypatch.setattr(detector_factory, "BUILTIN_MODELS", tmp_path / "models")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("a connection was opened"))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, float]]]:
    """`serve(response)`: respond with bytes or an exception; returns the list of (url, timeout) of all requests."""

    def serve(response: bytes | Exception) -> list[tuple[str, float]]:
        requests: list[tuple[str, float]] = []

        def urlopen(url: str, timeout: float) -> io.BytesIO:
            requests.append((url, timeout))
            if isinstance(response, Exception):
                raise response
            return io.BytesIO(response)

        monkeypatch.setattr(urllib.request, "urlopen", urlopen)
        return requests

    return serve


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `CONTENT` the published file."""
    monkeypatch.setattr(detector_factory, "YUNET_SHA256", hashlib.sha256(CONTENT).hexdigest())


def write_yunet(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / YUNET_FILE).write_bytes(content)
    return folder / YUNET_FILE


# ------------------------------------------------------------------ finding YuNet


def test_missing_yunet_is_no_error() -> None:
    assert find_yunet() is None
    assert available_detectors() == ("haar",)
    assert isinstance(make_detector(), HaarCascade)


def test_yunet_is_found_in_models_and_in_the_cache(tmp_path: Path) -> None:
    cached = write_yunet(get_cache_folder())
    assert find_yunet() == cached
    shipped = write_yunet(tmp_path / "models")
    assert find_yunet() == shipped
    assert available_detectors() == THIRD_PARTY == ("yunet", "haar")


@pytest.mark.parametrize("value", ["none", "None", "NONE"])
def test_yunet_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    write_yunet(get_cache_folder())
    monkeypatch.setenv("EMOTION_YUNET", value)
    assert find_yunet() is None
    assert make_detector().name == "haar"


def test_environment_variable_names_the_yunet_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_yunet(get_cache_folder())
    path = write_yunet(tmp_path / "elsewhere")
    monkeypatch.setenv("EMOTION_YUNET", str(path))
    assert find_yunet() == path
    monkeypatch.setenv("EMOTION_YUNET", "")  # an empty variable counts as unset
    assert find_yunet() == get_cache_folder() / YUNET_FILE


@pytest.fixture
def unreadable_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too long a name fails even for root, who may read every folder."""
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / ("x" * 300)))


@pytest.mark.usefixtures("unreadable_home")
def test_missing_home_folder_is_no_error_without_yunet() -> None:
    assert find_yunet() is None
    assert make_detector().name == "haar"


@pytest.mark.usefixtures("user_cache")
def test_without_a_home_folder_only_the_download_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    assert "haar" in available_detectors()
    with pytest.raises(ModelError, match="This user has no home folder; set HOME"):
        download_yunet()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert get_cache_folder() == tmp_path / "emotion-studio"


@pytest.mark.parametrize("path", ["missing.onnx", ".", "x" * 300])
def test_environment_variable_with_a_missing_file_is_an_error(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("EMOTION_YUNET", path)
    for function in (find_yunet, available_detectors, make_detector):
        with pytest.raises(ModelError, match=r"EMOTION_YUNET names .*, which is no file; correct it or set it to none"):
            function()
    assert make_detector("haar").name == "haar"  # which needs no file


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the rules of Linux")
@pytest.mark.parametrize(
    ("xdg", "folder"), [(None, ".cache/emotion-studio"), ("", ".cache/emotion-studio"), ("/x/y", "/x/y/emotion-studio")]
)
def test_cache_folder_follows_xdg(
    monkeypatch: pytest.MonkeyPatch, user_cache: Path, xdg: str | None, folder: str
) -> None:
    if xdg is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert get_cache_folder() == user_cache / folder


# ------------------------------------------------------------------ making detectors


@pytest.mark.parametrize("name", ["Haar", "dlib", "../haar"])
def test_unknown_detector_is_an_error(name: str) -> None:
    with pytest.raises(ModelError, match=r"There is no detector .*; expected one of yunet, haar"):
        make_detector(name)


def test_missing_yunet_is_an_error_if_requested() -> None:
    with pytest.raises(ModelError, match="YuNet is not on this machine; run `emotion models download-yunet`"):
        make_detector("yunet")


def test_switched_off_yunet_is_an_error_if_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message does not recommend the download, which would not help."""
    monkeypatch.setenv("EMOTION_YUNET", "none")
    with pytest.raises(ModelError, match="EMOTION_YUNET=none switches YuNet off; unset it"):
        make_detector("yunet")


def test_unreadable_yunet_is_an_error() -> None:
    write_yunet(get_cache_folder(), b"half a file")
    with pytest.raises(ModelError, match=re.escape(f"{get_cache_folder() / YUNET_FILE} cannot be read; replace it")):
        make_detector()
    assert make_detector("haar").name == "haar"


def test_every_call_makes_a_new_detector() -> None:
    assert make_detector("haar") is not make_detector("haar")


@pytest.mark.parametrize("name", ["glance", *THIRD_PARTY])
def test_each_detector_is_described_in_a_sentence(name: str) -> None:
    assert detector_description(name).endswith(".")


def test_custom_detector_has_its_own_description() -> None:
    assert detector_description("mine") == "Mine, your own detector."


# ------------------------------------------------------------------ download


@pytest.mark.usefixtures("published")
def test_yunet_is_downloaded_once(serve: Callable) -> None:
    requests = serve(CONTENT)
    path = download_yunet(timeout=2)
    assert path == get_cache_folder() / YUNET_FILE == find_yunet()
    assert path.read_bytes() == CONTENT
    assert download_yunet() == path
    assert requests == [(detector_factory.YUNET_URL, 2)]
    assert detector_factory.YUNET_URL.startswith("https://")


@pytest.mark.usefixtures("published")
def test_damaged_file_in_the_cache_is_downloaded_again(serve: Callable) -> None:
    write_yunet(get_cache_folder(), b"half a file")
    serve(CONTENT)
    assert download_yunet().read_bytes() == CONTENT


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
def test_failed_download_is_an_error_with_advice(serve: Callable, error: Exception) -> None:
    serve(error)
    with pytest.raises(ModelError, match=r"could not be fetched \(no network\?\); .* use another detector: haar\."):
        download_yunet()
    assert find_yunet() is None


def test_failed_download_names_the_available_detectors(serve: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(urllib.error.URLError("no route to host"))
    monkeypatch.setattr(detector_factory, "trained_detectors", lambda: {"glance": None})
    with pytest.raises(ModelError, match=r"use another detector: glance, haar\."):
        download_yunet()


@pytest.mark.parametrize("response", [b"", b"<html>log in first</html>", CONTENT, bytes(3_000_000)])
def test_file_with_another_checksum_is_not_kept(serve: Callable, response: bytes) -> None:
    """The expected sha256 is the real one, which none of these has."""
    serve(response)
    with pytest.raises(ModelError, match=r"is not the published one \(sha256 differs\); it was not kept"):
        download_yunet()
    assert not get_cache_folder().exists() or not list(get_cache_folder().iterdir())


@pytest.mark.usefixtures("published")
def test_unwritable_cache_is_an_error(serve: Callable) -> None:
    serve(CONTENT)
    get_cache_folder().parent.mkdir(parents=True)
    get_cache_folder().write_text("a file where a folder should be")
    with pytest.raises(ModelError, match="YuNet cannot be kept in"):
        download_yunet()


@pytest.mark.usefixtures("published", "unreadable_home")
def test_unreadable_cache_is_an_error(serve: Callable) -> None:
    serve(CONTENT)
    with pytest.raises(ModelError, match="YuNet cannot be kept in"):
        download_yunet()


def test_published_checksum_is_pinned() -> None:
    assert YUNET_SHA256 == "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
    assert "EMOTION_YUNET" not in os.environ  # removed by the fixture: no test here depends on the machine
