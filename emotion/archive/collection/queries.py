"""The SQL of a collection: its views, and the condition and the bins of a selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from emotion.archive.source_files import FileKind

TimeAxis = Literal["taken", "modified", "video"]
Certainty = Literal["all", "sure", "unsure"]
FaceOrder = Literal["file", "confident", "uncertain", "large"]

MAX_BINS: Final = 150
_SECONDS_PER_UNIT: Final = {"hour": 3600, "day": 86_400, "month": 30 * 86_400, "year": 365 * 86_400}
_COMMON: Final = (
    "file_id, display_label, label, confidence, uncertainty_reason, detection_score, x1, y1, x2, y2, size_px"
)
# Faces of images and of videos in one view; `number` is the face in its image, or the track in its video.
FACES_VIEW: Final = f"""
    CREATE VIEW all_faces AS
    SELECT {_COMMON}, thumbnail, 'image' AS kind, face_index::BIGINT AS number, NULL::BIGINT AS frame,
           NULL::DOUBLE AS timestamp FROM image_faces
    UNION ALL
    SELECT {_COMMON}, thumbnail, 'video' AS kind, track_id AS number, frame, timestamp FROM video_faces
"""
# Only with the folder and the time of the file where a query needs them: joining costs a tenth of a second.
FACES_OF_FILES: Final = "all_faces JOIN (SELECT file_id, folder, taken, modified FROM files) USING (file_id)"
ORDERS: Final[dict[FaceOrder, str]] = {
    "file": "file_id, frame, number",
    "confident": "confidence DESC, file_id, frame, number",
    "uncertain": "confidence, file_id, frame, number",
    "large": "size_px DESC, file_id, frame, number",
}


@dataclass(frozen=True)
class FaceFilter:
    """Which faces of a collection count.

    Attributes:
        expressions: Displayed labels; empty for all.
        certainty: Only faces with a sure label, only unsure ones, or all.
        confidence: The least and the greatest confidence, 0 to 1.
        min_size_px: The least size, the root of the area of the box.
        kind: Only faces of images or of videos; None for both.
        folder: Only of files in this folder and the folders in it; "" for all.
    """

    expressions: tuple[str, ...] = ()
    certainty: Certainty = "all"
    confidence: tuple[float, float] = (0.0, 1.0)
    min_size_px: float = 0.0
    kind: FileKind | None = None
    folder: str = ""

    def to_sql(self) -> tuple[str, list[Any]]:
        """Return the condition for the view `all_faces`, and its parameters."""
        conditions, values = ["TRUE"], list[Any]()
        if self.expressions:
            conditions.append("list_contains(?, display_label)")
            values.append(list(self.expressions))
        if self.certainty != "all":
            conditions.append(f"uncertainty_reason IS {'' if self.certainty == 'sure' else 'NOT '}NULL")
        if self.confidence != (0.0, 1.0):
            conditions.append("confidence BETWEEN ? AND ?")
            values += self.confidence
        if self.min_size_px > 0:
            conditions.append("size_px >= ?")
            values.append(self.min_size_px)
        if self.kind is not None:
            conditions.append("kind = ?")
            values.append(self.kind)
        if self.folder:
            conditions.append("file_id IN (SELECT file_id FROM files WHERE folder = ? OR starts_with(folder, ?))")
            values += [self.folder, f"{self.folder.rstrip('/')}/"]
        return " AND ".join(conditions), values


def choose_time_unit(seconds: float) -> str:
    """Return the unit (hour, day, month or year) that divides a span of time into at most `MAX_BINS` bins, or years."""
    return next((unit for unit, length in _SECONDS_PER_UNIT.items() if seconds / length <= MAX_BINS), "year")
