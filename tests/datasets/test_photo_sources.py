"""Photos out of folders and ZIPs, and everything that may be wrong with either."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.datasets import photo_sources
from emotion.datasets.photo_sources import SourcePhoto, open_source, sanitize_label
from emotion.errors import DataError, ImageError
from emotion.expressions import normalize_label


def listed(path: Path) -> dict[str, str]:
    with open_source(path) as photos:
        return {photo.name: photo.label for photo in photos}


def one_of(path: Path) -> SourcePhoto:
    with open_source(path) as (photo,):
        return photo


def pack(path: Path, files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpack(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
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
def test_labels_come_from_folders(tmp_path: Path, tree: str) -> None:
    files = dict.fromkeys(TREES[tree], b"1")
    others = {
        "__MACOSX/happy/._a.jpg": b"2",
        "happy/.hidden.jpg": b"2",
        "read me.txt": b"2",
        ".git/happy/a.jpg": b"2",
        "happy/.ipynb_checkpoints/a.jpg": b"2",
    }
    assert listed(unpack(tmp_path / "tree", files | others)) == TREES[tree]
    assert listed(pack(tmp_path / "tree.zip", files | others)) == TREES[tree]


def test_photos_are_read_as_they_are(tmp_path: Path) -> None:
    for path in (
        unpack(tmp_path / "a", {"happy/a.jpg": b"photo"}),
        pack(tmp_path / "a.zip", {"happy/a.jpg": b"photo"}),
    ):
        with open_source(path) as (photo,):
            assert (photo.skip_reason, photo.read()) == ("", b"photo")


def test_paths_as_windows_writes_them(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"x": b""})
    path.write_bytes(pack(tmp_path / "b.zip", {"happy|a.jpg": b"1"}).read_bytes().replace(b"happy|a", b"happy\\a"))
    assert listed(path) == {"happy/a.jpg": "happy"}


@pytest.mark.parametrize("name", ["../happy/a.jpg", "/happy/a.jpg", "happy/../../a.jpg", "C:/happy/a.jpg"])
def test_paths_that_lead_out_of_a_zip_are_not_opened(tmp_path: Path, name: str) -> None:
    assert "leads out" in one_of(pack(tmp_path / "a.zip", {name: b"1"})).skip_reason
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]  # and nothing was unpacked anywhere


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    entry = zipfile.ZipInfo("happy/a.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, str(secret))
    assert "link" in one_of(tmp_path / "a.zip").skip_reason
    folder = unpack(tmp_path / "tree", {})
    (folder / "happy").mkdir(parents=True)
    os.symlink(secret, folder / "happy" / "a.jpg")
    os.symlink(tmp_path, folder / "sad")
    assert "link" in one_of(folder).skip_reason
    os.mkfifo(folder / "happy" / "b.jpg")
    with open_source(folder) as photos:
        assert [photo.skip_reason != "" for photo in photos] == [True, True]


def test_bombs_are_not_opened(tmp_path: Path) -> None:
    assert "tightly" in one_of(pack(tmp_path / "a.zip", {"happy/a.jpg": b"\0" * 11_000_000})).skip_reason
    assert one_of(pack(tmp_path / "b.zip", {"happy/a.jpg": b"\0" * 9_000_000})).skip_reason == ""


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.zip", {f"happy/{i}.jpg": b"12345" for i in range(4)})
    monkeypatch.setattr(photo_sources, "_MAX_ZIP_BYTES", 19)
    with pytest.raises(DataError, match=r"a\.zip is over"):
        listed(path)
    monkeypatch.setattr(photo_sources, "_MAX_ZIP_BYTES", 20)
    monkeypatch.setattr(photo_sources, "MAX_PHOTOS", 3)
    for source in (path, unpack(tmp_path / "tree", {f"happy/{i}.jpg": b"1" for i in range(4)})):
        with pytest.raises(DataError, match="more than 3 photos"):
            listed(source)


def test_an_entry_that_is_longer_than_it_says_is_not_read_on(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"happy/a.jpg": b"\0" * 1_000_000})
    data = path.read_bytes().replace((1_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    with open_source(path) as (photo,):
        try:
            assert len(photo.read()) <= 1000
        except ImageError as error:
            assert "damaged" in str(error)  # noqa: PT017


def test_locked_and_damaged_entries(tmp_path: Path) -> None:
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
    assert "password" in one_of(path).skip_reason


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\xff\xd8\xff\xe0 jpeg", b"Rar!\x1a\x07\x00"])
def test_what_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "photos.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"photos\.zip is no ZIP"):
        listed(tmp_path / "photos.zip")


@given(cut=st.integers(0, 600), change=st.binary(max_size=3))
def test_a_damaged_zip_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, cut: int, change: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    whole = pack(path, {f"happy/{i}.jpg": bytes(range(50)) for i in range(3)}).read_bytes()
    path.write_bytes(whole[:cut] + change + whole[cut + len(change) :])
    try:
        with open_source(path) as photos:
            for photo in photos:
                try:
                    photo.read()
                except ImageError as error:
                    assert str(error).endswith(".")  # noqa: PT017
    except DataError as error:
        assert "damaged.zip" in str(error)  # noqa: PT017


def test_no_photos_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", pack(tmp_path / "a.zip", {"happy/read me.txt": b"1"})):
        with pytest.raises(DataError, match="No photo is in"):
            listed(source)
    with pytest.raises(DataError, match="nowhere"):
        listed(tmp_path / "nowhere")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(DataError):
        listed(tmp_path / "closed")


def test_looking_can_be_stopped(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "tree", {f"happy/{i}.jpg": b"1" for i in range(3)})
    with pytest.raises(DataError), open_source(folder, lambda: True):
        pass


@given(word=st.text(max_size=80))
def test_a_label_is_a_folder_that_means_itself(word: str) -> None:
    label = sanitize_label(word)
    assert sanitize_label(label) == label == normalize_label(label)
    assert not set(label) & set('/\\:*?"<>|\0')
    assert len(label) <= 61
    assert not label.startswith((".", "_"))
    assert not label.endswith((".", " "))
