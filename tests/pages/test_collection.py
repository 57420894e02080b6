from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from emotion.archive.run import ArchiveRun
from emotion.archive.schemas import TABLES
from emotion.archive.store import PIECES_FOLDER
from emotion.archive.worker import ArchiveWorker
from emotion.jobs.reporter import job_context
from emotion.model_store.store import ModelBundle
from tests.archive.making import InlineEngine, make_request, read_table, write_photos

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
NUM_PHOTOS = 6


@pytest.fixture(scope="module")
def results(tiny: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of six photos, one of them broken."""
    folder = tmp_path_factory.mktemp("collection")
    photos = write_photos(folder / "photos", NUM_PHOTOS, broken=(2,))
    request = make_request(tiny.folder)
    worker = ArchiveWorker(request)
    run = ArchiveRun([str(photos)], folder / "results", request)
    with job_context(run.folder) as reporter:
        run.run(lambda: InlineEngine(worker.process), reporter)
    return run.folder


def test_counts_are_shown_for_the_folder_in_the_address(open_page: Open, results: Path) -> None:
    page = open_page("collection", folder=str(results))
    num_faces = len(read_table(results, "faces"))
    assert not page.app.exception
    assert not page.app.error
    assert f"**{NUM_PHOTOS}** files" in page.words
    assert f"## {num_faces:,} faces" in page.words


def test_the_grid_shows_every_face(open_page: Open, results: Path) -> None:
    page = open_page("collection", {"collection_view": "Faces"}, folder=str(results))
    faces = read_table(results, "faces").to_pylist()
    grid = page.shown("collection_grid")
    assert grid is not None
    assert len(grid["thumbnails"]) == len(faces)
    assert not page.app.image


def test_files_with_a_problem_are_listed_with_their_sentence(open_page: Open, results: Path) -> None:
    page = open_page("collection", {"collection_view": "Errors"}, folder=str(results))
    assert page.app.dataframe[0].value["message"].tolist()[0].startswith('"0002.jpg" is plain text')


def test_the_export_holds_the_selected_faces(open_page: Open, results: Path, saved: dict[str, Any]) -> None:
    open_page("collection", {"collection_view": "Export"}, folder=str(results))
    num_faces = len(read_table(results, "faces"))
    assert len(saved["faces.csv"].splitlines()) == num_faces + 1
    assert saved["faces.parquet"].startswith(b"PAR1")


def test_a_collection_is_opened_again_once_its_tables_are_joined(
    open_page: Open, results: Path, tmp_path: Path
) -> None:
    """The files of the pieces, which were read before, are removed then."""
    folder = shutil.copytree(results, tmp_path / "results")
    pieces = folder / PIECES_FOLDER
    pieces.mkdir()
    for table in TABLES:
        for file in (folder / table).glob("part-*.parquet"):
            shutil.copy(file, pieces / f"{table}-{file.name}")
    page = open_page("collection", {"collection_view": "Faces"}, folder=str(folder))
    assert page.shown("collection_grid") is not None
    shutil.rmtree(pieces)
    st.cache_data.clear()
    page.app.session_state["collection_view"] = "Errors"
    page.app.run()
    assert not page.app.error
    assert len(page.app.dataframe) == 1


@pytest.mark.parametrize("name", ["{folder}", "{folder}/missing", "~no-such-user/results", "{folder}/" + 300 * "x"])
def test_a_folder_without_results_is_one_sentence(open_page: Open, tmp_path: Path, name: str) -> None:
    page = open_page("collection", folder=name.format(folder=tmp_path))
    assert len(page.app.error) == 1
    assert "holds no archive analysis" in page.words
    assert not page.app.exception
