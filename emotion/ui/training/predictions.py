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
from emotion.datasets.catalog import find_datasets
from emotion.datasets.label_sets import apply, label_set
from emotion.datasets.loaders import load_dataset
from emotion.errors import DataError, EmotionError
from emotion.expressions import FERPLUS_LABELS, expression, named
from emotion.formatting import percent
from emotion.recognition.anonymizer import hidden
from emotion.training import tables
from emotion.training.manager import RunView
from emotion.training.runs.predictions import ANSWERS, Answers, Examples
from emotion.ui import components, messages, session
from emotion.ui.training import run_table

MOST: Final = 60  # faces of a cell that are shown
_SIDE: Final = 72  # pixels of a small face
RIGHT: Final = {True: "✓", False: "✗"}

state = st.session_state


def answers_of(run: RunView) -> Answers | None:
    """What it said, read again only when it has changed. Raises `DataError` where the file is damaged."""
    try:
        changed = (run.folder / ANSWERS).stat()
    except OSError:
        return None
    return _answers(str(run.folder), changed.st_mtime_ns, changed.st_size)


@st.cache_resource(max_entries=12, show_spinner=False)
def _answers(folder: str, changed: int, size: int) -> Answers | None:
    return Answers.read(Path(folder))


# ------------------------------------------------------------------ the faces themselves


@dataclass(frozen=True)
class Held:
    """The faces that a run answered: grey uint8 (n, size, size), and their FER+ votes int8 (n, 10) where there are."""

    images: NDArray[np.uint8]
    votes: NDArray[np.int8] | None


def held_out(run: RunView, answers: Answers) -> Held | str:
    """The faces of a run's answers, or the sentence why they cannot be shown."""
    try:
        path = _data_path(run)
        changed = path.stat().st_mtime_ns
        return _held(str(path), changed, str(run.config.get("labels", "own")), answers.rows.tobytes(), answers)
    except OSError as error:
        return f"Its faces cannot be shown: the data set cannot be read ({error.strerror})."
    except EmotionError as error:
        return f"Its faces cannot be shown. {error}"


def _data_path(run: RunView) -> Path:
    """Where the data set of a run lies now."""
    given = run.config.get("data")
    if not isinstance(given, str) or not given:
        raise DataError("The run does not say which data set it learned from.")
    if Path(given).exists():
        return Path(given)
    same = [entry.path for entry in find_datasets() if Path(entry.path).name == Path(given).name]
    if not same:
        raise DataError(f"Its data set {Path(given).name} is not on this machine, or not where it was.")
    return Path(same[0])


@st.cache_resource(max_entries=4, show_spinner="Reading the faces")
def _held(path: str, changed: int, labels: str, rows: bytes, _answers: Answers) -> Held:
    data = load_dataset(path)
    lesson = apply(data, label_set(labels))
    places = np.searchsorted(lesson.rows, _answers.rows)
    there = np.isin(_answers.rows, lesson.rows).all()
    if not there or (lesson.data.labels[places] != _answers.labels).any():
        raise DataError(f"The data set {Path(path).name} is not the one any more that this run learned from.")
    votes = None if data.votes is None else data.votes[_answers.rows]
    return Held(data.images[_answers.rows].copy(), votes)  # the rest of the data set is let go


