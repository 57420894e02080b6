"""The default features network, loaded once where it is first asked for."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError
from emotion.faces import Face
from emotion.model_store.store import ModelBundle, get_default_model
from emotion.recognition.cropping import CropGeometry
from emotion.recognition.features.network import FeaturesNetwork
from emotion.recognition.labeling import ClassifiedFace
from emotion.translation.languages import in_english
from emotion.translation.messages import get_message, translate_text

_log = logging.getLogger(__name__)


def add_features(gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry) -> tuple[Face, ...]:
    """Return the faces with their points, pose and movements.

    Args:
        gray: The image, gray uint8 (H, W).
        faces: Its faces.
        geometry: The relation of their boxes to the crops.

    Raises:
        ModelError: There is no usable features network.
    """
    if not faces:
        return faces
    features = load_default_network().describe_faces(gray, faces, geometry)
    return tuple(replace(face, features=seen) for face, seen in zip(faces, features, strict=True))


def describe_classified(
    gray: NDArray[np.uint8], classified_faces: tuple[ClassifiedFace, ...], geometry: CropGeometry
) -> tuple[ClassifiedFace, ...]:
    """Return classified faces with the features of `add_features`."""
    described = add_features(gray, tuple(item.face for item in classified_faces), geometry)
    return tuple(item._replace(face=face) for item, face in zip(classified_faces, described, strict=True))


def estimate_tilts(gray: NDArray[np.uint8], faces: tuple[Face, ...], geometry: CropGeometry) -> NDArray[np.float64]:
    """Return the tilts of faces in degrees, see `FeaturesNetwork.estimate_tilts`; NaN without a features network."""
    network = _find_network() if faces else None
    return np.full(len(faces), np.nan) if network is None else network.estimate_tilts(gray, faces, geometry)


def find_default_bundle() -> ModelBundle | None:
    """Return the default features network, None without a usable one; it also turns the crops of tilted faces."""
    network = _find_network()
    return None if network is None else network.bundle


def _find_network() -> FeaturesNetwork | None:
    try:
        return load_default_network()
    except ModelError:
        return None


def load_default_network() -> FeaturesNetwork:
    """Return the default features network; a model that is installed later is used by the next process.

    It runs on one core: it takes less than half a millisecond for a face.

    Raises:
        ModelError: There is no usable features network.
    """
    network = _load()
    if isinstance(network, str):
        raise ModelError(translate_text(network))
    return network


@lru_cache(maxsize=1)
def _load() -> FeaturesNetwork | str:
    """Load the default features network; return why it cannot be used, which is found out once, too."""
    with in_english():  # for the sessions of all languages
        try:
            return FeaturesNetwork(get_default_model("features"), num_threads=1)
        except ModelError as error:
            _log.warning("the crops of tilted faces are not turned by their points: %s", error)
            return get_message(error)
