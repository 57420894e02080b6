"""What a run said of the faces held out: confusion by epoch, single faces with their votes, mistakes, examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.datasets.catalog import list_datasets
from emotion.datasets.label_sets import get_label_set, map_labels
from emotion.datasets.loaders import load_dataset
from emotion.errors import DataError, EmotionError
from emotion.expressions import FERPLUS_LABELS, get_style, symbol_and_name
from emotion.formatting import format_percent
from emotion.recognition.anonymizer import pixelate_all
from emotion.training import prediction_tables
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import PREDICTIONS_FILE, Predictions, TrackedExamples
from emotion.ui import components, messages, session
from emotion.ui.training import run_table

MAX_FACES: Final = 60  # faces of a cell that are shown
_FACE_PX: Final = 72  # pixels of a small face
CORRECT_MARKS: Final = {True: "✓", False: "✗"}

state = st.session_state


def load_predictions(run: RunSummary) -> Predictions | None:
    """What it said, read again only when it has changed. Raises `DataError` where the file is damaged."""
    try:
        changed = (run.folder / PREDICTIONS_FILE).stat()
    except OSError:
        return None
    return _load_predictions(str(run.folder), changed.st_mtime_ns, changed.st_size)


@st.cache_resource(max_entries=12, show_spinner=False)
def _load_predictions(folder: str, mtime_ns: int, size: int) -> Predictions | None:
    return Predictions.load(Path(folder))


# ------------------------------------------------------------------ the faces themselves


@dataclass(frozen=True)
class ValidationFaces:
    """The faces that a run answered: grey uint8 (n, size, size), and their FER+ votes int8 (n, 10) where there are."""

    images: NDArray[np.uint8]
    votes: NDArray[np.int8] | None


def load_validation_faces(run: RunSummary, preds: Predictions) -> ValidationFaces | str:
    """The faces of a run's answers, or the sentence why they cannot be shown."""
    try:
        path = _find_dataset_path(run)
        changed = path.stat().st_mtime_ns
        return _load_validation_faces(
            str(path), changed, str(run.config.get("label_set", "own")), preds.rows.tobytes(), preds
        )
    except OSError as error:
        return f"Its faces cannot be shown: the data set cannot be read ({error.strerror})."
    except EmotionError as error:
        return f"Its faces cannot be shown. {error}"


def _find_dataset_path(run: RunSummary) -> Path:
    """Where the data set of a run lies now."""
    given = run.config.get("data")
    if not isinstance(given, str) or not given:
        raise DataError("The run does not say which data set it learned from.")
    if Path(given).exists():
        return Path(given)
    same = [entry.path for entry in list_datasets().datasets if Path(entry.path).name == Path(given).name]
    if not same:
        raise DataError(f"Its data set {Path(given).name} is not on this machine, or not where it was.")
    return Path(same[0])


@st.cache_resource(max_entries=4, show_spinner="Reading the faces")
def _load_validation_faces(
    path: str, mtime_ns: int, label_set_name: str, rows: bytes, _preds: Predictions
) -> ValidationFaces:
    data = load_dataset(path)
    lesson = map_labels(data, get_label_set(label_set_name))
    places = np.searchsorted(lesson.rows, _preds.rows)
    there = np.isin(_preds.rows, lesson.rows).all()
    if not there or (lesson.data.labels[places] != _preds.labels).any():
        raise DataError(f"The data set {Path(path).name} is not the one any more that this run learned from.")
    votes = None if data.votes is None else data.votes[_preds.rows]
    return ValidationFaces(data.images[_preds.rows].copy(), votes)  # the rest of the data set is let go


