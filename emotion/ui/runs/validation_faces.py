"""The validation faces of a run, with the predicted and the true labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.datasets.label_sets import get_label_set, map_labels
from emotion.datasets.readers.loaders import load_dataset
from emotion.errors import DataError, EmotionError
from emotion.expressions import FERPLUS_LABELS, get_style, symbol_and_name, translate_label
from emotion.recognition.anonymizer import pixelate_all
from emotion.training import prediction_tables
from emotion.training.finished_runs.evaluation import find_dataset
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import Predictions
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components, messages, session
from emotion.ui.language import translate_spinner

MAX_FACES: Final = 60  # shown of a group of faces
FACE_PX: Final = 72  # side of a thumbnail
CORRECT_MARKS: Final = {True: "✓", False: "✗"}
state = st.session_state


@dataclass(frozen=True)
class ValidationFaces:
    """The faces that a run predicted, in the order of its predictions."""

    images: NDArray[np.uint8]  # gray (n, size, size)
    votes: NDArray[np.int8] | None  # FER+ votes (n, 10), where the data set has them


def load_validation_faces(run: RunSummary, preds: Predictions) -> ValidationFaces | str:
    """Load the faces of a run's predictions; return the reason as a sentence where they cannot be shown."""
    try:
        path = find_dataset(run)
        mtime_ns = path.stat().st_mtime_ns
        ferplus_csv, label_set_name = (str(run.config.get(key, "")) for key in ("ferplus_csv", "label_set"))
        if not os.path.isfile(ferplus_csv):  # the data set may have the votes itself, or the labels need none
            ferplus_csv = ""
        return _load_validation_faces(
            str(path), mtime_ns, ferplus_csv, label_set_name or "own", preds.rows.tobytes(), preds
        )
    except OSError as error:
        text = _("Its faces cannot be shown: the data set cannot be read ({reason}).")
        return text.format(reason=error.strerror)
    except EmotionError as error:
        return _("Its faces cannot be shown. {reason}").format(reason=error)


@translate_spinner(st.cache_resource, gettext_noop("Reading the faces"), max_entries=4)
def _load_validation_faces(
    path: str, mtime_ns: int, ferplus_csv: str, label_set_name: str, rows: bytes, _preds: Predictions
) -> ValidationFaces:
    dataset = load_dataset(path, ferplus_csv or None)
    mapped = map_labels(dataset, get_label_set(label_set_name))
    indices = np.searchsorted(mapped.rows, _preds.rows)
    has_all_rows = np.isin(_preds.rows, mapped.rows).all()
    if not has_all_rows or (mapped.data.labels[indices] != _preds.labels).any():
        text = _("The data set {name} was changed since this run was trained on it.")
        raise DataError(text.format(name=Path(path).name))
    votes = None if dataset.votes is None else dataset.votes[_preds.rows]
    return ValidationFaces(dataset.images[_preds.rows].copy(), votes)  # a copy, so that the data set can be freed


def to_display_image(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a gray face to RGB, pixelated while faces are to be anonymized."""
    image = np.repeat(face[..., None], 3, axis=2)
    return pixelate_all(image) if session.get_settings().anonymize else image


def show_faces(
    run: RunSummary, preds: Predictions, indices: Sequence[int], key: str, predicted: NDArray[np.int8]
) -> None:
    """Show thumbnails of validation faces, and the details of the selected one.

    Args:
        run: The run that predicted them.
        preds: Its predictions for n faces.
        indices: The faces to show, as indices into `preds`.
        key: Prefix of the keys of widgets and session state.
        predicted: The predicted class of each face, int8 (n,).
    """
    faces = load_validation_faces(run, preds)
    if isinstance(faces, str):
        st.info(messages.escape_markdown(faces), icon=":material/image_not_supported:")
        return
    visible = list(indices)[:MAX_FACES]
    if len(visible) < len(indices):
        st.caption(_("The first {num_shown} of {count}.").format(num_shown=len(visible), count=len(indices)))
    thumbnails = [
        _make_thumbnail(faces.images[i], preds.class_names[predicted[i]], preds.class_names[preds.labels[i]])
        for i in visible
    ]
    selected = min(state.get(key, 1), len(visible))
    components.show_thumbnails(
        thumbnails,
        key=f"{key}_strip",
        label=_("Faces"),
        side_px=FACE_PX,
        max_height_px=420,
        selection=components.Selection(selected, lambda number: state.update({key: number})),
    )
    if visible:
        _show_face(preds, faces, visible[selected - 1], predicted)


def _make_thumbnail(face: NDArray[np.uint8], predicted_label: str, true_label: str) -> components.Thumbnail:
    return components.Thumbnail(
        to_display_image(face),
        f"{CORRECT_MARKS[predicted_label == true_label]} {symbol_and_name(predicted_label)}",
        _("predicted {predicted}, labeled {label}").format(
            predicted=translate_label(predicted_label), label=translate_label(true_label)
        ),
        get_style(predicted_label).color,
    )


def _show_face(preds: Predictions, validation_faces: ValidationFaces, index: int, predicted: NDArray[np.int8]) -> None:
    """Show one face with its label, votes, prediction and scores."""
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="center")
    true_label, predicted_label = (preds.class_names[i] for i in (preds.labels[index], predicted[index]))
    with left:
        st.image(
            to_display_image(validation_faces.images[index]),
            width=150,
            alt=_("A face labeled {label}").format(label=translate_label(true_label)),
        )
    with right:
        lines = [
            _("True: **{label}** · Predicted: **{predicted}**").format(
                label=messages.escape_markdown(symbol_and_name(true_label)),
                predicted=messages.escape_markdown(symbol_and_name(predicted_label)),
            )
        ]
        votes = prediction_tables.format_votes(
            None if validation_faces.votes is None else validation_faces.votes[index], FERPLUS_LABELS
        )
        lines += [_("FER+ votes: {votes}.").format(votes=messages.escape_markdown(votes))] if votes else []
        num_correct = int((preds.predicted[:, index] == preds.labels[index]).sum())
        if len(preds.epochs) > 1:
            lines.append(
                _("Correct after {num_correct} of {count} epochs. Row {row}.").format(
                    num_correct=num_correct, count=len(preds.epochs), row=preds.rows[index]
                )
            )
        st.markdown("  \n".join(lines))
    table = pd.DataFrame({"expression": preds.class_names, "probability": preds.probabilities[index].astype(float)})
    components.show_chart(
        charts.plot_scores(table),
        key="runs_face",
        alt_text=_("Scores of the best epoch for a face labeled {label}").format(label=translate_label(true_label)),
    )
