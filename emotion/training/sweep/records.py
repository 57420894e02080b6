"""The file of a sweep: its request, its trials and what they show; read by pages, without Optuna and Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from emotion.errors import JobError
from emotion.storage import read_json, write_json
from emotion.training.classifier.config import TrainingPlan
from emotion.training.runs.folder import SWEEP_FILE
from emotion.training.sweep.space import Choices, Range, Space, Value
from emotion.translation.messages import gettext as _

BASELINE_NUMBER: Final = 0
MAX_TRIALS: Final = 100_000
_MAX_EPOCHS: Final = 10**7
REDUCTION_FACTOR: Final = 3  # of the trials that reach a decision, one of so many goes on (Li et al. 2020, ASHA)
_NUM_DECISIONS: Final = 2  # about a trial: after a ninth and after a third of the epochs

TrialState = Literal["running", "complete", "pruned", "failed"]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialRecord(_Record):
    """A trial: a run with settings of its own.

    Attributes:
        number: From 1; 0 is the run with the settings of the plan, which is never stopped early.
        settings: The values of the settings that the sweep varies; {} for trial 0.
        state: "pruned" where it was stopped early.
        accuracies: Accuracy on the validation split after each epoch.
        seconds: Training time.
        error: Why it failed.
    """

    number: Annotated[int, Field(ge=0, le=MAX_TRIALS)]
    settings: dict[str, Value] = {}
    state: TrialState = "running"
    accuracies: Annotated[list[Share], Field(max_length=_MAX_EPOCHS)] = []
    seconds: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    error: str = ""

    @property
    def folder_name(self) -> str:
        """The name of its run folder within the folder of the sweep."""
        return f"trial-{self.number:03d}"

    @property
    def best_accuracy(self) -> float | None:
        """The accuracy of its best epoch."""
        return max(self.accuracies, default=None)


class SweepRequest(_Record):
    """What a sweep tries; all of it but the number of trials decides the result.

    Attributes:
        plan: The fields of a `TrainingPlan`, as in the config.json of a run.
        space: The settings to vary.
        seed: Of the suggestions.
        min_epochs: The number of epochs before the first decision about a trial.
    """

    plan: dict[str, Any]
    space: dict[str, Range | Choices]
    num_trials: Annotated[int, Field(ge=1, le=MAX_TRIALS)]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    min_epochs: Annotated[int, Field(ge=1, le=_MAX_EPOCHS)] = 1

    @classmethod
    def from_plan(cls, plan: TrainingPlan, space: Space, num_trials: int) -> SweepRequest:
        """Return the request to vary a plan; the first decisions are after a ninth of its epochs."""
        return cls(
            plan=json.loads(json.dumps(plan.to_config())),  # as it is read again
            space=dict(space),
            num_trials=num_trials,
            seed=plan.seed,
            min_epochs=max(1, plan.epochs // REDUCTION_FACTOR**_NUM_DECISIONS),
        )

    @property
    def training_plan(self) -> TrainingPlan:
        """The settings that all trials have in common."""
        return TrainingPlan.from_config(self.plan)

    def is_compatible(self, other: SweepRequest) -> bool:
        """Return whether a sweep of this request can go on as one of `other`: only the number of trials differs."""
        return self.model_copy(update={"num_trials": other.num_trials}) == other


class Importance(_Record):
    """How much of the differences between the trials comes from each setting.

    Attributes:
        epoch: After which all compared trials are compared: the last one that each of them reached.
        num_trials: How many are compared.
        shares: By setting; their sum is 1 (fANOVA, Hutter et al. 2014).
    """

    epoch: int
    num_trials: int
    shares: dict[str, Share]


class SweepRecord(_Record):
    """The content of sweep.json."""

    request: SweepRequest
    trials: list[TrialRecord] = []
    importance: Importance | None = None

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        """Refuse a space without values, and trials whose settings are not of the space."""
        for name, dimension in self.request.space.items():
            if isinstance(dimension, Range) and not dimension.is_valid:
                raise ValueError(f"the range of {name} goes from {dimension.low:g} to {dimension.high:g}")
        for trial in self.trials:
            expected = self.request.space if trial.number != BASELINE_NUMBER else {}
            if trial.settings.keys() != expected.keys():
                raise ValueError(f"trial {trial.number} has the settings {', '.join(trial.settings) or 'of none'}")
            for name, value in trial.settings.items():
                if not expected[name].contains(value):
                    raise ValueError(f"{name} of trial {trial.number} is {value!r}, which its space does not have")
        return self

    @property
    def best_trial(self) -> TrialRecord | None:
        """The complete trial with the highest accuracy on the validation split, the first of equal ones."""
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.accuracies]
        return max(complete, key=lambda trial: trial.best_accuracy or 0.0, default=None)

    @property
    def baseline(self) -> TrialRecord | None:
        """The run with the settings of the plan."""
        return next((trial for trial in self.trials if trial.number == BASELINE_NUMBER), None)

    @property
    def num_finished(self) -> int:
        """The number of trials that ended, without the baseline."""
        return sum(trial.state != "running" and trial.number != BASELINE_NUMBER for trial in self.trials)

    def replace_trial(self, trial: TrialRecord) -> SweepRecord:
        """Return a copy with another state of a trial, or with one more."""
        others = [other for other in self.trials if other.number != trial.number]
        return self.model_copy(update={"trials": sorted([*others, trial], key=lambda one: one.number)})

    def write(self, folder: Path) -> None:
        """Write sweep.json."""
        write_json(folder / SWEEP_FILE, self.model_dump(mode="json"))


def read_sweep(folder: Path) -> SweepRecord | None:
    """Return the sweep of a folder, None where there is none; `JobError` where its file is damaged."""
    values = read_json(folder / SWEEP_FILE)
    if values is None:
        return None
    try:
        return SweepRecord.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise JobError(
            _("{path} is damaged ({field}): repair the file, or delete the sweep.").format(
                path=folder / SWEEP_FILE, field=field
            )
        ) from error
