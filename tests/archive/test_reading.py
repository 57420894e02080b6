from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest

from emotion.archive import reading, remote
from emotion.archive.listing import iter_sources
from emotion.archive.reading import SourceReader
from emotion.archive.source_files import SourceFile
from emotion.errors import EmotionError
from tests.archive.making import write_tar, write_zip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three files that say their number."""
    tree = tmp_path / "photos"
    tree.mkdir()
    for number in range(3):
        (tree / f"{number}.jpg").write_bytes(b"photo %d" % number)
    (tree / "clip.mp4").write_bytes(b"video")
    return tree


def read_all(files: list[SourceFile]) -> list[bytes]:
    with SourceReader() as reader:
        return [reader.read_image(file) for file in files]


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tar.gz"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_members_are_read_in_any_order(folder: Path, tmp_path: Path, name: str, order: tuple[int, ...]) -> None:
    packed = (write_zip if name.endswith(".zip") else write_tar)(tmp_path / name, folder)
    files = [file for file in iter_sources([str(packed)]) if file.kind == "image"]
    assert read_all([files[i] for i in order]) == [b"photo %d" % i for i in order]


def test_a_member_is_not_unpacked_into_its_folder(folder: Path, tmp_path: Path) -> None:
    packed = write_zip(tmp_path / "photos.zip", folder)
    before = sorted(tmp_path.rglob("*"))
    read_all([file for file in iter_sources([str(packed)]) if file.kind == "image"])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_video_in_an_archive_is_copied_while_it_is_read(folder: Path, tmp_path: Path) -> None:
    packed = write_tar(tmp_path / "photos.tar.gz", folder)
    video = next(file for file in iter_sources([str(packed)]) if file.kind == "video")
    with SourceReader() as reader:
        with reader.open_video(video) as path:
            assert path.read_bytes() == b"video"
        assert not path.exists()


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "photos.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(20_000_000))
    with pytest.raises(EmotionError, match="compressed more than any photo"):
        read_all(list(iter_sources([str(packed)])))


def test_a_damaged_member_does_not_disturb_the_next_one(folder: Path, tmp_path: Path) -> None:
    packed = write_zip(tmp_path / "photos.zip", folder)
    data = bytearray(packed.read_bytes())
    place = data.index(b"photo 1")
    data[place : place + 7] = b"x" * 7
    packed.write_bytes(data)
    files = [file for file in iter_sources([str(packed)]) if file.kind == "image"]
    with SourceReader() as reader:
        with pytest.raises(EmotionError, match="damaged"):
            reader.read_image(files[1])
        assert reader.read_image(files[2]) == b"photo 2"


def test_a_file_that_changed_after_it_was_listed_is_not_read(folder: Path) -> None:
    files = list(iter_sources([str(folder / "0.jpg")]))
    (folder / "0.jpg").write_bytes(b"another photo")
    with pytest.raises(EmotionError, match="has changed"):
        read_all(files)


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar"])
def test_a_member_of_an_archive_that_changed_is_not_read(folder: Path, tmp_path: Path, name: str) -> None:
    write = write_zip if name.endswith(".zip") else write_tar
    packed = write(tmp_path / name, folder)
    files = [file for file in iter_sources([str(packed)]) if file.kind == "image"]
    (folder / "0.jpg").write_bytes(b"another photo")
    packed.unlink()
    write(packed, folder)
    os.utime(packed, ns=(1, 1))
    with pytest.raises(EmotionError, match=f"{name} has changed"):
        read_all(files)


def test_an_image_in_a_storage_is_read_again_after_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = iter_sources([f"file://{folder / '0.jpg'}"])
    failures: list[Exception] = [ConnectionResetError("reset"), RuntimeError("half of the payload")]
    pauses: list[float] = []

    def open_binary(location: str) -> BinaryIO:
        if failures:
            raise failures.pop()
        return remote.open_binary(location)

    monkeypatch.setattr(reading, "open_binary", open_binary)
    monkeypatch.setattr(reading.time, "sleep", pauses.append)
    assert read_all([file]) == [b"photo 0"]
    assert len(pauses) == 2
    failures += [RuntimeError("half of the payload")] * 3
    with pytest.raises(EmotionError, match=r'"0\.jpg" cannot be read \(half of the payload\)'):
        read_all([file])


def test_a_file_that_is_gone_is_one_sentence(folder: Path) -> None:
    files = list(iter_sources([str(folder / "0.jpg")]))
    (folder / "0.jpg").unlink()
    with pytest.raises(EmotionError, match="was not found"):
        read_all(files)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(EmotionError, match="not a regular file"):
        read_all(list(iter_sources([str(folder / "pipe.jpg")])))
