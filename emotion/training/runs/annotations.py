"""What a person writes about a run: its name, a note and tags, in a small file of the run folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from emotion.errors import JobError
from emotion.formatting import format_name
from emotion.storage import write_json
from emotion.training.runs.records import RecordFile, RunRecord
from emotion.translation.messages import gettext as _

ANNOTATIONS_FILE: Final = "annotations.json"
MAX_NAME_LENGTH: Final = 60
MAX_NOTE_LENGTH: Final = 2000
MAX_TAG_LENGTH: Final = 30
MAX_TAGS: Final = 12


class RunAnnotations(RunRecord):
    """The content of the file: `name` replaces the name that the run was started with, "" keeps it."""

    name: Annotated[str, Field(max_length=MAX_NAME_LENGTH)] = ""
    note: Annotated[str, Field(max_length=MAX_NOTE_LENGTH)] = ""
    tags: list[Annotated[str, Field(max_length=MAX_TAG_LENGTH)]] = Field(default_factory=list, max_length=MAX_TAGS)


def read_annotations(folder: Path) -> RecordFile[RunAnnotations]:
    """Read the annotations of a run; a missing file has none, a damaged one has a sentence in `damage`."""
    return RecordFile(folder / ANNOTATIONS_FILE, RunAnnotations)


def write_annotations(folder: Path, name: str, note: str, tags: Iterable[str]) -> None:
    """Replace the annotations of a run.

    Args:
        folder: The run folder.
        name: The name to show; control characters and line breaks become spaces.
        note: Text of several lines.
        tags: Empty and repeated ones are left out.

    Raises:
        JobError: A text is too long, or the file cannot be written.
    """
    lines = [format_name(text, len(text)) for text in (name, *tags)]
    unique_tags = list(dict.fromkeys(filter(None, lines[1:])))
    if len(unique_tags) > MAX_TAGS:
        raise JobError(_("A run can have {maximum} tags; leave some out.").format(maximum=MAX_TAGS))
    for text, maximum in (
        (lines[0], MAX_NAME_LENGTH),
        (note, MAX_NOTE_LENGTH),
        *((tag, MAX_TAG_LENGTH) for tag in unique_tags),
    ):
        if len(text) > maximum:
            message = _('"{text}" has more than {maximum} characters; shorten it.')
            raise JobError(message.format(text=text[:MAX_TAG_LENGTH], maximum=maximum))
    annotations = RunAnnotations(name=lines[0], note=note.strip(), tags=unique_tags)
    try:
        write_json(folder / ANNOTATIONS_FILE, annotations.model_dump())
    except OSError as error:
        raise JobError(
            _("{name} cannot be changed ({reason}); check the disk and its permissions.").format(
                name=folder.name, reason=error.strerror
            )
        ) from error
