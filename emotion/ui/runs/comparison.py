"""Comparison of runs: on a photo, and on the validation faces for which their predictions differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion import charts
from emotion.expressions import symbol_and_name, translate_label
from emotion.faces import Face, Scores
from emotion.formatting import format_list, format_pair, format_percent
from emotion.media.image_reader import read_image
from emotion.model_store.store import ModelBundle, open_model
from emotion.recognition.classification import ExpressionClassifier
from emotion.recognition.cropping import crop_faces, to_gray
from emotion.training.run_listing import RunSummary
from emotion.training.runs.predictions import Predictions
from emotion.training.tables import get_data_name
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components, messages, session
from emotion.ui.language import translate_spinner
from emotion.ui.photos import photo_cache
from emotion.ui.runs import predictions, validation_faces
from emotion.ui.runs.run_table import RunsByName

_MAX_MODELS: Final = 3
_MAX_FACES: Final = 8  # of a photo

state = st.session_state


# ------------------------------------------------------------------ on the validation faces


def show_disagreement(runs: RunsByName) -> None:
    """Compare two runs on the same faces: how often they agree, and which is right where they do not."""
    all_preds = {name: preds for name, run in runs.items() if (preds := _load_predictions(run)) is not None}
    if len(all_preds) < 2:
        st.info(_("Choose two runs that saved their predictions, such as the shipped ones."), icon=":material/info:")
        return
    pairs = [
        (one, other)
        for one, other in combinations(all_preds, 2)
        if _is_comparable((runs[one], all_preds[one]), (runs[other], all_preds[other]))
    ]
    if not pairs:
        st.info(_("These runs have predictions for different faces and cannot be compared."), icon=":material/info:")
        return
    first_name, second_name = pairs[0]
    if len(pairs) > 1:
        first_name, second_name = st.selectbox(_("Runs to compare"), pairs, format_func=_format_pair, key="runs_pair")
    first, second = all_preds[first_name], all_preds[second_name]
    both = first.compare(second)
    groups = {
        "first": both.only_first_correct,
        "second": both.only_other_correct,
        "neither": both.rows[
            (both.predicted != both.labels)
            & (both.other_predicted != both.labels)
            & (both.predicted != both.other_predicted)
        ],
    }
    st.markdown(
        messages.escape_markdown(
            _("They agree on {percent} of {count:,} faces that both predicted.").format(
                percent=format_percent(both.agreement_rate), count=len(both.rows)
            )
        )
    )
    only_correct = _("Only {name} is correct")
    titles = {
        "first": only_correct.format(name=first_name),
        "second": only_correct.format(name=second_name),
        "neither": _("Both are wrong, differently"),
    }
    group = st.segmented_control(
        _("Faces"),
        list(groups),
        default=next(iter(groups)),
        required=True,
        key=f"runs_group_{first_name}_{second_name}",
        format_func=lambda name: format_pair(titles[name], str(len(groups[name]))),
    )
    _show_faces(runs[first_name], (first_name, second_name), (first, second), groups[group or next(iter(groups))])


def _format_pair(pair: tuple[str, str]) -> str:
    return _("{first} and {second}").format(first=pair[0], second=pair[1])


def _is_comparable(*runs: tuple[RunSummary, Predictions]) -> bool:
    """Check whether two runs predicted the same faces of one data set.

    Its name must be the same and, unless one run learned the majority of the FER+ votes, the labels, too.
    """
    (first_run, first), (second_run, second) = runs
    configs = first_run.config, second_run.config
    sources = {get_data_name(config) for config in configs}
    is_vote_based = any(config.get("label_set") == "ferplus" for config in configs)
    has_same_faces = np.isin(first.rows, second.rows).any()
    return len(sources) == 1 and bool(has_same_faces) and (is_vote_based or not first.conflicts_with(second))


def _load_predictions(run: RunSummary) -> Predictions | None:
    with messages.error_box(_("the predictions of this run")):
        return predictions.load_predictions(run)
    return None


def _show_faces(
    run: RunSummary, names: tuple[str, str], pair: tuple[Predictions, Predictions], rows: NDArray[np.int32]
) -> None:
    """Show validation faces with the predictions of two runs."""
    faces = validation_faces.load_validation_faces(run, pair[0])
    if isinstance(faces, str):
        st.info(messages.escape_markdown(faces), icon=":material/image_not_supported:")
        return
    visible = rows[: validation_faces.MAX_FACES]
    if len(visible) < len(rows):
        st.caption(_("The first {num_shown} of {count}.").format(num_shown=len(visible), count=len(rows)))
    indices = [{int(row): i for i, row in enumerate(preds.rows)} for preds in pair]
    predicted = [preds.at_epoch() for preds in pair]
    thumbnails = []
    for row in visible.tolist():
        face_index = indices[0][row]
        true_label = pair[0].class_names[pair[0].labels[face_index]]
        labels = [pair[i].class_names[predicted[i][indices[i][row]]] for i in range(2)]
        title = format_list(
            format_pair(name, translate_label(label)) for name, label in zip(names, labels, strict=True)
        )
        caption = "\n".join(
            f"{validation_faces.CORRECT_MARKS[label == true_label]} {symbol_and_name(label)}" for label in labels
        )
        image = validation_faces.to_display_image(faces.images[face_index])
        text = _("labeled {label}; {predictions}").format(label=translate_label(true_label), predictions=title)
        thumbnails.append(components.Thumbnail(image, caption, text))
    st.caption(
        messages.escape_markdown(
            _("Below each face first the prediction of {first}, then of {second}.").format(
                first=names[0], second=names[1]
            )
        )
    )
    key = "runs_pair_face"
    selected = min(state.get(key, 1), max(1, len(thumbnails)))
    components.show_thumbnails(
        thumbnails,
        key=f"{key}_strip",
        label=_("Faces"),
        side_px=validation_faces.FACE_PX,
        max_height_px=460,
        selection=components.Selection(selected, lambda number: state.update({key: number})),
    )
    if thumbnails:
        row = int(visible[selected - 1])
        for column, name, preds, index in zip(st.columns(2, gap="large"), names, pair, indices, strict=True):
            with column:
                scores = Scores(preds.class_names, preds.probabilities[index[row]].astype(np.float64))
                _show_scores(name, scores, f"{key}_{name}")


def _show_scores(name: str, scores: Mapping[str, float], key: str) -> None:
    st.markdown(f"**{messages.escape_markdown(name)}**")
    table = pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})
    best = max(scores, key=scores.__getitem__)
    components.show_chart(
        charts.plot_scores(table),
        key=key,
        alt_text=_("{name} predicts {label}, {percent}").format(
            name=name, label=translate_label(best), percent=format_percent(scores[best])
        ),
    )


# ------------------------------------------------------------------ on a photo


def show_photo_comparison(runs: RunsByName) -> None:
    """Compare the scores of two or three classifiers for the faces of a photo."""
    usable = {name: run for name, run in runs.items() if run.has_model and run.kind == "classifier"}
    classifiers: dict[str, ExpressionClassifier] = {}
    for name, run in list(usable.items())[:_MAX_MODELS]:
        with messages.error_box(_('the model of "{name}"').format(name=name)):
            classifiers[name] = _load_classifier(open_model(run.folder))
    if len(classifiers) < 2:
        st.info(_("Choose two or three finished classifiers that have their weights here."), icon=":material/info:")
        return
    file = st.file_uploader(_("A photo of people"), key="runs_photo", help=_("As on the Photos page; nothing is kept."))
    name, content = (file.name, file.getvalue()) if file else photo_cache.read_sample_photo()
    if file is None:
        st.caption(_("The sample photo, until you choose one."))
    with messages.error_box(_('the photo "{name}"').format(name=name)):
        faces, image = _analyze_photo(name, content)
        if not faces:
            st.info(_("No face found; larger, brighter faces from the front help."), icon=":material/person_search:")
        for number, face in enumerate(faces[:_MAX_FACES], 1):
            _show_face(number, face, image, classifiers)
        if len(faces) > _MAX_FACES:
            st.caption(_("The first {num_shown} of {count} faces.").format(num_shown=_MAX_FACES, count=len(faces)))


@translate_spinner(st.cache_resource, gettext_noop("Loading a model"), max_entries=6)
def _load_classifier_cached(sha256: str, _bundle: ModelBundle) -> ExpressionClassifier:
    return ExpressionClassifier(_bundle)


def _load_classifier(bundle: ModelBundle) -> ExpressionClassifier:
    return _load_classifier_cached(bundle.sha256, bundle)


def _analyze_photo(name: str, content: bytes) -> tuple[tuple[Face, ...], NDArray[np.uint8]]:
    """Detect the faces of a photo with the settings of the sidebar; return them and the upright RGB uint8 image."""
    image = read_image(content, name=name)
    settings = replace(session.get_settings().analyzer_settings, min_confidence=0.0, head=None)
    oriented = session.get_analyzer().analyze_any_orientation(image, settings)
    return oriented.faces, oriented.image


def _show_face(
    number: int, face: Face, image: NDArray[np.uint8], classifiers: Mapping[str, ExpressionClassifier]
) -> None:
    geometry = session.get_analyzer().detector.crop_geometry
    gray = to_gray(image)
    columns = st.columns([1, *[2] * len(classifiers)], gap="medium")
    with columns[0]:
        st.image(
            validation_faces.to_display_image(crop_faces(gray, (face,), geometry, 96)[0]),
            width=110,
            alt=_("Face {number}").format(number=number),
        )
    for column, (name, classifier) in zip(columns[1:], classifiers.items(), strict=True):
        with column:
            (prediction,) = classifier.predict(crop_faces(gray, (face,), geometry, classifier.input_size))
            _show_scores(name, prediction.scores, f"runs_photo_{number}_{name}")