def picture(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey face as RGB, as it may be shown."""
    image = np.repeat(face[..., None], 3, axis=2)
    return hidden(image) if session.choice().blur else image


def faces(run: RunView, answers: Answers, places: Sequence[int], key: str, said: NDArray[np.int8]) -> None:
    """Some faces of a run's answers as a strip, and all about the chosen one; `said` (n,) is what counts as said."""
    held = held_out(run, answers)
    if isinstance(held, str):
        st.info(messages.plain(held), icon=":material/image_not_supported:")
        return
    shown = list(places)[:MOST]
    if len(shown) < len(places):
        st.caption(f"The first {len(shown)} of {len(places)}.")
    items = [_item(held.images[i], answers.names[said[i]], answers.names[answers.labels[i]]) for i in shown]
    chosen = min(state.get(key, 1), len(shown))
    components.strip(
        items, key=f"{key}_strip", label="Faces", side=_SIDE, height=420, chosen=chosen,
        choose=lambda number: state.update({key: number}),
    )  # fmt: skip
    if shown:
        _one(answers, held, shown[chosen - 1], said)


def _item(face: NDArray[np.uint8], said: str, true: str) -> components.Item:
    told = f"said {said}, is {true}"
    return components.Item(picture(face), f"{RIGHT[said == true]} {named(said)}", told, expression(said).colour)


def _one(answers: Answers, held: Held, place: int, said: NDArray[np.int8]) -> None:
    """One face: what it is, who voted for what, what was said of it and how surely."""
    left, right = st.columns([1, 2], gap="medium", vertical_alignment="center")
    true = answers.names[answers.labels[place]]
    with left:
        st.image(picture(held.images[place]), width=150, alt=f"A face that is {true}")
    with right:
        lines = [
            f"It is **{messages.plain(named(true))}**, "
            f"said was **{messages.plain(named(answers.names[said[place]]))}**."
        ]
        votes = tables.votes_sentence(None if held.votes is None else held.votes[place], FERPLUS_LABELS)
        lines += [f"FER+ votes: {messages.plain(votes)}."] if votes else []
        right_in = int((answers.said[:, place] == answers.labels[place]).sum())
        if len(answers.epochs) > 1:
            lines.append(f"Right after {right_in} of {len(answers.epochs)} epochs. Row {answers.rows[place]}.")
        st.markdown("  \n".join(lines))
    table = pd.DataFrame({"expression": answers.names, "probability": answers.probabilities[place].astype(float)})
    components.chart(
        charts.scores_bar(table), key="runs_face", alt_text=f"What the best epoch said of a face that is {true}"
    )


# ------------------------------------------------------------------ parts of the page


def confusion(run: RunView, answers: Answers) -> None:
    """Who is taken for whom after each epoch; a click in a cell shows its faces."""
    key = f"runs_cell_{run.folder.name}"
    epochs = answers.epochs.tolist()
    left, right = st.columns([3, 2], gap="large")
    with left:
        epoch = answers.best
        if len(epochs) > 1:
            epoch = st.select_slider(
                "After epoch", epochs, value=answers.best, key=f"runs_epoch_{run.folder.name}",
                help=f"The best one is {answers.best}.",
            )  # fmt: skip
        matrix = answers.confusion(epoch)
        st.caption(f"Epoch {epoch}: {percent(answers.accuracy(epoch))} of {len(answers.rows):,} faces right.")
        table = tables.confusion_table(matrix, answers.names)
        chart = charts.confusion_heat(table, dark=st.context.theme.type == "dark")
        alt_text = f"Confusion matrix of epoch {epoch}, {percent(answers.accuracy(epoch))} right"
        components.chart(chart, key=key, alt_text=alt_text, choose=lambda: _clicked(key))
        run_table.save(chart, table, f"confusion-{epoch}", "runs_confusion_save")
    with right:
        cell = state.get(f"{key}_chosen")
        if cell is None or max(cell) >= len(answers.names):
            st.info("Click a cell to see its faces.", icon=":material/touch_app:")
            return
        true, said = (answers.names[i] for i in cell)
        places = answers.cell(cell[0], cell[1], epoch)
        st.markdown(
            f"##### {messages.plain(named(true))}, said {messages.plain(named(said))}: {len(places)}", anchors=False
        )
        if len(places):
            faces(run, answers, places.tolist(), f"{key}_face", answers.answers(epoch))


def _clicked(key: str) -> None:
    """Keep which cell was clicked; a browser may say anything."""
    try:
        point = state[key].selection[charts.CELL_CLICK][0]
        cell = int(point["row"]), int(point["column"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
    if min(cell) >= 0:
        state[f"{key}_chosen"] = cell


def by_expression(answers: Answers) -> None:
    """Precision, recall and F1 of each label."""
    scores = answers.per_class()
    table = tables.classes_table(scores)
    chart = charts.class_dots(table)
    said = ", ".join(f"{one['label']} recall {percent(one['recall'])}" for one in scores)
    components.chart(chart, key="runs_classes", alt_text=said)
    st.caption(
        "Recall: how many of these faces it finds. Precision: how often it is right when it says this. F1: the mean of "
        "both, nearer to the smaller one."
    )
    shares = {"recall": "recall", "precision": "precision", "f1": "F1"}
    shown = pd.DataFrame([
        {"expression": named(one["label"])} | {word: percent(one[key]) for key, word in shares.items()}
        | {"faces": one["n"]} for one in scores
    ])  # fmt: skip
    st.dataframe(shown, hide_index=True, key="runs_classes_table")
    run_table.save(chart, table, "by-expression", "runs_classes_save")


def certainty(answers: Answers) -> None:
    """Whether it is as often right as it is certain."""
    table = pd.DataFrame(answers.reliability(), columns=["low", "high", "n", "confidence", "accuracy"])
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart = charts.reliability_curve(table)
        components.chart(chart, key="runs_reliability", alt_text="How often it is right, by how certain it is")
        run_table.save(chart, table, "certainty", "runs_reliability_save")
    with right:
        ece = answers.ece()
        st.metric("Calibration error (ECE)", f"{ece * 100:.1f} points", border=True, help=(
            "How far certainty and being right lie apart, on average over all answers: 0 would be perfect."
        ))  # fmt: skip
        counts = table["n"].to_numpy(dtype=float)
        sure = float((table["confidence"].to_numpy(dtype=float) * counts).sum() / max(1.0, counts.sum()))
        word = "too certain" if sure > answers.accuracy() else "too modest"
        st.write(
            f"It is {percent(sure)} certain on average, and right {percent(answers.accuracy())} of the time: {word}. "
            "Above the dashed line it is better than it thinks, below it worse."
        )


def mistakes(run: RunView, answers: Answers) -> None:
    """The wrong answers that it was surest of."""
    found = answers.mistakes(MOST)
    if not found:
        st.write("Not one wrong answer.")
        return
    st.write("The wrong answers that it was surest of. Look at them before you trust the labels.")
    best = answers.probabilities.argmax(1).astype(np.int8)
    faces(run, answers, [one.index for one in found], f"runs_mistake_{run.folder.name}", best)


def examples(folder: Path, names: Sequence[str], key: str) -> bool:
    """What was said of a few fixed faces, after the newest epoch and over all of them; False where there are none."""
    found = Examples.read(folder)
    if found is None or not len(found.epochs) or found.probabilities.shape[2] != len(names):
        return False
    newest = found.probabilities[-1].astype(np.float64)
    items = [
        _example(face, newest[i], names, int(label))
        for i, (face, label) in enumerate(zip(found.faces, found.labels, strict=True))
    ]
    chosen = min(state.get(key, 1), len(items))
    components.strip(
        items, key=f"{key}_strip", label="The same faces after every epoch", side=_SIDE, height=420, chosen=chosen,
        choose=lambda number: state.update({key: number}),
    )  # fmt: skip
    table = tables.epochs_table(found.probabilities[:, chosen - 1].astype(np.float64), found.epochs.tolist(), names)
    true = names[int(found.labels[chosen - 1])]
    st.caption(f"What was said of face {chosen}, which is {messages.plain(named(true))}, after each epoch:")
    components.chart(
        charts.answers_over_epochs(table), key=f"{key}_epochs", alt_text=f"Answers over the epochs; the face is {true}"
    )
    return True


def _example(face: NDArray[np.uint8], probabilities: NDArray, names: Sequence[str], label: int) -> components.Item:
    best = int(probabilities.argmax())
    word, sure = names[best], percent(float(probabilities[best]))
    text = f"{RIGHT[best == label]} {named(word)}\n{sure}"
    return components.Item(picture(face), text, f"said {word}, {sure}; is {names[label]}", expression(word).colour)
