"""Photos in folders and ZIPs: their labels, and damaged, hostile and oversized sources."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets.readers import photo_sources
from emotion.datasets.readers.photo_sources import SourcePhoto, open_source, sanitize_label
from emotion.errors import DataError, ImageError
from emotion.expressions import normalize_label


def list_labels(path: Path) -> dict[str, str]:
    with open_source(path) as photos:
        return {photo.name: photo.label for photo in photos}


def open_single(path: Path) -> SourcePhoto:
    with open_source(path) as (photo,):
        return photo


def pack(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpack(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


TREES = {
    "labels": ({"Happy/a.jpg": "happy", "sad/b.PNG": "sad", "Grin/c.webp": "grin"}),
    "splits": ({"train/happy/a.jpg": "happy", "test/sad/a.jpg": "sad", "Valid/anger/b.jpg": "angry"}),
    "wrapped": ({"faces/2019/happy/a.jpg": "happy", "faces/2019/sad/b.jpg": "sad"}),
    "wrapped splits": ({"faces/train/happy/a.jpg": "happy", "faces/test/happy/b.jpg": "happy"}),
    "one label": ({"happy/2019/a.jpg": "happy", "happy/2020/b.jpg": "happy"}),
    "one own label": ({"grin/a.jpg": "grin", "grin/b.jpg": "grin"}),
    "below labels": ({"happy/2019/a.jpg": "happy", "sad/b.jpg": "sad"}),
    "named splits": ({"Training set/happy/a.jpg": "happy", "dev_set/sad/b.jpg": "sad", " test /sad/c.jpg": "sad"}),
    "labels around splits": ({"yawn/train/a.jpg": "yawn", "happy/test/b.jpg": "happy"}),
    "beside splits": ({"train/happy/a.jpg": "happy", "train/grin/a.jpg": "grin", "extra/grin/b.jpg": ""}),
    "without": ({"a.jpg": "", "happy/b.jpg": "happy", "train/c.jpg": ""}),
}


@pytest.mark.parametrize("tree", TREES)
def test_folders_name_the_labels(tmp_path: Path, tree: str) -> None:
    files = dict.fromkeys(TREES[tree], b"1")
    others = {
        "__MACOSX/happy/._a.jpg": b"2",
        "happy/.hidden.jpg": b"2",
        "read me.txt": b"2",
        ".git/happy/a.jpg": b"2",
        "happy/.ipynb_checkpoints/a.jpg": b"2",
    }
    assert list_labels(unpack(tmp_path / "tree", files | others)) == TREES[tree]
    assert list_labels(pack(tmp_path / "tree.zip", files | others)) == TREES[tree]


def test_photos_are_read_byte_for_byte(tmp_path: Path) -> None:
    for path in (
        unpack(tmp_path / "a", {"happy/a.jpg": b"photo"}),
        pack(tmp_path / "a.zip", {"happy/a.jpg": b"photo"}),
    ):
        with open_source(path) as (photo,):
            assert (photo.skip_reason, photo.read()) == ("", b"photo")


def test_zip_with_backslashes_in_paths_is_read(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x": b""})
    path.write_bytes(pack(tmp_path / "b.zip", {"happy|a.jpg": b"1"}).read_bytes().replace(b"happy|a", b"happy\\a"))
    assert list_labels(path) == {"happy/a.jpg": "happy"}


@pytest.mark.parametrize("name", ["../happy/a.jpg", "/happy/a.jpg", "happy/../../a.jpg", "C:/happy/a.jpg"])
def test_entries_outside_the_zip_are_skipped(tmp_path: Path, name: str) -> None:
    assert "leads out" in open_single(pack(tmp_path / "a.zip", {name: b"1"})).skip_reason
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]  # nothing was unpacked


def test_links_and_special_files_are_skipped(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    entry = zipfile.ZipInfo("happy/a.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, str(secret))
    assert "link" in open_single(tmp_path / "a.zip").skip_reason
    folder = unpack(tmp_path / "tree", {})
    (folder / "happy").mkdir(parents=True)
    os.symlink(secret, folder / "happy" / "a.jpg")
    os.symlink(tmp_path, folder / "sad")
    assert "link" in open_single(folder).skip_reason
    os.mkfifo(folder / "happy" / "b.jpg")
    with open_source(folder) as photos:
        assert [photo.skip_reason != "" for photo in photos] == [True, True]


def test_zip_bombs_are_skipped(tmp_path: Path) -> None:
    assert "compressed more" in open_single(pack(tmp_path / "a.zip", {"happy/a.jpg": b"\0" * 11_000_000})).skip_reason
    assert open_single(pack(tmp_path / "b.zip", {"happy/a.jpg": b"\0" * 9_000_000})).skip_reason == ""


def test_oversized_sources_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.zip", {f"happy/{i}.jpg": b"12345" for i in range(4)})
    monkeypatch.setattr(photo_sources, "MAX_ZIP_BYTES", 19)
    with pytest.raises(DataError, match=r"a\.zip has more than"):
        list_labels(path)
    monkeypatch.setattr(photo_sources, "MAX_ZIP_BYTES", 20)
    monkeypatch.setattr(photo_sources, "MAX_PHOTOS", 3)
    for source in (path, unpack(tmp_path / "tree", {f"happy/{i}.jpg": b"1" for i in range(4)})):
        with pytest.raises(DataError, match="more than 3 photos"):
            list_labels(source)


def test_entry_is_not_read_beyond_its_declared_size(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"happy/a.jpg": b"\0" * 1_000_000})
    data = path.read_bytes().replace((1_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    with open_source(path) as (photo,):
        try:
            assert len(photo.read()) <= 1000
        except ImageError as error:
            assert "damaged" in str(error)  # noqa: PT017


def test_damaged_entries_are_refused_and_encrypted_ones_skipped(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"happy/a.jpg": os.urandom(5000)})
    data = bytearray(path.read_bytes())
    data[300:400] = bytes(100)
    path.write_bytes(data)
    with open_source(path) as (photo,), pytest.raises(ImageError, match="damaged in the ZIP"):
        photo.read()
    path = pack(tmp_path / "b.zip", {"happy/a.jpg": b"1"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in open_single(path).skip_reason


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\xff\xd8\xff\xe0 jpeg", b"Rar!\x1a\x07\x00"])
def test_other_files_than_zips_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "photos.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"photos\.zip is not a readable ZIP"):
        list_labels(tmp_path / "photos.zip")


@given(cut=st.integers(0, 600), change=st.binary(max_size=3))
def test_damaged_zip_is_read_or_refused_with_its_name(
    tmp_path_factory: pytest.TempPathFactory, cut: int, change: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    intact = pack(path, {f"happy/{i}.jpg": bytes(range(50)) for i in range(3)}).read_bytes()
    path.write_bytes(intact[:cut] + change + intact[cut + len(change) :])
    try:
        with open_source(path) as photos:
            for photo in photos:
                try:
                    photo.read()
                except ImageError as error:
                    assert str(error).endswith(".")  # noqa: PT017
    except DataError as error:
        assert "damaged.zip" in str(error)  # noqa: PT017


def test_sources_without_photos_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", pack(tmp_path / "a.zip", {"happy/read me.txt": b"1"})):
        with pytest.raises(DataError, match="No photo is in"):
            list_labels(source)
    with pytest.raises(DataError, match="nowhere"):
        list_labels(tmp_path / "nowhere")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_unreadable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(DataError):
        list_labels(tmp_path / "closed")


def test_search_of_a_folder_can_be_stopped(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "tree", {f"happy/{i}.jpg": b"1" for i in range(3)})
    with pytest.raises(DataError), open_source(folder, lambda: True):
        pass


@given(name=st.text(max_size=80))
def test_sanitized_label_is_a_valid_folder_name_of_the_same_label(name: str) -> None:
    label = sanitize_label(name)
    assert sanitize_label(label) == label == normalize_label(label)
    assert not set(label) & set('/\\:*?"<>|\0')
    assert len(label) <= 61
    assert not label.startswith((".", "_"))
    assert not label.endswith((".", " "))
