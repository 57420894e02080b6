"""The rows of the tables, made of files and faces."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

from emotion.archive.pieces import Piece, PieceResult, PieceWriter
from emotion.archive.schemas import ERRORS, FILES
from emotion.archive.source_files import SourceFile
from emotion.faces import Face
from emotion.media.image_array import ImageArray, downscale
from emotion.media.image_reader import encode_jpeg
from emotion.results.serialization import crop_with_margin
from emotion.results.tables import SCORE_PREFIX, feature_values

_THUMBNAIL_PX: Final = 80
_THUMBNAIL_QUALITY: Final = 75  # of the JPEG: about 2 kB a face
_NS_PER_SECOND: Final = 1e9


def to_text(name: str) -> str:
    """Return a name with a replacement for bytes that are no valid Unicode, since tables hold only that."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def make_file_row(file_id: int, file: SourceFile) -> dict[str, Any]:
    """Return the row of a file without the columns that only its analysis tells."""
    modified = datetime.fromtimestamp(file.mtime_ns / _NS_PER_SECOND, UTC).replace(tzinfo=None)
    return {
        **_identify(file_id, file),
        "folder": to_text(file.folder),
        "size_bytes": file.size_bytes if file.size_bytes >= 0 else None,
        "modified": modified if file.mtime_ns else None,
        "num_faces": 0,
        "has_error": False,
    }


def make_error_row(file_id: int, file: SourceFile, message: str) -> dict[str, Any]:
    """Return the row of a problem; `message` is one sentence."""
    return {**_identify(file_id, file), "message": to_text(message)}


def make_error_result(piece: Piece, message: str) -> PieceResult:
    """Return the result of a piece of which no file could be analyzed."""
    writer = PieceWriter(())
    for file_id, file in enumerate(piece.files, piece.first_file_id):
        writer.add(FILES, make_file_row(file_id, file) | {"has_error": True})
        writer.add(ERRORS, make_error_row(file_id, file, message))
    return writer.finish(piece)


def make_face_row(file_id: int, face: Face, thumbnail: bytes | None) -> dict[str, Any]:
    """Return the columns that faces of images and of videos have in common."""
    x1, y1, x2, y2 = face.box.to_int_xyxy()
    scores = {f"{SCORE_PREFIX}{label}": probability for label, probability in (face.scores or {}).items()}
    return {
        "file_id": file_id,
        "display_label": face.display_label,
        "label": face.label,
        "confidence": face.confidence,
        "uncertainty_reason": face.uncertainty_reason,
        "detection_score": face.detection_score,
        **{"x1": x1, "y1": y1, "x2": x2, "y2": y2},
        "size_px": math.sqrt(face.box.area),
        "thumbnail": thumbnail,
        **scores,
        **feature_values(face.features),
    }


def make_thumbnail(image: ImageArray, face: Face) -> bytes:
    """Return a small JPEG of a face of an RGB uint8 image (H, W, 3)."""
    return encode_jpeg(downscale(crop_with_margin(image, face), _THUMBNAIL_PX), _THUMBNAIL_QUALITY)


def _identify(file_id: int, file: SourceFile) -> dict[str, Any]:
    return {
        "file_id": file_id,
        "location": to_text(file.location),
        "member": to_text(file.member),
        "kind": file.kind,
    }
