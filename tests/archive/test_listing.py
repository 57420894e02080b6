from __future__ import annotations

import os
from pathlib import Path

import pytest

from emotion.archive.listing import iter_sources
from emotion.archive.source_files import SourceFile
from emotion.errors import DataError
from tests.archive.making import write_tar, write_zip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three images and a video, and files that are left out."""
    tree = tmp_path / "photos"
    for name in ("b.jpg", "a.JPG", "sub/c.png", "sub/d.mp4", "notes.txt", ".hidden.jpg", ".cache/e.jpg"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tree


def names_of(files: list[SourceFile]) -> list[str]:
    return [file.name for file in files]


def test_a_folder_is_listed_in_the_order_of_names_without_hidden_and_other_files(folder: Path) -> None:
    files = list(iter_sources([str(folder)]))
    assert names_of(files) == ["a.JPG", "b.jpg", "c.png", "d.mp4"]
    assert [file.kind for file in files] == ["image", "image", "image", "video"]
    assert files[0].size_bytes == len("a.JPG")
    assert files[0].mtime_ns == (folder / "a.JPG").stat().st_mtime_ns


def test_a_file_that_two_sources_name_is_listed_once(folder: Path) -> None:
    assert names_of(list(iter_sources([str(folder / "sub"), str(folder)]))) == ["c.png", "d.mp4", "a.JPG", "b.jpg"]


def test_a_pattern_matches_files_below_a_folder(folder: Path) -> None:
    assert names_of(list(iter_sources([str(folder / "**" / "*.png")]))) == ["c.png"]


def test_a_url_lists_the_same_files_as_the_folder(folder: Path) -> None:
    files = list(iter_sources([folder.as_uri()]))
    assert sorted(names_of(files)) == ["a.JPG", "b.jpg", "c.png", "d.mp4"]
    assert all(file.location.startswith("file://") for file in files)


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tar.gz"])
def test_the_members_of_an_archive_are_listed_with_their_sizes(folder: Path, tmp_path: Path, name: str) -> None:
    pack = write_zip if name.endswith(".zip") else write_tar
    packed = pack(tmp_path / name, folder / "sub")
    files = list(iter_sources([str(packed)]))
    assert [(file.member, file.size_bytes) for file in files] == [("inner/c.png", 9), ("inner/d.mp4", 9)]
    assert files[0].folder == f"{packed}/inner"


def test_a_list_file_names_files_relative_to_itself_and_keeps_missing_ones(folder: Path) -> None:
    (folder / "notes.txt").write_text("sub/c.png\n\nmissing.jpg\n")
    files = list(iter_sources([str(folder / "notes.txt")]))
    assert names_of(files) == ["c.png", "missing.jpg"]
    assert files[1].size_bytes == -1


def test_names_that_are_no_unicode_are_listed(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system takes only Unicode")
    assert os.fsdecode(b"caf\xe9.jpg") in names_of(list(iter_sources([str(folder)])))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "There is no"),
        ("photos/empty", "neither images nor videos"),
        ("photos/notes.pdf", "There is no"),
        ("photos/broken.zip", "no readable ZIP or tar"),
        ("nothing://bucket", "cannot be reached"),
    ],
)
def test_a_source_without_files_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (folder / "broken.zip").write_bytes(b"PK")
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder.parent)
    with pytest.raises(DataError, match=message):
        list(iter_sources([source]))


def test_a_stop_ends_the_listing(folder: Path) -> None:
    assert list(iter_sources([str(folder)], lambda: True)) == []
