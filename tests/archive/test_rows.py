"""The rows of faces with and without features, as Parquet holds them."""

from __future__ import annotations

import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from emotion.archive.pieces import Piece, PieceWriter
from emotion.archive.rows import make_face_row
from emotion.archive.schemas import FACES, VIDEOS, make_schemas
from emotion.archive.settings import ArchiveSettings
from emotion.errors import SettingsError
from emotion.faces import Box, Face
from emotion.recognition.settings import AnalyzerSettings
from emotion.results.tables import FEATURE_COLUMNS
from tests.archive.making import LABELS, fake_request
from tests.video.scenes import make_feature_face

FACE = Face(Box(10, 10, 50, 50), 0.9)


def test_faces_have_columns_of_features_where_they_are_asked_for() -> None:
    writer = PieceWriter(LABELS, with_features=True)
    for face in (FACE, make_feature_face(FACE, 0.75), make_feature_face(FACE, is_known=False)):
        writer.add(FACES, make_face_row(0, face, None) | {"face_index": 1})
    table = pq.read_table(io.BytesIO(writer.finish(Piece(0, 0, ())).tables[FACES]))
    assert table["movement_mouthSmileLeft"].to_pylist() == [None, 0.75, None]
    assert table["yaw"].to_pylist() == [None, 10, None]
    assert table["features_certainty"].to_pylist() == [None, pytest.approx(0.9), pytest.approx(0.2)]


def test_tables_without_features_have_no_columns_of_them() -> None:
    for table in (FACES, VIDEOS):
        assert not set(FEATURE_COLUMNS) & set(make_schemas(LABELS)[table].names)
        assert set(FEATURE_COLUMNS) <= set(make_schemas(LABELS, with_features=True)[table].names)


def test_images_and_videos_have_features_alike() -> None:
    with pytest.raises(SettingsError, match="both alike"):
        ArchiveSettings(AnalyzerSettings(features=True))


def test_a_worker_with_another_features_network_is_refused() -> None:
    request = fake_request()
    assert request.to_dict()["features_sha256"] is None
    assert replace(request, features_sha256="1" * 64).to_dict() != request.to_dict()
