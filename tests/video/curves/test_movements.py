from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from emotion.movements import CURVES
from emotion.video.curves import movements
from emotion.video.edits.identities import IdentityEdits
from emotion.video.frame_log import FrameLog
from emotion.video.tables import apply_identities
from tests.video.scenes import add_features, make_line, write_frame_lines

RATE = 10  # frames a second


def make_faces(folder: Path, *smiles: float | None, edits: IdentityEdits | None = None) -> pd.DataFrame:
    """Return the table of a face with these smiles, one in each frame; None withholds the movements."""
    lines = [add_features(make_line(i, i / RATE, (1, "sad")), smile) for i, smile in enumerate(smiles)]
    write_frame_lines(folder, *lines)
    log = FrameLog(folder)
    log.refresh()
    return apply_identities(log.to_dataframe(), edits or IdentityEdits())


def test_each_curve_is_the_mean_of_its_movements(tmp_path: Path) -> None:
    curves = movements.compute_curves(make_faces(tmp_path, 0.2, 0.4, 0.6), 0.3)
    assert curves.columns.tolist() == list(movements.CURVE_COLUMNS)
    assert curves["movement"].unique().tolist() == list(CURVES)
    smile = curves[curves["movement"] == "smile"]
    # Steps of a twelfth of a second over frames of a tenth: the second one is a fifth of the first frame, and so on.
    np.testing.assert_allclose(smile["strength"], [0.2, 0.36, 0.52, 0.6], atol=1e-6)
    assert set(curves["name"]) == {"Face 1"}
    jaw = curves.loc[curves["movement"] == "jaw open", "strength"].dropna()
    np.testing.assert_allclose(jaw, 0.1, atol=1e-6)


def test_a_curve_has_a_gap_where_movements_are_withheld(tmp_path: Path) -> None:
    curves = movements.compute_curves(make_faces(tmp_path, *[0.5] * 5, *[None] * 10, *[0.5] * 5), 2.0)
    smile = curves[curves["movement"] == "smile"]
    between = smile[(smile["start"] > 0.6) & (smile["start"] < 1.4)]
    assert len(between) > 5
    assert between["strength"].isna().all()
    assert smile["strength"].iloc[[0, -1]].notna().all()


def test_a_curve_of_few_frames_has_no_gaps(tmp_path: Path) -> None:
    lines = [add_features(make_line(8 * i, i / 4, (1, "sad")), 0.5) for i in range(12)]
    write_frame_lines(tmp_path, *lines)
    log = FrameLog(tmp_path)
    log.refresh()
    smile = movements.compute_curves(apply_identities(log.to_dataframe(), IdentityEdits()), 3.0)
    np.testing.assert_allclose(smile.loc[smile["movement"] == "smile", "strength"], [0.5] * 36, atol=1e-6)


def test_long_videos_have_few_points(tmp_path: Path) -> None:
    faces = make_faces(tmp_path, *[0.2, 0.4] * 500)
    smile = movements.compute_curves(faces, 100.0).query("movement == 'smile'")
    assert 500 < len(smile) <= 601
    np.testing.assert_allclose(smile["strength"], 0.3, atol=0.1)


def test_smiles_begin_and_end_at_the_threshold(tmp_path: Path) -> None:
    weak, strong = movements.MIN_SMILE - 0.01, movements.MIN_SMILE + 0.1
    smiles = movements.compute_smiles(make_faces(tmp_path, *[weak] * 5, *[strong] * 5, None, None, *[strong] * 3))
    assert smiles.columns.tolist() == list(movements.SMILE_COLUMNS)
    np.testing.assert_allclose(smiles[["start", "end"]], [[0.5, 1.0], [1.2, 1.5]])
    np.testing.assert_allclose(smiles["strength"], strong, atol=1e-6)


def test_a_hidden_face_has_neither_curves_nor_smiles(tmp_path: Path) -> None:
    faces = make_faces(tmp_path, *[0.9] * 5, edits=IdentityEdits(hidden=frozenset({1})))
    assert movements.compute_smiles(faces).empty
    assert movements.compute_curves(faces, 1.0).empty


def test_a_video_without_features_has_empty_tables(tmp_path: Path) -> None:
    write_frame_lines(tmp_path, make_line(0, 0.0, (1, "happy")))
    log = FrameLog(tmp_path)
    log.refresh()
    faces = apply_identities(log.to_dataframe(), IdentityEdits())
    assert not log.has_features
    assert movements.compute_curves(faces, 1.0).columns.tolist() == list(movements.CURVE_COLUMNS)
    assert movements.compute_smiles(faces).columns.tolist() == list(movements.SMILE_COLUMNS)
