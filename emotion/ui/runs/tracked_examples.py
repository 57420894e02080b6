"""Predictions for a few fixed faces after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import get_style, symbol_and_name, translate_label
from emotion.formatting import format_percent
from emotion.training import prediction_tables
from emotion.training.runs.tracked_examples import TrackedExamples
from emotion.translation.messages import gettext as _
from emotion.ui import components, messages
from emotion.ui.runs.validation_faces import CORRECT_MARKS, FACE_PX, to_display_image

state = st.session_state


def show_tracked_examples(folder: Path, class_names: Sequence[str], key: str) -> bool:
    """Show the predictions for a few fixed faces, after the newest epoch and over all epochs.

    Args:
        folder: Folder of the run.
        class_names: Labels of the run, in the order of its scores.
        key: Prefix of the keys of widgets and session state.

    Returns:
        Whether the run has tracked examples.
    """
    examples = TrackedExamples.load(folder)
    if examples is None or not len(examples.epochs) or examples.probabilities.shape[2] != len(class_names):
        return False
    newest = examples.probabilities[-1].astype(np.float64)
    thumbnails = [
        _make_example_thumbnail(face, newest[i], class_names, int(label))
        for i, (face, label) in enumerate(zip(examples.images, examples.labels, strict=True))
    ]
    selected = min(state.get(key, 1), len(thumbnails))
    components.show_thumbnails(
        thumbnails,
        key=f"{key}_strip",
        label=_("The same faces after every epoch"),
        side_px=FACE_PX,
        max_height_px=420,
        selection=components.Selection(selected, lambda number: state.update({key: number})),
    )
    table = prediction_tables.epoch_probabilities_table(
        examples.probabilities[:, selected - 1].astype(np.float64), examples.epochs.tolist(), class_names
    )
    true_label = class_names[int(examples.labels[selected - 1])]
    st.caption(
        _("Predictions for face {number}, labeled {label}, after each epoch:").format(
            number=selected, label=messages.escape_markdown(symbol_and_name(true_label))
        )
    )
    components.show_chart(
        charts.plot_prediction_history(table),
        key=f"{key}_epochs",
        alt_text=_("Predictions over the epochs; the face is labeled {label}").format(
            label=translate_label(true_label)
        ),
    )
    return True


def _make_example_thumbnail(
    face: NDArray[np.uint8], probabilities: NDArray, class_names: Sequence[str], label: int
) -> components.Thumbnail:
    best = int(probabilities.argmax())
    predicted_label, score = class_names[best], format_percent(float(probabilities[best]))
    caption = f"{CORRECT_MARKS[best == label]} {symbol_and_name(predicted_label)}\n{score}"
    return components.Thumbnail(
        to_display_image(face),
        caption,
        _("predicted {predicted}, {percent}; labeled {label}").format(
            predicted=translate_label(predicted_label), percent=score, label=translate_label(class_names[label])
        ),
        get_style(predicted_label).color,
    )
