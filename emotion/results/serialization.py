"""Faces -> plain values, sentences, JSON and files to take away; tables are made in `tables`, which loads pandas."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from emotion.expressions import UNCERTAIN
from emotion.faces import Box, Face, Scores
from emotion.version import __version__

PROGRAM: Final = f"Emotion Studio {__version__}"  # goes into every receipt


def face_to_dict(face: Face) -> dict[str, Any]:
    """One face as plain JSON values; box in pixels, half-open."""
    scores = dict(face.scores) if face.scores else {}
    return {
        "box": list(face.box.to_int_xyxy()),
        "detection_score": round(face.detection_score, 4),
        "label": face.label,
        "confidence": None if face.confidence is None else round(face.confidence, 4),
        "scores": {label: round(p, 4) for label, p in scores.items()},
        "uncertainty_reason": face.uncertainty_reason,
    }


def face_from_dict(record: Mapping[str, Any]) -> Face:
    """Make the face of which `face_to_dict` or `frame_to_dict` made `record`; its landmarks are not in it."""
    scores = Scores(list(record["scores"]), list(record["scores"].values())) if record["scores"] else None
    return Face(
        Box(*map(float, record["box"])),
        record["detection_score"],
        scores=scores,
        uncertainty_reason=record["uncertainty_reason"],
        track_id=record.get("track_id"),
        smoothed_label=record["label"],
    )


def photo_to_dict(
    file: str, width: int, height: int, faces: Sequence[Face], rotation: int = 0, reduction: int = 1
) -> dict[str, Any]:
    """One photo as plain JSON values; `rotation`: degrees clockwise by which it was turned to find the faces
    (width, height and boxes are those of the turned picture); `reduction`: by how much the width and height of the file
    were divided. Both are there only where they change something."""
    record: dict[str, Any] = {
        "file": file,
        "width": width,
        "height": height,
        "faces": [face_to_dict(f) for f in faces],
    }
    return record | ({"rotation": rotation} if rotation else {}) | ({"reduction": reduction} if reduction > 1 else {})


def count_expressions(faces: Sequence[Face]) -> dict[str, int]:
    """How often each word is shown, most frequent first, unsure last."""
    shown = [face.display_label for face in faces]
    names = sorted(set(shown), key=lambda n: (n == UNCERTAIN.name, -shown.count(n), n))
    return {name: shown.count(name) for name in names}


def format_counts(faces: Sequence[Face]) -> str:
    """ "9 happy, 3 neutral, 1 unsure"; "no face" for none."""
    return ", ".join(f"{n} {name}" for name, n in count_expressions(faces).items()) or "no face"


def frame_to_dict(timestamp: float, faces: Sequence[Face]) -> dict[str, Any]:
    """One frame of a stream as plain JSON values: `timestamp`, and its faces with `track_id` (null where it has none) and
    `display_label` (the word that was shown) before what `face_to_dict` gives."""
    return {
        "timestamp": round(timestamp, 3),
        "faces": [{"track_id": face.track_id, "display_label": face.display_label} | face_to_dict(face) for face in faces],
    }


def stream_to_json(provenance: Mapping[str, Any], frames: Iterable[str]) -> str:
    """The JSON text of a stream: the `provenance`, and as "frames" what `frame_to_dict` gave, already as JSON, a frame in
    each line."""
    lines = ",\n".join(frames)
    return f'{to_json(provenance).rstrip()[:-1].rstrip()}{"," if provenance else ""}\n "frames": [\n{lines}\n]}}\n'


def to_json(value: object) -> str:
    """JSON text with a final line break, in the order given."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def sanitize_filename(name: str) -> str:
    """A person's file name as a part of a file name of ours: letters, digits, dots and dashes, 60 at most."""
    stem = re.sub(r"[^\w.-]+", "-", name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]).strip("-.")
    return stem[:60] or "photo"


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of name -> content; the same content gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def crop_with_margin(image: NDArray, face: Face, margin: float = 1.25) -> NDArray:
    """The part of RGB uint8 (H, W, 3) around a face, for people to look at; a view, at least 1 x 1."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = face.box.expand(margin).clip(width, height).to_int_xyxy()
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
