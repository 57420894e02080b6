"""What moves in the faces of a video over time: curves of four movements, and the times of smiles."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.movements import CURVES
from emotion.results.tables import MOVEMENT_PREFIX
from emotion.video.curves.means import compute_means, make_steps
from emotion.video.tables import compute_segments, deduplicate_per_frame, get_column, split_into_bins

SMILE: Final = "smile"
CURVE_COLUMNS: Final = ("track_id", "name", "movement", "start", "strength")
SMILE_COLUMNS: Final = ("track_id", "name", "start", "end", "strength")
# The share of a full smile from which on a face counts as smiling. It separates the faces of PublicTest with the FER+
# majority "happy" best from the others, see docs/features.md.
MIN_SMILE: Final = 0.4


def has_movements(faces: pd.DataFrame) -> bool:
    """Return whether a table of faces has columns of movements."""
    return MOVEMENT_PREFIX + CURVES[SMILE][0] in faces.columns


def compute_curves(faces: pd.DataFrame, duration: float) -> pd.DataFrame:
    """Compute the curves of the movements of each face.

    Args:
        faces: A table of `apply_identities`.
        duration: Of the video, in seconds.

    Returns:
        `CURVE_COLUMNS`: `start` in seconds, at equal steps while a face is seen, and the mean `strength` (0 to 1) from
        there to the next step, NaN where the face is not seen or its movements are withheld.
    """
    if not has_movements(faces):
        return _to_table(CURVE_COLUMNS, [])
    faces = deduplicate_per_frame(faces)
    starts = make_steps(duration)
    tracks, parts = get_column(faces, "track_id"), []
    for track in np.unique(tracks):
        rows = faces.loc[tracks == track]
        # A frame counts for as long as it is shown: few frames are analyzed where that is to be fast.
        spans = split_into_bins(get_column(rows, "timestamp"), get_column(rows, "duration"), starts)
        first, last = int(spans.bin_indices.min()), int(spans.bin_indices.max())
        name = get_column(rows, "name")[0]
        for movement in CURVES:
            means = compute_means(_measure(rows, movement), spans, len(starts))[first : last + 1]
            columns = {"movement": movement, "start": starts[first : last + 1], "strength": means}
            parts.append(pd.DataFrame({"track_id": track, "name": name, **columns}))
    return _to_table(CURVE_COLUMNS, parts)


def compute_smiles(faces: pd.DataFrame) -> pd.DataFrame:
    """Compute the times in which a face of `apply_identities` smiles with at least `MIN_SMILE`.

    Returns:
        `SMILE_COLUMNS`, ordered as `compute_segments`: `start` and `end` in seconds, `strength` as the mean (0 to 1).
    """
    if not has_movements(faces):
        return _to_table(SMILE_COLUMNS, [])
    strengths = _measure(faces, SMILE)
    labels = np.where(strengths >= MIN_SMILE, SMILE, "")
    segments = compute_segments(faces.assign(display_label=labels, confidence=strengths))
    smiles = segments.assign(strength=segments["confidence"]).loc[segments["expression"] == SMILE, [*SMILE_COLUMNS]]
    return smiles.reset_index(drop=True)


def _measure(faces: pd.DataFrame, movement: str) -> NDArray[np.float64]:
    """Return the strength of a curve's movement in each row, NaN where it is withheld."""
    return np.mean([get_column(faces, MOVEMENT_PREFIX + name) for name in CURVES[movement]], axis=0)


def _to_table(columns: tuple[str, ...], parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in columns})
