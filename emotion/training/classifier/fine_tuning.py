"""Fine-tuning: the short training that adapts a finished classifier to other photos; without Keras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from emotion.errors import ModelError
from emotion.model_store.store import KERAS_FILE, ModelBundle, list_models
from emotion.training.classifier.config import NATIVE_NETWORKS, TrainingPlan
from emotion.training.classifier.networks.source_card import read_source_card
from emotion.translation.messages import gettext as _

# Measured with 5 to 120 photos for each label, see docs/experiments.md: with so few, training more than the head, or
# the head for longer, loses what the classifier knows. A frozen network keeps its face head valid, too.
_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType(
    {"epochs": 10, "batch_size": 32, "learning_rate": 0.05, "trained_heads": ("fer2013",)}
)


def select_sources(classifiers: Iterable[ModelBundle]) -> list[ModelBundle]:
    """Return those classifiers that can be fine-tuned, in the same order."""
    return [
        bundle for bundle in classifiers if bundle.card.network in NATIVE_NETWORKS and KERAS_FILE in bundle.card.files
    ]


def make_fine_tuning_plan(source: Path | None = None) -> TrainingPlan:
    """Return the settings of fine-tuning, without a data set.

    Args:
        source: The classifier to begin with: a finished run or model folder; None for the default classifier.

    Raises:
        ModelError: `source` has no card of a native network, or no classifier that can be fine-tuned is installed.
    """
    if source is None:
        sources = select_sources(list_models("classifier").models)
        if not sources:
            raise ModelError(_("No installed classifier can be fine-tuned; train one first, or give its folder."))
        source, network = sources[0].folder, sources[0].card.network
    else:
        card = read_source_card(source / KERAS_FILE)
        network = card.network if card else None
    if network not in NATIVE_NETWORKS:
        raise ModelError(
            _("{source} is no classifier that can be fine-tuned; choose one whose network is {networks}.").format(
                source=source, networks=", ".join(NATIVE_NETWORKS)
            )
        )
    plan = TrainingPlan.from_defaults(str(network)).to_config() | dict(_SETTINGS) | {"init_from": str(source)}
    return TrainingPlan.from_config(plan)
