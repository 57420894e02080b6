"""The owner.json of a folder on a public server: to which visitor it belongs, what it may hold, and when it expires."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from emotion.jobs.process_record import MAX_TIMESTAMP
from emotion.storage import read_json_or_empty, write_json

OWNER_FILE: Final = "owner.json"

Amount = Annotated[FiniteFloat, Field(ge=0)]
Timestamp = Annotated[FiniteFloat, Field(ge=0, le=MAX_TIMESTAMP)]


class Ownership(BaseModel):
    """To whom a folder belongs.

    Attributes:
        owner: The key of the visitor, a hash of the id in the visitor's cookie: who reads it cannot act as the visitor.
        created_at: Unix seconds.
        expires_at: When it may be removed, in unix seconds.
        num_bytes: The size that was announced for it.
        seconds: The duration of its video, 0 until it is known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    owner: Annotated[str, Field(min_length=1, max_length=200)]
    created_at: Timestamp
    expires_at: Timestamp
    num_bytes: Amount = 0.0
    seconds: Amount = 0.0

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read the record of a folder; None where there is none or it is damaged; such a folder has no owner."""
        try:
            return cls.model_validate(read_json_or_empty(folder / OWNER_FILE))
        except ValidationError:
            return None

    def write(self, folder: Path) -> None:
        """Write it as the record of `folder`."""
        write_json(folder / OWNER_FILE, self.model_dump())


def is_owned_by(folder: Path, owner: str) -> bool:
    """Return whether `folder` belongs to a visitor."""
    record = Ownership.read(folder)
    return record is not None and record.owner == owner
