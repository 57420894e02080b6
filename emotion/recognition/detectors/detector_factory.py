"""List, download and create the face detectors of this machine, and select the default one."""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Final

from emotion.errors import ModelError
from emotion.model_store.store import BUILTIN_MODELS, ModelBundle, compute_sha256, get_model_folders, list_models
from emotion.recognition.detectors.detection import FaceDetector
from emotion.recognition.detectors.onnx_detector import OnnxFaceDetector
from emotion.recognition.detectors.opencv_detectors import HaarCascade, YuNet
from emotion.storage import write_atomic
from emotion.translation.messages import gettext as _

YUNET_FILE: Final = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256: Final = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_URL: Final = "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/" + YUNET_FILE
# Detectors from other sources; trained detectors with these names are ignored.
THIRD_PARTY: Final = ("yunet", "haar")


def get_cache_folder() -> Path:
    """Return the folder of downloaded files by the convention of the operating system.

    Raises:
        ModelError: The user has no home folder.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _get_home_folder() / "AppData" / "Local") / "emotion-studio"
    if sys.platform == "darwin":
        return _get_home_folder() / "Library" / "Caches" / "emotion-studio"
    return Path(os.environ.get("XDG_CACHE_HOME") or _get_home_folder() / ".cache") / "emotion-studio"


def _get_home_folder() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise ModelError(_("This user has no home folder; set HOME to a folder where files can be kept.")) from error


def find_yunet() -> Path | None:
    """Return the path of the YuNet file, or None.

    EMOTION_YUNET is the path, or `none` to disable YuNet. Without it, models/ and then the cache folder are searched.

    Raises:
        ModelError: EMOTION_YUNET is not the path of a file.
    """
    configured = os.environ.get("EMOTION_YUNET", "")
    if configured:
        if configured.lower() == "none":
            return None
        if not os.path.isfile(configured):
            raise ModelError(
                _("EMOTION_YUNET names {path}, which is no file; correct it or set it to none.").format(path=configured)
            )
        return Path(configured)
    candidates = [BUILTIN_MODELS / YUNET_FILE]
    with suppress(ModelError):  # without a home folder there is no cache to search
        candidates.append(get_cache_folder() / YUNET_FILE)
    # `Path.is_file` raises for an unreadable folder, `os.path.isfile` does not; YuNet is optional.
    return next((path for path in candidates if os.path.isfile(path)), None)


def download_yunet(timeout: float = 5.0) -> Path:
    """Download YuNet into the cache folder unless it is there already.

    No other function of the package opens a network connection on its own.

    Args:
        timeout: Timeout of the connection in seconds.

    Returns:
        The path of the file.

    Raises:
        ModelError: The download fails, the file is not the published one, or it cannot be written.
    """
    path = get_cache_folder() / YUNET_FILE
    if _is_published(path):
        return path
    try:
        with urllib.request.urlopen(YUNET_URL, timeout=timeout) as response:
            data = response.read(2_000_000)
    except (OSError, http.client.HTTPException) as error:
        raise ModelError(
            _(
                "The YuNet face detector could not be fetched (no network?); connect this machine to the internet and "
                "try again, or use another detector: {names}."
            ).format(names=", ".join((*trained_detectors(), "haar")))
        ) from error
    if hashlib.sha256(data).hexdigest() != YUNET_SHA256:
        raise ModelError(_("The file fetched for YuNet is not the published one (sha256 differs); it was not kept."))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise ModelError(
            _("YuNet cannot be kept in {folder} ({problem}); check its rights.").format(
                folder=path.parent, problem=error.strerror
            )
        ) from error
    return path


def _is_published(path: Path) -> bool:
    try:
        return compute_sha256(path) == YUNET_SHA256
    except OSError:  # missing or unreadable
        return False


def trained_detectors() -> dict[str, ModelBundle]:
    """Return the usable trained detectors by name, the default one first."""
    return {
        bundle.name: bundle
        for bundle in list_models("detector", *get_model_folders(BUILTIN_MODELS)).models
        if bundle.name not in THIRD_PARTY
    }


def available_detectors() -> tuple[str, ...]:
    """Return the names that `make_detector` accepts on this machine, the default one first."""
    return (*trained_detectors(), *(name for name in THIRD_PARTY if name != "yunet" or find_yunet() is not None))


def make_detector(name: str | None = None, num_threads: int = 0) -> FaceDetector:
    """Create a detector.

    Args:
        name: One of `available_detectors`; None for the default one.
        num_threads: Number of threads of an ONNX detector, 0 for one per core; the detectors of OpenCV ignore it.

    Raises:
        ModelError: The detector is unknown, missing on this machine or disabled, or it cannot be loaded.
    """
    name = name or available_detectors()[0]
    if name == "haar":
        return HaarCascade()
    if name == "yunet":
        path = find_yunet()
        if path is None and os.environ.get("EMOTION_YUNET"):
            raise ModelError(_("EMOTION_YUNET=none switches YuNet off; unset it or use another detector."))
        if path is None:
            raise ModelError(_("YuNet is not on this machine; run `emotion models download-yunet` or use another one."))
        return YuNet(path)
    trained = trained_detectors()
    if name not in trained:
        raise ModelError(
            _("There is no detector {name!r}; expected one of {names}.").format(
                name=name, names=", ".join((*trained, *THIRD_PARTY))
            )
        )
    return OnnxFaceDetector(trained[name], num_threads)


def get_display_name(name: str) -> str:
    """Return the name of a detector on a page."""
    return {"glance": "Glance", "yunet": "YuNet", "haar": "Haar"}.get(name, name)


def get_detector_sha256(name: str) -> str | None:
    """Return the sha256 of a detector's network, None for the cascade, which is a part of OpenCV."""
    if name == "yunet":
        path = find_yunet()
        return compute_sha256(path) if path else None
    bundle = trained_detectors().get(name)
    return bundle.sha256 if bundle else None


def detector_description(name: str) -> str:
    """Describe a detector in one sentence for the user."""
    return {
        "glance": _("Glance (built in): fast, handles tilted faces."),
        "yunet": _("YuNet (OpenCV Zoo): handles tilted and small faces."),
        "haar": _("Haar cascade (OpenCV): slower, frontal faces only."),
    }.get(name) or _("{name}, your own detector.").format(name=f"{name[:1].upper()}{name[1:]}")
