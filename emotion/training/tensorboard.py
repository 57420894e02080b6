"""Write the history of a run for TensorBoard, which need not be installed for that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import tensorflow as tf

EVENTS_FOLDER: Final = "tensorboard"  # a folder in the run folder


class TensorBoardWriter:
    """Writes rows of a history into the event files of a run; a resumed training starts another file."""

    def __init__(self, folder: Path) -> None:
        with tf.Graph().as_default():  # the writer cannot be created in eager mode
            self._writer = tf.compat.v1.summary.FileWriter(str(folder / EVENTS_FOLDER))

    def write(self, row: Mapping[str, float]) -> None:
        """Write the columns of an epoch; its number is the step."""
        values = [
            tf.compat.v1.Summary.Value(tag=f"epoch_{name}", simple_value=float(value))
            for name, value in row.items()
            if name != "epoch"
        ]
        self._writer.add_summary(tf.compat.v1.Summary(value=values), int(row["epoch"]))
        self._writer.flush()
