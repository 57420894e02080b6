"""Where videos are kept, for whom, and how much a visitor of a public server may keep there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from emotion.errors import JobError, SettingsError
from emotion.jobs.job import create_job_folder
from emotion.jobs.ownership import Ownership, is_owned_by
from emotion.jobs.process_record import STATE_FILE
from emotion.storage import folder_lock
from emotion.translation.messages import gettext as _

QUOTA_VAR: Final = "EMOTION_QUOTA"
_MEGABYTE: Final = 1e6
_SECONDS_PER_HOUR: Final = 3600
_SECONDS_PER_MINUTE: Final = 60

_Amount = Annotated[FiniteFloat, Field(gt=0, le=1e9)]


class VisitorQuota(BaseModel):
    """What a visitor may keep on a public server.

    Attributes:
        hours: After which a video is removed.
        videos: Number of videos at a time.
        minutes: Duration of all videos of a visitor.
        megabytes: Size of all videos of a visitor with their results.
        total_megabytes: Size of the videos of all visitors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hours: _Amount = 24
    videos: Annotated[int, Field(ge=1)] = 5
    minutes: _Amount = 30
    megabytes: _Amount = 500
    total_megabytes: _Amount = 20_000

    @classmethod
    def from_environment(cls) -> Self:
        """Read the JSON object of EMOTION_QUOTA; what it does not name has its default.

        Raises:
            SettingsError: It is no such object, or has a value that is not possible.
        """
        try:
            return cls.model_validate_json(os.environ.get(QUOTA_VAR) or "{}")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "its text"
            raise SettingsError(
                f"{QUOTA_VAR} is not usable ({place}: {first['msg']}); expected a JSON object with positive numbers "
                f"for any of {', '.join(cls.model_fields)}."
            ) from error


@dataclass(frozen=True)
class VideoSpace:
    """A folder of videos.

    Attributes:
        folder: The folder.
        owner: The key of the visitor who sees only their own videos; "" for the person at this machine, who sees all.
        quota: What the visitor may keep.
    """

    folder: Path
    owner: str = ""
    quota: VisitorQuota = field(default_factory=VisitorQuota)

    def includes(self, folder: Path) -> bool:
        """Return whether `folder` is a video of this space."""
        return folder.parent == self.folder and folder.is_dir() and (not self.owner or is_owned_by(folder, self.owner))

    def reserve(self, label: str, num_bytes: int) -> Path:
        """Make the folder of a new video.

        Args:
            label: The name that a user gave the video.
            num_bytes: Its size.

        Raises:
            JobError: The visitor or the server has no room for it.
        """
        if not self.owner:
            return create_job_folder(self.folder, label)
        self.folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(self.folder):
            self._check_quota(num_bytes)
            folder = create_job_folder(self.folder, label)
            now = time.time()
            Ownership(
                owner=self.owner,
                created_at=now,
                expires_at=now + self.quota.hours * _SECONDS_PER_HOUR,
                num_bytes=num_bytes,
            ).write(folder)
        return folder

    def add_duration(self, folder: Path, seconds: float) -> None:
        """Record the duration of a video.

        Raises:
            JobError: The videos of the visitor are longer than allowed.
        """
        if not self.owner:
            return
        with folder_lock(self.folder):
            own = [record for record in _iter_records(self.folder) if record[1].owner == self.owner]
            total = seconds + sum(record.seconds for path, record in own if path != folder)
            if total > self.quota.minutes * _SECONDS_PER_MINUTE:
                raise JobError(
                    _(
                        "Your videos would last {total:.1f} minutes, {allowed:g} are allowed: delete one, or choose a "
                        "shorter video."
                    ).format(total=total / _SECONDS_PER_MINUTE, allowed=self.quota.minutes)
                )
            record = Ownership.read(folder)
            if record is not None:
                record.model_copy(update={"seconds": seconds}).write(folder)

    def _check_quota(self, num_bytes: int) -> None:
        own, total = [], float(num_bytes)
        for folder, record in _iter_records(self.folder):
            size = max(record.num_bytes, _measure(folder))
            total += size
            if record.owner == self.owner:
                own.append(size)
        if len(own) >= self.quota.videos:
            raise JobError(
                _("You have {count} videos, {allowed} are allowed at a time: delete one, then add this one.").format(
                    count=len(own), allowed=self.quota.videos
                )
            )
        if sum(own) + num_bytes > self.quota.megabytes * _MEGABYTE:
            raise JobError(
                _(
                    "Your videos would take {total:,.0f} MB, {allowed:,.0f} MB are allowed: delete one, or choose a "
                    "smaller video."
                ).format(total=(sum(own) + num_bytes) / _MEGABYTE, allowed=self.quota.megabytes)
            )
        if total > self.quota.total_megabytes * _MEGABYTE:
            raise JobError(
                _("This server has no room for another video: try again later, when older ones have expired.")
            )


def _iter_records(parent: Path) -> Iterator[tuple[Path, Ownership]]:
    """Yield the folders in `parent` that belong to visitors."""
    for folder in parent.iterdir() if parent.is_dir() else ():
        if not folder.is_symlink() and folder.is_dir() and (record := Ownership.read(folder)) is not None:
            yield folder, record


def iter_expired(parent: Path, now: float, max_upload_seconds: float) -> Iterator[Path]:
    """Yield the folders of visitors' videos that may be removed.

    Args:
        parent: The folder of all videos.
        now: Unix seconds.
        max_upload_seconds: After which a folder without a job counts as an upload that was interrupted.
    """
    for folder, record in _iter_records(parent):
        is_interrupted = not (folder / STATE_FILE).exists() and now > record.created_at + max_upload_seconds
        if now > record.expires_at or is_interrupted:
            yield folder


def _measure(folder: Path) -> float:
    """Return the bytes of all files below a folder."""
    total = 0
    for root, _folders, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a file of a running job may be gone
                total += os.lstat(os.path.join(root, name)).st_size
    return total
