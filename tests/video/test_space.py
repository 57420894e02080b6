from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from emotion.errors import JobError, SettingsError
from emotion.jobs.ownership import Ownership
from emotion.jobs.process_record import STATE_FILE, ProcessRecord
from emotion.video import library
from emotion.video.library import VideoSpace
from emotion.video.space import QUOTA_VAR, VisitorQuota

QUOTA = VisitorQuota(hours=1, videos=2, minutes=1, megabytes=2, total_megabytes=3)


def space_of(folder: Path, owner: str = "anna") -> VideoSpace:
    return VideoSpace(folder / "videos", owner, QUOTA)


def add(space: VideoSpace, num_bytes: int = 1000, seconds: float = 1.0) -> Path:
    folder = space.reserve("a.mp4", num_bytes)
    space.add_duration(folder, seconds)
    ProcessRecord("done", 1, 1.0, None).write(folder)
    return folder


def age(folder: Path, hours: float) -> None:
    record = Ownership.read(folder)
    assert record is not None
    shift = hours * 3600
    changes = {"created_at": record.created_at - shift, "expires_at": record.expires_at - shift}
    record.model_copy(update=changes).write(folder)


def test_visitors_see_only_their_own_videos(tmp_path: Path) -> None:
    anna, bert, everyone = space_of(tmp_path), space_of(tmp_path, "bert"), VideoSpace(tmp_path / "videos")
    mine, other = add(anna), add(bert)
    assert [video.folder for video in library.list_videos(anna)] == [mine]
    assert [video.folder for video in library.list_videos(bert)] == [other]
    assert {video.folder for video in library.list_videos(everyone)} == {mine, other}
    assert (anna.includes(mine), anna.includes(other), everyone.includes(other)) == (True, False, True)


def test_a_video_without_owner_belongs_to_no_visitor(tmp_path: Path) -> None:
    everyone = VideoSpace(tmp_path / "videos")
    folder = everyone.reserve("a.mp4", 10)
    assert not space_of(tmp_path).includes(folder)
    assert everyone.includes(folder)


def test_a_space_includes_no_folder_elsewhere(tmp_path: Path) -> None:
    space = space_of(tmp_path)
    folder = add(space)
    inner = folder / "redraw"
    inner.mkdir()
    Ownership(owner="anna", created_at=0.0, expires_at=1.0).write(inner)
    assert not space.includes(inner)
    assert not space.includes(space.folder / ".." / "videos" / "nothing")


def test_a_visitor_has_a_number_of_videos(tmp_path: Path) -> None:
    anna = space_of(tmp_path)
    first, _ = add(anna), add(anna)
    with pytest.raises(JobError, match="You have 2 videos, 2 are allowed at a time: delete one"):
        add(anna)
    add(space_of(tmp_path, "bert"))
    library.delete(first)
    add(anna)


def test_a_visitor_has_a_size(tmp_path: Path) -> None:
    anna = space_of(tmp_path)
    folder = add(anna)
    (folder / "annotated.mp4").write_bytes(bytes(1_500_000))  # what the analysis makes counts, too
    with pytest.raises(JobError, match="Your videos would take 3 MB, 2 MB are allowed"):
        add(anna, 1_000_000)
    add(anna, 400_000)


def test_all_visitors_have_a_size(tmp_path: Path) -> None:
    for owner in ("anna", "bert"):
        add(space_of(tmp_path, owner), 1_400_000)
    with pytest.raises(JobError, match="This server has no room for another video"):
        add(space_of(tmp_path, "carl"), 1_400_000)


def test_a_visitor_has_minutes(tmp_path: Path) -> None:
    anna = space_of(tmp_path)
    add(anna, seconds=40)
    with pytest.raises(JobError, match=r"Your videos would last 1\.3 minutes, 1 are allowed"):
        add(anna, seconds=40)
    add(space_of(tmp_path, "bert"), seconds=40)


def test_the_person_at_this_machine_has_no_quota(tmp_path: Path) -> None:
    for _ in range(3):
        add(VideoSpace(tmp_path / "videos", quota=QUOTA), 10**9, 10**6)


def test_expired_videos_are_removed_and_nothing_else(tmp_path: Path) -> None:
    anna, everyone = space_of(tmp_path), VideoSpace(tmp_path / "videos")
    expired, fresh = add(anna), add(anna)
    own = add(everyone)
    age(expired, 1.1)
    (everyone.folder / "letters").mkdir()
    (everyone.folder / "letters" / "a.txt").write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Ownership(owner="anna", created_at=0.0, expires_at=1.0).write(elsewhere)
    (everyone.folder / "link").symlink_to(elsewhere)
    assert library.remove_expired(everyone.folder) == [expired]
    assert (expired.exists(), fresh.is_dir(), own.is_dir(), elsewhere.is_dir()) == (False, True, True, True)
    assert (everyone.folder / "letters" / "a.txt").read_text() == "mine"


def test_an_upload_that_a_killed_server_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    anna = VideoSpace(tmp_path / "videos", "anna", VisitorQuota())
    folder = anna.reserve("a.mp4", 1000)
    (folder / "source.mp4").write_bytes(b"half")
    assert library.remove_expired(anna.folder) == []
    age(folder, 1.1)
    assert library.remove_expired(anna.folder) == [folder]


def test_a_video_that_was_marked_long_ago_is_kept_until_it_expires(tmp_path: Path) -> None:
    anna = VideoSpace(tmp_path / "videos", "anna", VisitorQuota(hours=5))
    folder = add(anna)
    age(folder, 4.9)
    os.utime(folder / STATE_FILE, (time.time(), 0))
    assert library.remove_expired(anna.folder) == []


def test_nothing_expires_where_there_is_no_folder(tmp_path: Path) -> None:
    assert library.remove_expired(tmp_path / "missing") == []


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"videos": 0}', '{"hours": "long"}', '{"hours": -1}', '{"hours": 1e400}', '{"hour": 1}']
)
def test_a_quota_that_is_not_usable_is_one_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(QUOTA_VAR, text)
    with pytest.raises(SettingsError, match=r"EMOTION_QUOTA is not usable .* expected a JSON object"):
        VisitorQuota.from_environment()


def test_the_quota_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(QUOTA_VAR, '{"hours": 2, "videos": 9}')
    assert VisitorQuota.from_environment() == VisitorQuota(hours=2, videos=9)
    monkeypatch.setenv(QUOTA_VAR, "")
    assert VisitorQuota.from_environment() == VisitorQuota()
