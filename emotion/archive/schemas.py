"""The tables of an archive analysis: their names, columns and types.

files    one row for each image or video       faces   one row for each face of an image
errors   one row for each file with a problem  videos  one row for each face in each processed frame of a video
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from emotion.results.tables import FEATURE_COLUMNS, score_columns

FILES: Final = "files"
FACES: Final = "faces"
VIDEOS: Final = "videos"
ERRORS: Final = "errors"
TABLES: Final = (FILES, FACES, VIDEOS, ERRORS)

_FILE_FIELDS: Final = [
    ("file_id", pa.int64()),  # the number of the file in the list of sources, from 0
    ("location", pa.string()),  # the path or URL of the file, or of the ZIP or tar that holds it
    ("member", pa.string()),  # its path in the ZIP or tar, "" for a file of its own
    ("kind", pa.string()),  # "image" or "video"
]
_FILES_SCHEMA: Final = pa.schema(
    [
        *_FILE_FIELDS,
        ("folder", pa.string()),
        ("size_bytes", pa.int64()),
        ("modified", pa.timestamp("us")),  # UTC
        ("taken", pa.timestamp("us")),  # of the EXIF, the local time of the camera
        ("width", pa.int32()),  # pixels, as all boxes: turned upright and reduced
        ("height", pa.int32()),
        ("rotation", pa.int16()),  # degrees clockwise by which an image was turned to find its faces
        ("reduction", pa.int16()),  # factor by which width and height of a very large image were divided
        ("duration", pa.float64()),  # seconds of a video
        ("num_frames", pa.int64()),  # processed frames of a video
        ("num_faces", pa.int64()),  # rows of the file in `faces` or `videos`
        ("has_error", pa.bool_()),
    ]
)
_ERRORS_SCHEMA: Final = pa.schema([*_FILE_FIELDS, ("message", pa.string())])
_FACE_FIELDS: Final = [
    ("display_label", pa.string()),  # "unsure" where there is an uncertainty_reason
    ("label", pa.string()),
    ("confidence", pa.float32()),
    ("uncertainty_reason", pa.string()),
    ("detection_score", pa.float32()),
    ("x1", pa.int32()),
    ("y1", pa.int32()),
    ("x2", pa.int32()),
    ("y2", pa.int32()),
    ("size_px", pa.float32()),  # the root of the area of the box
    ("thumbnail", pa.binary()),  # JPEG
]


def make_schemas(labels: Sequence[str], *, with_features: bool = False) -> dict[str, pa.Schema]:
    """Return the schema of each of `TABLES`.

    Args:
        labels: `faces` and `videos` have a column `score_<label>` for each.
        with_features: Whether both have the columns `FEATURE_COLUMNS`, too.
    """
    values = [*score_columns(labels), *(FEATURE_COLUMNS if with_features else ())]
    face_fields = [*_FACE_FIELDS, *((name, pa.float32()) for name in values)]
    return {
        FILES: _FILES_SCHEMA,
        FACES: pa.schema([("file_id", pa.int64()), ("face_index", pa.int32()), *face_fields]),
        VIDEOS: pa.schema(
            [
                ("file_id", pa.int64()),
                ("frame", pa.int64()),
                ("timestamp", pa.float64()),  # seconds
                ("track_id", pa.int64()),
                *face_fields,
            ]
        ),
        ERRORS: _ERRORS_SCHEMA,
    }
