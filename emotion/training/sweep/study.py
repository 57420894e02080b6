"""Suggest settings, decide which trials end early, and measure which settings matter: Optuna, kept in memory.

The file of the sweep is the only record: a study is made anew of its trials, so that a killed sweep goes on without a
data base that the kill could have damaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from emotion.training.sweep.records import BASELINE_NUMBER, REDUCTION_FACTOR, Importance, SweepRequest, TrialRecord
from emotion.training.sweep.space import Dimension, Range, Value, is_whole

_MIN_COMPARED_TRIALS: Final = 4  # fewer show nothing about the settings
_STATES: Final = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class SweepStudy:
    """The suggestions and decisions of one sweep.

    Values are suggested by a tree-structured Parzen estimator (Bergstra et al. 2011), after ten random ones; trials end
    early by asynchronous successive halving (Li et al. 2020).

    Args:
        request: What is tried.
        trials: The trials so far without the baseline, by number from 1.
    """

    def __init__(self, request: SweepRequest, trials: Sequence[TrialRecord]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._request = request
        self._distributions = {name: _to_distribution(name, item) for name, item in request.space.items()}
        pruner = optuna.pruners.SuccessiveHalvingPruner(request.min_epochs, REDUCTION_FACTOR)
        self._study = optuna.create_study(direction="maximize", pruner=pruner)
        self._trials: dict[int, optuna.Trial] = {}
        for trial in trials:
            self._restore(trial)

    def _restore(self, trial: TrialRecord) -> None:
        self._study.enqueue_trial(dict(trial.settings))
        self._trials[trial.number] = self._study.ask(self._distributions)
        for epoch, accuracy in enumerate(trial.accuracies, 1):
            self.report(trial.number, epoch, accuracy)  # a decision also records what later ones compare with
        if trial.state != "running":
            self.finish(trial)

    def suggest(self, number: int) -> dict[str, Value]:
        """Return the settings of a new trial; they depend on the seed, the number and the trials before."""
        self._study.sampler = optuna.samplers.TPESampler(seed=(self._request.seed + number) % 2**32)
        self._trials[number] = self._study.ask(self._distributions)
        return dict(self._trials[number].params)

    def report(self, number: int, epoch: int, accuracy: float) -> bool:
        """Record the accuracy after an epoch (from 1) and return whether the trial should end."""
        trial = self._trials[number]
        trial.report(accuracy, epoch)
        return trial.should_prune()

    def finish(self, trial: TrialRecord) -> None:
        """Record that a trial ended."""
        value = trial.best_accuracy if trial.state == "complete" else None
        self._study.tell(self._trials[trial.number], value, _STATES[trial.state])


def measure_importance(request: SweepRequest, trials: Sequence[TrialRecord]) -> Importance | None:
    """Measure how much each setting matters, at the last epoch that all trials but failed ones reached.

    Complete trials alone would be few, and are those with good settings.

    Returns:
        The shares; None where fewer than four trials can be compared, or all are equally good.
    """
    compared = [t for t in trials if t.number != BASELINE_NUMBER and t.state in ("complete", "pruned") and t.accuracies]
    epoch = min((len(trial.accuracies) for trial in compared), default=0)
    values = [trial.accuracies[epoch - 1] for trial in compared]
    if len(compared) < _MIN_COMPARED_TRIALS or min(values) == max(values):
        return None
    distributions = {name: _to_distribution(name, item) for name, item in request.space.items()}
    study = optuna.create_study(direction="maximize")
    for trial, value in zip(compared, values, strict=True):
        study.add_trial(optuna.create_trial(params=dict(trial.settings), distributions=distributions, value=value))
    shares: Mapping[str, float] = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=request.seed))
    return Importance(epoch=epoch, num_trials=len(compared), shares={k: min(1.0, v) for k, v in shares.items()})


def _to_distribution(name: str, dimension: Dimension) -> BaseDistribution:
    if not isinstance(dimension, Range):
        return CategoricalDistribution(dimension.choices)
    if is_whole(name):
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
