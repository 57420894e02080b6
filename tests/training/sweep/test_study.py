"""Settings are suggested, poor trials end early, and the importance of settings is measured."""

from __future__ import annotations

import pytest

from tests.training.sweep.making import make_request, make_trial

pytestmark = pytest.mark.slow


def make_study(trials=(), **changes):  # type: ignore[no-untyped-def]
    from emotion.training.sweep.study import SweepStudy

    return SweepStudy(make_request(**changes), trials)


def test_suggested_values_are_within_the_space() -> None:
    study = make_study()
    for number in range(1, 9):
        settings = study.suggest(number)
        assert 1e-4 <= settings["learning_rate"] <= 1e-2
        assert settings["batch_size"] in (32, 64)


def test_the_same_seed_suggests_the_same_settings() -> None:
    first, second, other = make_study(), make_study(), make_study(seed=2)
    assert [first.suggest(n) for n in (1, 2, 3)] == [second.suggest(n) for n in (1, 2, 3)]
    assert first.suggest(4) != other.suggest(4)


def test_a_resumed_study_suggests_what_an_undisturbed_one_does() -> None:
    undisturbed = make_study()
    trials = []
    for number in range(1, 13):  # more than the random ones at the beginning
        trial = make_trial(number, [0.1 * (number % 5)], settings=undisturbed.suggest(number))
        undisturbed.report(number, 1, trial.accuracies[0])
        undisturbed.finish(trial)
        trials.append(trial)
    assert make_study(trials).suggest(13) == undisturbed.suggest(13)


def test_a_poor_trial_ends_at_the_first_decision_and_a_good_one_goes_on() -> None:
    study = make_study()
    for number, accuracy in enumerate([0.5, 0.4, 0.3], 1):
        study.suggest(number)
        study.report(number, 1, accuracy)
    study.suggest(4)
    assert study.report(4, 1, 0.2)
    study.suggest(5)
    assert not study.report(5, 1, 0.6)
    assert not study.report(5, 2, 0.1), "there is no decision after the second epoch"


def test_a_resumed_study_decides_as_an_undisturbed_one_does() -> None:
    trials = [make_trial(number, [0.5 + 0.1 * number, 0.8, 0.9]) for number in (1, 2, 3)]
    study = make_study([*trials, make_trial(4, [], state="running")])
    assert study.report(4, 1, 0.3)
    study = make_study([*trials, make_trial(4, [0.9], state="running")])
    assert not study.report(4, 2, 0.2)
    assert study.report(4, 3, 0.3)


def test_the_setting_that_decides_is_the_most_important_one() -> None:
    from emotion.training.sweep.study import measure_importance

    trials = [make_trial(n, [0.9 if n % 2 else 0.1], state="pruned" if n > 3 else "complete") for n in range(1, 9)]
    importance = measure_importance(make_request(), trials)
    assert importance is not None
    assert (importance.epoch, importance.num_trials) == (1, 8)
    assert importance.shares["batch_size"] > 0.6
    assert sum(importance.shares.values()) == pytest.approx(1)


def test_trials_are_compared_after_the_last_epoch_that_all_reached() -> None:
    from emotion.training.sweep.study import measure_importance

    trials = [make_trial(n, [0.1 * n, 0.2 * n, 0.3][: 3 if n == 1 else 2]) for n in range(1, 5)]
    importance = measure_importance(make_request(), trials)
    assert importance is not None
    assert importance.epoch == 2


@pytest.mark.parametrize("accuracies", [[0.1, 0.2, 0.3], [0.5, 0.5, 0.5, 0.5]])
def test_few_or_equal_trials_have_no_importance(accuracies: list[float]) -> None:
    from emotion.training.sweep.study import measure_importance

    trials = [make_trial(number, [accuracy]) for number, accuracy in enumerate(accuracies, 1)]
    assert measure_importance(make_request(), trials) is None
