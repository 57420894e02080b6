"""The history of a run for TensorBoard, which need not be installed to write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import tensorflow as tf

EVENTS_FOLDER: Final = "tensorboard"  # a folder in the run folder


class TensorBoardWriter:
    """Adds the rows of a history to the event files of a run; a training that goes on begins another file."""

    def __init__(self, folder: Path) -> None:
        with tf.Graph().as_default():  # the writer refuses to be made outside of one
            self._writer = tf.compat.v1.summary.FileWriter(str(folder / EVENTS_FOLDER))

    def write(self, row: Mapping[str, float]) -> None:
        """Every column of an epoch but its number, which is the step."""
        values = [
            tf.compat.v1.Summary.Value(tag=f"epoch_{name}", simple_value=float(value))
            for name, value in row.items()
            if name != "epoch"
        ]
        self._writer.add_summary(tf.compat.v1.Summary(value=values), int(row["epoch"]))
        self._writer.flush()