def to_display_image(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey face as RGB, as it may be shown."""
    image = np.repeat(face[..., None], 3, axis=2)
    return pixelate_all(image) if session.get_settings().anonymize else image


def show_faces(
    run: RunSummary, preds: Predictions, indices: Sequence[int], key: str, predicted: NDArray[np.int8]
) -> None:
    """Some faces of a run's answers as a strip, and all about the chosen one; `said` (n,) is what counts as said."""
    held = load_validation_faces(run, preds)
    if isinstance(held, str):
        st.info(messages.escape_markdown(held), icon=":material/image_not_supported:")
        return
    shown = list(indices)[:MAX_FACES]
    if len(shown) < len(indices):
        st.caption(f"The first {len(shown)} of {len(indices)}.")
    items = [
        _make_thumbnail(held.images[i], preds.class_names[predicted[i]], preds.class_names[preds.labels[i]])
        for i in shown
    ]
    chosen = min(state.get(key, 1), len(shown))
    components.show_thumbnails(
        items,
        key=f"{key}_strip",
        label="Faces",
        side_px=_FACE_PX,
        max_height_px=420,
        selected=chosen,
        on_select=lambda number: state.update({key: number}),
    )
    if shown:
        _show_face(preds, held, shown[chosen - 1], predicted)


def _make_thumbnail(face: NDArray[np.uint8], predicted_label: str, true_label: str) -> components.Thumbnail:
    told = f"said {predicted_label}, is {true_label}"
    return components.Thumbnail(
        to_display_image(face),
        f"{CORRECT_MARKS[predicted_label == true_label]} {symbol_and_name(predicted_label)}",
        told,
        get_style(predicted_label).color,
    )


def _show_face(preds: Predictions, validation_faces: ValidationFaces, index: int, predicted: NDArray[np.int8]) -> None:
    """One face: what it is, who voted for what, what was said of it and how surely."""
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="center")
    true = preds.class_names[preds.labels[index]]
    with left:
        st.image(to_display_image(validation_faces.images[index]), width=150, alt=f"A face that is {true}")
    with right:
        lines = [
            f"It is **{messages.escape_markdown(symbol_and_name(true))}**, "
            f"said was **{messages.escape_markdown(symbol_and_name(preds.class_names[predicted[index]]))}**."
        ]
        votes = prediction_tables.format_votes(
            None if validation_faces.votes is None else validation_faces.votes[index], FERPLUS_LABELS
        )
        lines += [f"FER+ votes: {messages.escape_markdown(votes)}."] if votes else []
        right_in = int((preds.predicted[:, index] == preds.labels[index]).sum())
        if len(preds.epochs) > 1:
            lines.append(f"Right after {right_in} of {len(preds.epochs)} epochs. Row {preds.rows[index]}.")
        st.markdown("  \n".join(lines))
    table = pd.DataFrame({"expression": preds.class_names, "probability": preds.probabilities[index].astype(float)})
    components.show_chart(
        charts.plot_scores(table), key="runs_face", alt_text=f"What the best epoch said of a face that is {true}"
    )


# ------------------------------------------------------------------ parts of the page


def show_confusion(run: RunSummary, preds: Predictions) -> None:
    """Who is taken for whom after each epoch; a click in a cell shows its faces."""
    key = f"runs_cell_{run.folder.name}"
    epochs = preds.epochs.tolist()
    left, right = st.columns([3, 2], gap="large")
    with left:
        epoch = preds.best_epoch
        if len(epochs) > 1:
            epoch = st.select_slider(
                "After epoch",
                epochs,
                value=preds.best_epoch,
                key=f"runs_epoch_{run.folder.name}",
                help=f"The best one is {preds.best_epoch}.",
            )
        matrix = preds.confusion_matrix(epoch)
        st.caption(f"Epoch {epoch}: {format_percent(preds.accuracy(epoch))} of {len(preds.rows):,} faces right.")
        table = prediction_tables.confusion_table(matrix, preds.class_names)
        chart = charts.plot_confusion_matrix(table, dark=st.context.theme.type == "dark")
        alt_text = f"Confusion matrix of epoch {epoch}, {format_percent(preds.accuracy(epoch))} right"
        components.show_chart(chart, key=key, alt_text=alt_text, on_select=lambda: _on_cell_click(key))
        run_table.show_downloads(chart, table, f"confusion-{epoch}", "runs_confusion_save")
    with right:
        cell = state.get(f"{key}_chosen")
        if cell is None or max(cell) >= len(preds.class_names):
            st.info("Click a cell to see its faces.", icon=":material/touch_app:")
            return
        true, said = (preds.class_names[i] for i in cell)
        places = preds.confusion_cell(cell[0], cell[1], epoch)
        st.markdown(
            f"##### {messages.escape_markdown(symbol_and_name(true))}, said "
            f"{messages.escape_markdown(symbol_and_name(said))}: {len(places)}",
            anchors=False,
        )
        if len(places):
            show_faces(run, preds, places.tolist(), f"{key}_face", preds.at_epoch(epoch))


