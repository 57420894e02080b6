"""The files of a run as pages and lists read them: validated once, and harmless where they are damaged."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from emotion.errors import JobError
from emotion.storage import read_json
from emotion.translation.messages import get_message
from emotion.translation.messages import gettext as _

_MAX_EPOCHS: Final = 10**7
_MAX_MINUTES: Final = 1e9

Text = Annotated[str, Field(max_length=1000)]
Record = TypeVar("Record", bound="RunRecord")


class RunRecord(BaseModel):
    """A file of which the declared fields are used; others are not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class RunConfig(RunRecord):
    """What is used of config.json."""

    kind: Text | None = None
    network: Text | None = None
    epochs: Annotated[int, Field(ge=0, le=_MAX_EPOCHS)] | None = None
    label_set: Text | None = None
    label_names: list[Text] | None = None


class RunCard(RunRecord):
    """What is used of card.json, beside a model that is opened."""

    kind: Text | None = None
    network: Text | None = None
    source_run: Text | None = None
    created: Text | None = None
    files: dict[str, dict[str, Any]] | None = None


class RunReport(RunRecord):
    """What is used of report.json."""

    train_minutes: Annotated[FiniteFloat, Field(ge=0, le=_MAX_MINUTES)] | None = None
    detectors: list[dict[str, Any]] | None = None
    end_to_end: list[dict[str, Any]] | None = None


class RecordFile(Generic[Record]):
    """A file of a run, read and validated.

    Attributes:
        values: The JSON object, {} where it is missing or damaged.
        record: Its validated fields, the defaults where it is missing or damaged.
        damage: One sentence about what is wrong, "" where nothing is.
    """

    def __init__(self, path: Path, record_type: type[Record]) -> None:
        self.values: Mapping[str, Any] = {}
        self.record = record_type()
        self.damage = ""
        try:
            values = read_json(path) or {}
            self.record = record_type.model_validate(values)
            self.values = values
        except JobError as error:
            self.damage = get_message(error)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=True)[0]
            field = ".".join(map(str, first["loc"]))
            value = reprlib.repr(first["input"])
            text = _("{path} is damaged ({field} is {value}): repair the file, or delete the run.")
            self.damage = text.format(path=path, field=field, value=value)
