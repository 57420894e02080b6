"""Open the photo or the frame of a video that a face of a collection is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from emotion.archive.collection.collection import Collection
from emotion.archive.reading import SourceReader
from emotion.archive.source_files import IMAGE, is_remote
from emotion.errors import VideoError
from emotion.faces import Box, Face, Scores
from emotion.media.image_reader import read_image, rotate
from emotion.media.video_reader import VideoReader
from emotion.recognition.analyzer import Rotation
from emotion.results.tables import SCORE_PREFIX
from emotion.translation.messages import gettext as _

_TIME_TOLERANCE_SECONDS: Final = 0.002  # timestamps after a seek differ by the clock of the container


@dataclass(frozen=True, eq=False)
class OpenedFace:
    """Where a face is from.

    Attributes:
        image: The photo or frame, RGB uint8 (H, W, 3), turned as it was analyzed.
        faces: All faces in it.
        video_path: The video, where it is a file of its own on this machine.
    """

    image: NDArray[np.uint8]
    faces: tuple[Face, ...]
    video_path: Path | None = None


def open_face(collection: Collection, file_id: int, frame: int | None, timestamp: float | None) -> OpenedFace:
    """Read the photo of a face, or the frame of a video.

    Args:
        collection: The collection.
        file_id: The file.
        frame: The frame of a video; None for a photo.
        timestamp: The second of the frame.

    Raises:
        EmotionError: The file is not on this machine, has changed or cannot be read.
    """
    source, row = collection.read_source(file_id), collection.file_row(file_id)
    faces = tuple(map(_make_face, collection.faces_of(file_id, frame)))
    with SourceReader() as reader:
        if source.kind == IMAGE:
            image = read_image(reader.read_image(source), name=source.name)
            return OpenedFace(rotate(image, cast(Rotation, int(row["rotation"]))), faces)
        is_own_file = not source.member and not is_remote(source.location)
        with reader.open_video(source) as path, VideoReader(path, source.name) as video:
            image = _read_frame(video, timestamp or 0.0, source.name)
        return OpenedFace(image, faces, Path(source.location) if is_own_file else None)


def _read_frame(video: VideoReader, timestamp: float, name: str) -> NDArray[np.uint8]:
    video.seek(timestamp)
    for frame in video.frames():
        if frame.timestamp >= timestamp - _TIME_TOLERANCE_SECONDS:
            return frame.image()
    raise VideoError(
        _("{name} has no frame at {timestamp:.1f} s: analyze it again into a new folder.").format(
            name=name, timestamp=timestamp
        )
    )


def _make_face(row: Mapping[str, Any]) -> Face:
    scores = {name.removeprefix(SCORE_PREFIX): p for name, p in row.items() if name.startswith(SCORE_PREFIX)}
    is_classified = all(probability is not None for probability in scores.values())
    return Face(
        Box(row["x1"], row["y1"], row["x2"], row["y2"]),
        row["detection_score"],
        scores=Scores(list(scores), list(scores.values())) if is_classified else None,
        uncertainty_reason=row["uncertainty_reason"],
        track_id=row.get("track_id"),
        smoothed_label=row["label"],
    )
