from __future__ import annotations

from contextvars import copy_context

import pytest
from starlette.exceptions import HTTPException
from streamlit.runtime.media_file_storage import MediaFileKind, MediaFileStorageError
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from emotion.ui.visitors import identity, upload_storage
from emotion.ui.visitors.media_storage import OwnedMediaStorage
from emotion.ui.visitors.upload_storage import SpooledUploadManager


@pytest.fixture
def storage() -> OwnedMediaStorage:
    return OwnedMediaStorage("/media")


def add(storage: OwnedMediaStorage, key: str, data: bytes = b"a face") -> str:
    """Add a file in a request of the visitor `key`, and return its name."""

    def act() -> str:
        identity.set_request_key(key)
        return storage.load_and_get_id(data, "image/png", MediaFileKind.MEDIA) + ".png"

    return copy_context().run(act)


def get(storage: OwnedMediaStorage, key: str, name: str) -> bytes:
    def act() -> bytes:
        identity.set_request_key(key)
        return storage.get_file(name).content

    return copy_context().run(act)


def test_a_file_is_served_to_its_owner_only(storage: OwnedMediaStorage) -> None:
    name = add(storage, "anna")
    assert get(storage, "anna", name) == b"a face"
    for stranger in ("bert", ""):
        with pytest.raises(MediaFileStorageError):
            get(storage, stranger, name)


def test_the_same_file_of_two_visitors_is_served_to_both(storage: OwnedMediaStorage) -> None:
    assert add(storage, "anna") == (name := add(storage, "bert"))
    assert get(storage, "anna", name) == get(storage, "bert", name) == b"a face"


def test_a_file_without_an_owner_is_not_served(storage: OwnedMediaStorage) -> None:
    name = add(storage, "")
    for visitor in ("", "anna"):
        with pytest.raises(MediaFileStorageError):
            get(storage, visitor, name)


def test_a_deleted_file_is_not_served_again_to_earlier_owners(storage: OwnedMediaStorage) -> None:
    name = add(storage, "anna")
    storage.delete_file(name.removesuffix(".png"))
    add(storage, "bert")
    with pytest.raises(MediaFileStorageError):
        get(storage, "anna", name)


def test_pages_get_the_address_of_any_file(storage: OwnedMediaStorage) -> None:
    name = add(storage, "anna")
    assert storage.get_url(name.removesuffix(".png")) == f"/media/{name}"


# ------------------------------------------------------------------ uploads


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> SpooledUploadManager:
    monkeypatch.setattr(upload_storage, "MAX_SESSION_BYTES", 100)
    monkeypatch.setattr(upload_storage, "MAX_TOTAL_BYTES", 150)
    monkeypatch.setattr(upload_storage, "MIN_SPOOLED_BYTES", 50)
    return SpooledUploadManager("/upload")


def record(name: str, size: int) -> UploadedFileRec:
    return UploadedFileRec(name, f"{name}.mp4", "video/mp4", b"x" * size)


@pytest.mark.parametrize("size", [0, 10, 80])
def test_uploads_are_read_as_they_came(uploads: SpooledUploadManager, size: int) -> None:
    uploads.add_file("session", record("a", size))
    (found,) = uploads.get_files("session", ["a"])
    assert bytes(found.data) == b"x" * size
    assert isinstance(found.data, bytes) == (size < 50), "large ones are not in the memory"


def test_a_session_has_a_ceiling(uploads: SpooledUploadManager) -> None:
    uploads.add_file("session", record("a", 60))
    with pytest.raises(HTTPException) as refused:
        uploads.add_file("session", record("b", 60))
    assert refused.value.status_code == 413
    uploads.remove_file("session", "a")
    uploads.add_file("session", record("b", 60))


def test_all_sessions_have_a_ceiling(uploads: SpooledUploadManager) -> None:
    uploads.add_file("first", record("a", 90))
    with pytest.raises(HTTPException):
        uploads.add_file("second", record("b", 70))
    uploads.remove_session_files("first")
    uploads.add_file("second", record("b", 70))
