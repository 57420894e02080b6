"""Runs against each other: on the same photo, and on the faces held out that they do not agree about."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import symbol_and_name
from emotion.faces import Face, Scores
from emotion.formatting import format_percent
from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition import detector_factory
from emotion.recognition.analyzer import AnalyzerSettings
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import Predictions
from emotion.ui import components, messages, photo_cache, session
from emotion.ui.training import predictions
from emotion.ui.training.run_table import RunsByName

_MAX_MODELS: Final = 3
_MAX_FACES: Final = 8  # of a photo

state = st.session_state


# ------------------------------------------------------------------ on the faces held out


def show_disagreement(runs: RunsByName) -> None:
    """Two runs on the same faces: how often they agree, who is right where they do not, and those faces."""
    kept = {name: found for name, run in runs.items() if (found := _load_predictions(run)) is not None}
    pairs = list(combinations(kept, 2))
    if not pairs:
        st.info("Choose two runs that kept their answers; the shipped ones of the ladder did.", icon=":material/info:")
        return
    one, other = pairs[0]
    if len(pairs) > 1:
        one, other = st.selectbox(
            "Which two", pairs, format_func=lambda pair: f"{pair[0]} and {pair[1]}", key="runs_pair"
        )
    mine, theirs = kept[one], kept[other]
    both = mine.compare(theirs)
    if not len(both.rows) or not _is_same_dataset((runs[one], mine), (runs[other], theirs)):
        st.info("These two answered different faces, so they cannot be compared.", icon=":material/info:")
        return
    groups = {
        f"Only {one} is right": both.only_first_correct,
        f"Only {other} is right": both.only_other_correct,
        "Both are wrong, in different ways": both.rows[
            (both.predicted != both.labels)
            & (both.other_predicted != both.labels)
            & (both.predicted != both.other_predicted)
        ],
    }
    st.markdown(
        messages.escape_markdown(
            f"They agree on {format_percent(both.agreement_rate)} of {len(both.rows):,} faces that both answered."
        )
    )
    group = st.segmented_control(
        "Faces",
        list(groups),
        default=next(iter(groups)),
        required=True,
        key=f"runs_group_{one}_{other}",
        format_func=lambda words: f"{words}: {len(groups[words])}",
    )
    _show_faces(runs[one], (one, other), mine, theirs, groups[group or next(iter(groups))])


def _is_same_dataset(*runs: tuple[RunSummary, Predictions]) -> bool:
    """Whether the rows of two runs are those of one data set: it has the same name and, unless one learned what most
    voters saw, the same labels."""
    (one, mine), (other, theirs) = runs
    sources = {Path(str(run.config.get("source") or run.config.get("data", ""))).stem for run in (one, other)}
    voted = "ferplus" in (one.config.get("label_set"), other.config.get("label_set"))
    return len(sources) == 1 and (voted or not mine.conflicts_with(theirs))


def _load_predictions(run: RunSummary) -> Predictions | None:
    with messages.error_box("the answers of this run"):
        return predictions.load_predictions(run)
    return None


def _show_faces(
    run: RunSummary, names: tuple[str, str], first: Predictions, second: Predictions, rows: NDArray[np.int32]
) -> None:
    """Those faces with what both said of them."""
    held = predictions.load_validation_faces(run, first)
    if isinstance(held, str):
        st.info(messages.escape_markdown(held), icon=":material/image_not_supported:")
        return
    shown = rows[: predictions.MAX_FACES]
    if len(shown) < len(rows):
        st.caption(f"The first {len(shown)} of {len(rows)}.")
    place = {int(row): i for i, row in enumerate(first.rows)}
    other = {int(row): i for i, row in enumerate(second.rows)}
    items = []
    for row in shown.tolist():
        true = first.class_names[first.labels[place[row]]]
        said = [first.class_names[first.at_epoch()[place[row]]], second.class_names[second.at_epoch()[other[row]]]]
        told = f"is {true}; " + ", ".join(f"{who}: {word}" for who, word in zip(names, said, strict=True))
        text = "\n".join(f"{predictions.CORRECT_MARKS[word == true]} {symbol_and_name(word)}" for word in said)
        items.append(components.Thumbnail(predictions.to_display_image(held.images[place[row]]), text, told))
    st.caption(messages.escape_markdown(f"Below each face first what {names[0]} says, then {names[1]}."))
    key = "runs_duel"
    chosen = min(state.get(key, 1), max(1, len(items)))
    components.show_thumbnails(
        items,
        key=f"{key}_strip",
        label="Faces",
        side_px=72,
        max_height_px=460,
        selected=chosen,
        on_select=lambda number: state.update({key: number}),
    )
    if items:
        row = int(shown[chosen - 1])
        columns = st.columns(2, gap="large")
        for column, who, answers, at in zip(columns, names, (first, second), (place[row], other[row]), strict=True):
            with column:
                _show_scores(
                    who, Scores(answers.class_names, answers.probabilities[at].astype(np.float64)), f"runs_duel_{who}"
                )


def _show_scores(name: str, scores: Mapping[str, float], key: str) -> None:
    st.markdown(f"**{messages.escape_markdown(name)}**")
    table = pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})
    best = max(scores, key=scores.__getitem__)
    components.show_chart(
        charts.plot_scores(table), key=key, alt_text=f"{name} says {best}, {format_percent(scores[best])}"
    )


# ------------------------------------------------------------------ on a photo


def show_photo_comparison(runs: RunsByName) -> None:
    """Two or three models on the same faces of the same photo."""
    usable = {name: run for name, run in runs.items() if run.has_model and run.kind == "classifier"}
    models: dict[str, ExpressionClassifier] = {}
    for name, run in list(usable.items())[:_MAX_MODELS]:
        with messages.error_box(f'the model of "{name}"'):
            models[name] = _load_classifier(open_model(run.folder))
    if len(models) < 2:
        st.info("Choose two or three finished classifiers that have their weights here.", icon=":material/info:")
        return
    file = st.file_uploader("A photo of people", key="runs_photo", help="As on the Photos page; nothing is kept.")
    name, content = (file.name, file.getvalue()) if file else photo_cache.read_sample_photo()
    if file is None:
        st.caption("Until there is a photo of yours: the sample.")
    with messages.error_box(f'the photo "{name}"'):
        found = _analyze_photo(name, content)
        if not found[0]:
            st.info("No face found; larger, brighter faces from the front help.", icon=":material/person_search:")
        for number, face in enumerate(found[0][:_MAX_FACES], 1):
            _show_face(number, face, found[1], models)
        if len(found[0]) > _MAX_FACES:
            st.caption(f"The first {_MAX_FACES} of {len(found[0])} faces.")


@st.cache_resource(max_entries=6, show_spinner="Loading a model")
def _load_classifier_cached(sha256: str, _bundle: ModelBundle) -> ExpressionClassifier:
    return ExpressionClassifier(_bundle)


def _load_classifier(bundle: ModelBundle) -> ExpressionClassifier:
    return _load_classifier_cached(bundle.sha256, bundle)


def _analyze_photo(name: str, content: bytes) -> tuple[tuple[Face, ...], NDArray[np.uint8]]:
    """The faces of a photo, found as everywhere in the app, and the photo RGB uint8."""
    image = read_image(content, name=name)
    settings = AnalyzerSettings(
        session.get_settings().analyzer_settings.detection_threshold,
        0.0,
        session.get_settings().analyzer_settings.max_side,
    )
    upright = session.get_analyzer().analyze_any_orientation(image, settings)
    return upright.faces, upright.image


def _show_face(
    number: int, face: Face, image: NDArray[np.uint8], classifiers: Mapping[str, ExpressionClassifier]
) -> None:
    geometry = detector_factory.make_detector(session.get_settings().detector).crop_geometry
    grey = to_gray(image)
    columns = st.columns([1, *[2] * len(classifiers)], gap="medium")
    with columns[0]:
        st.image(
            predictions.to_display_image(crop_faces(grey, (face,), geometry, 96)[0]), width=110, alt=f"Face {number}"
        )
    for column, (who, model) in zip(columns[1:], classifiers.items(), strict=True):
        with column:
            (verdict,) = model.predict(crop_faces(grey, (face,), geometry, model.input_size))
            _show_scores(who, dict(verdict.scores), f"runs_photo_{number}_{who}")
