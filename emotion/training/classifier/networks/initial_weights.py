"""Begin the training of a native network with the weights of a trained one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import keras

from emotion.errors import ModelError
from emotion.training.keras_files import load_keras_file

# A head that the other network lacks begins with the weights of one that has the same labels.
_SUBSTITUTES: Final = {"expression": "ferplus"}


def load_initial_weights(network: keras.Model, path: Path, heads: Collection[str]) -> None:
    """Copy the weights of a trained network of the same architecture.

    Args:
        network: The network that gets the weights; heads that the other one lacks keep theirs.
        path: The Keras file of the trained network.
        heads: The names of the heads of `network`.

    Raises:
        ModelError: The file is damaged or holds another network.
    """
    source = load_keras_file(path)
    source_heads = set(source.output_names)
    variables = _backbone_variables(network, heads)
    values = _backbone_variables(source, source_heads)
    if [variable.shape for variable in variables] != [value.shape for value in values]:
        raise ModelError(
            f"{path} holds another network, with {source.count_params():,} parameters; expected one as "
            f"{network.name}, with {network.count_params():,}."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    for head in heads:
        name = head if head in source_heads else _SUBSTITUTES.get(head, head)
        if name in source_heads:
            _copy_head(source.get_layer(name), network.get_layer(head))


def _copy_head(source: keras.Layer, target: keras.Layer) -> None:
    if [weight.shape for weight in source.weights] == [weight.shape for weight in target.weights]:
        target.set_weights(source.get_weights())


def _backbone_variables(network: keras.Model, heads: Collection[str]) -> list[keras.Variable]:
    """Return the variables of all layers but the heads, in the order of the layers."""
    return [variable for layer in network.layers if layer.name not in heads for variable in layer.weights]
