"""Sweeps with known trials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emotion.training.classifier.config import TrainingPlan
from emotion.training.sweep.records import Importance, SweepRecord, SweepRequest, TrialRecord
from emotion.training.sweep.space import parse_space

PLAN = replace(TrainingPlan.from_defaults("cnn-4conv"), data="faces.npz", epochs=9)
SPACE = parse_space(
    {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "batch_size": {"choices": [32, 64]}}, PLAN
)


def make_request(num_trials: int = 3, **changes: Any) -> SweepRequest:
    return SweepRequest.from_plan(PLAN, SPACE, num_trials).model_copy(update=changes)


def make_trial(number: int, accuracies: list[float], **changes: Any) -> TrialRecord:
    settings = {} if number == 0 else {"learning_rate": number * 1e-3, "batch_size": 32 if number % 2 else 64}
    defaults: dict[str, Any] = {"settings": settings, "state": "complete", "accuracies": accuracies, "seconds": 60.0}
    return TrialRecord(number=number, **defaults | changes)


def make_record() -> SweepRecord:
    """Return a sweep of three trials: the second one is the best, the third one was stopped early."""
    trials = [
        make_trial(0, [0.3, 0.4, 0.5]),
        make_trial(1, [0.2, 0.3, 0.4]),
        make_trial(2, [0.4, 0.6, 0.5]),
        make_trial(3, [0.1], state="pruned"),
    ]
    importance = Importance(epoch=1, num_trials=4, shares={"learning_rate": 0.25, "batch_size": 0.75})
    return SweepRecord(request=make_request(), trials=trials, importance=importance)
