"""Begin the training of a native network with the weights of a trained one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import keras
import numpy as np

from emotion.errors import ModelError
from emotion.training.classifier.networks.source_card import read_source_card
from emotion.training.keras_support.keras_files import load_keras_file
from emotion.translation.messages import gettext as _

# A head that the other network lacks begins with the weights of one that has the same labels.
_SUBSTITUTES: Final = {"expression": "ferplus"}


def load_initial_weights(network: keras.Model, path: Path, heads: Mapping[str, Sequence[str]]) -> None:
    """Copy the weights of a trained network of the same architecture.

    Args:
        network: The network that gets the weights; heads that the other one lacks keep theirs.
        path: The Keras file of the trained network. With its card beside it, a head also gets the weights of those
            labels that it has in common with a head of the trained network.
        heads: The heads of `network` and their labels; one without labels has a single output.

    Raises:
        ModelError: The file or its card is damaged, or it holds another network.
    """
    source = load_keras_file(path)
    source_heads = set(source.output_names)
    variables = _backbone_variables(network, heads)
    values = _backbone_variables(source, source_heads)
    if [variable.shape for variable in variables] != [value.shape for value in values]:
        raise ModelError(
            _(
                "{path} holds another network, with {count:,} parameters; expected one as {network}, with {expected:,}."
            ).format(
                path=path, count=int(source.count_params()), network=network.name, expected=int(network.count_params())
            )
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    card = read_source_card(path)
    source_labels = {name: head.labels for name, head in card.heads.items() if name in source_heads} if card else {}
    for head, labels in heads.items():
        if labels and source_labels:
            name = _find_closest_head(head, labels, source_labels)
            _copy_labels(source.get_layer(name), network.get_layer(head), source_labels[name], labels)
            continue
        name = head if head in source_heads else _SUBSTITUTES.get(head, head)
        if name in source_heads:
            _copy_head(source.get_layer(name), network.get_layer(head))


def _find_closest_head(head: str, labels: Sequence[str], source_labels: Mapping[str, Sequence[str]]) -> str:
    """Return the name of the head with the most of the labels; of several, the one that means the same."""

    def rank(name: str) -> tuple[int, bool, bool]:
        return len({*labels} & {*source_labels[name]}), name == head, name == _SUBSTITUTES.get(head)

    return max(source_labels, key=rank)


def _copy_labels(source: keras.Layer, target: keras.Layer, old: Sequence[str], new: Sequence[str]) -> None:
    """Copy the weights of the labels that both heads have; each label has a column of the kernel, and a bias.

    Other labels begin at 0: random weights would have to be unlearned from few photos.
    """
    (source_kernel, source_bias), weights = source.get_weights(), target.get_weights()
    kernel, bias = map(np.zeros_like, weights)
    for index, label in enumerate(new):
        if label in old:
            kernel[:, index], bias[index] = source_kernel[:, old.index(label)], source_bias[old.index(label)]
    target.set_weights([kernel, bias])


def _copy_head(source: keras.Layer, target: keras.Layer) -> None:
    if [weight.shape for weight in source.weights] == [weight.shape for weight in target.weights]:
        target.set_weights(source.get_weights())


def _backbone_variables(network: keras.Model, heads: Collection[str]) -> list[keras.Variable]:
    """Return the variables of all layers but the heads, in the order of the layers."""
    return [variable for layer in network.layers if layer.name not in heads for variable in layer.weights]
