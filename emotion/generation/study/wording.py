"""The text of an augmentation study: names of its conditions, and its conclusion in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emotion.expressions import translate_label
from emotion.generation.reports import Interval
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

CONDITIONS: Final = {
    "real": gettext_noop("real faces as they are"),
    "augmented": gettext_noop("real faces, mirrored, shifted and rotated"),
    "oversampled": gettext_noop("the same, the rare ones repeated"),
    "synthetic": gettext_noop("the same, with synthetic rare ones"),
}
ALL_FACES: Final = gettext_noop("all faces")  # the metric accuracy; the others are the recall of a label

# Sentences for synthetic faces that help, that harm, and that make no difference.
_TO_REAL: Final = (
    gettext_noop("To find {label}, synthetic faces help, compared with real faces alone: {points}."),
    gettext_noop("To find {label}, synthetic faces harm, compared with real faces alone: {points}."),
    gettext_noop(
        "To find {label}, synthetic faces make no difference that can be told from chance, compared with real faces "
        "alone: {points}."
    ),
)
_TO_REPEATED: Final = (
    gettext_noop("Compared with the same real ones repeated as often, they help: {points}."),
    gettext_noop("Compared with the same real ones repeated as often, they harm: {points}."),
    gettext_noop(
        "Compared with the same real ones repeated as often, they make no difference that can be told from chance: "
        "{points}."
    ),
)
_OVERALL: Final = (
    gettext_noop("Over all faces they help: {points}."),
    gettext_noop("Over all faces they harm: {points}."),
    gettext_noop("Over all faces they make no difference that can be told from chance: {points}."),
)


def translate_metric(metric: str) -> str:
    """Return what a page calls a metric of a study: all faces, or the label whose recall it is."""
    return _(ALL_FACES) if metric == ALL_FACES else translate_label(metric)


def format_conclusion(differences: Mapping[str, Mapping[str, Interval]], target_class: str) -> str:
    """Return what the paired differences of a study, as in `StudySummary`, say about a label and about all faces."""
    compared = (
        (_TO_REAL, differences["augmented"][target_class]),
        (_TO_REPEATED, differences["oversampled"][target_class]),
        (_OVERALL, differences["augmented"][ALL_FACES]),
    )
    return " ".join(
        _(sentences[_find_effect(difference)]).format(
            label=translate_label(target_class), points=_format_points(difference)
        )
        for sentences, difference in compared
    )


def _find_effect(difference: Interval) -> int:
    """Return the index of a sentence: whether the interval is above zero, below, or holds it."""
    if difference["low"] > 0:
        return 0
    return 1 if difference["high"] < 0 else 2


def _format_points(difference: Interval) -> str:
    mean, low, high = (f"{100 * difference[key]:+.1f}" for key in ("mean", "low", "high"))
    return _("{mean} points ({low} to {high})").format(mean=mean, low=low, high=high)