def _on_cell_click(key: str) -> None:
    """Keep which cell was clicked; a browser may say anything."""
    try:
        point = state[key].selection[charts.CELL_SELECTION][0]
        cell = int(point["row"]), int(point["column"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
    if min(cell) >= 0:
        state[f"{key}_chosen"] = cell


def show_per_class_metrics(preds: Predictions) -> None:
    """Precision, recall and F1 of each label."""
    scores = preds.per_class()
    table = prediction_tables.class_metrics_table(scores)
    chart = charts.plot_class_metrics(table)
    said = ", ".join(f"{one['label']} recall {format_percent(one['recall'])}" for one in scores)
    components.show_chart(chart, key="runs_classes", alt_text=said)
    st.caption(
        "Recall: how many of these faces it finds. Precision: how often it is right when it says this. F1: the mean of "
        "both, nearer to the smaller one."
    )
    shares = {"recall": "recall", "precision": "precision", "f1": "F1"}
    shown = pd.DataFrame(
        [
            {"expression": symbol_and_name(one["label"])}
            | {word: format_percent(one[key]) for key, word in shares.items()}
            | {"faces": one["n"]}
            for one in scores
        ]
    )
    st.dataframe(shown, hide_index=True, key="runs_classes_table")
    run_table.show_downloads(chart, table, "by-expression", "runs_classes_save")


def show_calibration(preds: Predictions) -> None:
    """Whether it is as often right as it is certain."""
    table = pd.DataFrame(preds.reliability_bins(), columns=["low", "high", "n", "confidence", "accuracy"])
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart = charts.plot_reliability_diagram(table)
        components.show_chart(chart, key="runs_reliability", alt_text="How often it is right, by how certain it is")
        run_table.show_downloads(chart, table, "certainty", "runs_reliability_save")
    with right:
        ece = preds.ece()
        st.metric(
            "Calibration error (ECE)",
            f"{ece * 100:.1f} points",
            border=True,
            help=("How far certainty and being right lie apart, on average over all answers: 0 would be perfect."),
        )
        counts = table["n"].to_numpy(dtype=float)
        sure = float((table["confidence"].to_numpy(dtype=float) * counts).sum() / max(1.0, counts.sum()))
        word = "too certain" if sure > preds.accuracy() else "too modest"
        st.write(
            f"It is {format_percent(sure)} certain on average, "
            f"and right {format_percent(preds.accuracy())} of the time: {word}. "
            "Above the dashed line it is better than it thinks, below it worse."
        )


def show_misclassifications(run: RunSummary, preds: Predictions) -> None:
    """The wrong answers that it was surest of."""
    found = preds.misclassifications(MAX_FACES)
    if not found:
        st.write("Not one wrong answer.")
        return
    st.write("The wrong answers that it was surest of. Look at them before you trust the labels.")
    best = preds.probabilities.argmax(1).astype(np.int8)
    show_faces(run, preds, [one.index for one in found], f"runs_mistake_{run.folder.name}", best)


def show_tracked_examples(folder: Path, class_names: Sequence[str], key: str) -> bool:
    """What was said of a few fixed faces, after the newest epoch and over all of them; False where there are none."""
    found = TrackedExamples.load(folder)
    if found is None or not len(found.epochs) or found.probabilities.shape[2] != len(class_names):
        return False
    newest = found.probabilities[-1].astype(np.float64)
    items = [
        _make_example_thumbnail(face, newest[i], class_names, int(label))
        for i, (face, label) in enumerate(zip(found.images, found.labels, strict=True))
    ]
    chosen = min(state.get(key, 1), len(items))
    components.show_thumbnails(
        items,
        key=f"{key}_strip",
        label="The same faces after every epoch",
        side_px=_FACE_PX,
        max_height_px=420,
        selected=chosen,
        on_select=lambda number: state.update({key: number}),
    )
    table = prediction_tables.epoch_probabilities_table(
        found.probabilities[:, chosen - 1].astype(np.float64), found.epochs.tolist(), class_names
    )
    true = class_names[int(found.labels[chosen - 1])]
    st.caption(
        f"What was said of face {chosen}, which is {messages.escape_markdown(symbol_and_name(true))}, after each epoch:"
    )
    components.show_chart(
        charts.plot_prediction_history(table),
        key=f"{key}_epochs",
        alt_text=f"Answers over the epochs; the face is {true}",
    )
    return True


def _make_example_thumbnail(
    face: NDArray[np.uint8], probabilities: NDArray, class_names: Sequence[str], label: int
) -> components.Thumbnail:
    best = int(probabilities.argmax())
    word, sure = class_names[best], format_percent(float(probabilities[best]))
    text = f"{CORRECT_MARKS[best == label]} {symbol_and_name(word)}\n{sure}"
    return components.Thumbnail(
        to_display_image(face), text, f"said {word}, {sure}; is {class_names[label]}", get_style(word).color
    )
