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
from emotion.expressions import named
from emotion.faces import Face, Scores
from emotion.formatting import percent
from emotion.media.image_reader import read_image
from emotion.model_store.store import Bundle, open_bundle
from emotion.recognition import detector_factory
from emotion.recognition.analyzer import Settings
from emotion.recognition.classification import Recogniser
from emotion.recognition.cropping import crop_faces, to_grey
from emotion.training.manager import RunView
from emotion.training.runs.predictions import Answers
from emotion.ui import components, messages, photo_cache, session
from emotion.ui.training import predictions

Runs = Mapping[str, RunView]
_MOST_MODELS: Final = 3
_MOST_FACES: Final = 8  # of a photo

state = st.session_state


# ------------------------------------------------------------------ on the faces held out


def disagreement(chosen: Runs) -> None:
    """Two runs on the same faces: how often they agree, who is right where they do not, and those faces."""
    kept = {name: found for name, run in chosen.items() if (found := _answers(run)) is not None}
    pairs = list(combinations(kept, 2))
    if not pairs:
        st.info("Choose two runs that kept their answers; the shipped ones of the ladder did.", icon=":material/info:")
        return
    one, other = pairs[0]
    if len(pairs) > 1:
        one, other = st.selectbox(
            "Which two", pairs, format_func=lambda pair: f"{pair[0]} and {pair[1]}", key="runs_pair"
        )  # fmt: skip
    mine, theirs = kept[one], kept[other]
    both = mine.agreement(theirs)
    if not len(both.rows) or not _of_one_set((chosen[one], mine), (chosen[other], theirs)):
        st.info("These two answered different faces, so they cannot be compared.", icon=":material/info:")
        return
    groups = {
        f"Only {one} is right": both.only_first, f"Only {other} is right": both.only_other,
        "Both are wrong, in different ways": both.rows[
            (both.said != both.labels) & (both.other_said != both.labels) & (both.said != both.other_said)
        ],
    }  # fmt: skip
    st.markdown(messages.plain(f"They agree on {percent(both.agree)} of {len(both.rows):,} faces that both answered."))
    group = st.segmented_control(
        "Faces", list(groups), default=next(iter(groups)), required=True, key=f"runs_group_{one}_{other}",
        format_func=lambda words: f"{words}: {len(groups[words])}",
    )  # fmt: skip
    _faces_of(chosen[one], (one, other), mine, theirs, groups[group or next(iter(groups))])


def _of_one_set(*two: tuple[RunView, Answers]) -> bool:
    """Whether the rows of two runs are those of one data set: it has the same name and, unless one learned what most
    voters saw, the same labels."""
    (one, mine), (other, theirs) = two
    sources = {Path(str(run.config.get("source") or run.config.get("data", ""))).stem for run in (one, other)}
    voted = "ferplus" in (one.config.get("labels"), other.config.get("labels"))
    return len(sources) == 1 and (voted or not mine.contradicts(theirs))


def _answers(run: RunView) -> Answers | None:
    with messages.error_box("the answers of this run"):
        return predictions.answers_of(run)
    return None


def _faces_of(
    run: RunView, names: tuple[str, str], mine: Answers, theirs: Answers, rows: NDArray[np.int32]
) -> None:  # fmt: skip
    """Those faces with what both said of them."""
    held = predictions.held_out(run, mine)
    if isinstance(held, str):
        st.info(messages.plain(held), icon=":material/image_not_supported:")
        return
    shown = rows[: predictions.MOST]
    if len(shown) < len(rows):
        st.caption(f"The first {len(shown)} of {len(rows)}.")
    place = {int(row): i for i, row in enumerate(mine.rows)}
    other = {int(row): i for i, row in enumerate(theirs.rows)}
    items = []
    for row in shown.tolist():
        true = mine.names[mine.labels[place[row]]]
        said = [mine.names[mine.answers()[place[row]]], theirs.names[theirs.answers()[other[row]]]]
        told = f"is {true}; " + ", ".join(f"{who}: {word}" for who, word in zip(names, said, strict=True))
        text = "\n".join(f"{predictions.RIGHT[word == true]} {named(word)}" for word in said)
        items.append(components.Item(predictions.picture(held.images[place[row]]), text, told))
    st.caption(messages.plain(f"Below each face first what {names[0]} says, then {names[1]}."))
    key = "runs_duel"
    chosen = min(state.get(key, 1), max(1, len(items)))
    components.strip(
        items, key=f"{key}_strip", label="Faces", side=72, height=460, chosen=chosen,
        choose=lambda number: state.update({key: number}),
    )  # fmt: skip
    if items:
        row = int(shown[chosen - 1])
        columns = st.columns(2, gap="large")
        for column, who, answers, at in zip(columns, names, (mine, theirs), (place[row], other[row]), strict=True):
            with column:
                _bars(who, Scores(answers.names, answers.probabilities[at].astype(np.float64)), f"runs_duel_{who}")


def _bars(who: str, scores: Mapping[str, float], key: str) -> None:
    st.markdown(f"**{messages.plain(who)}**")
    table = pd.DataFrame({"expression": list(scores), "probability": list(scores.values())})
    best = max(scores, key=scores.__getitem__)
    components.chart(charts.scores_bar(table), key=key, alt_text=f"{who} says {best}, {percent(scores[best])}")


# ------------------------------------------------------------------ on a photo


def on_photo(chosen: Runs) -> None:
    """Two or three models on the same faces of the same photo."""
    usable = {name: run for name, run in chosen.items() if run.finished and run.kind == "recogniser"}
    models: dict[str, Recogniser] = {}
    for name, run in list(usable.items())[:_MOST_MODELS]:
        with messages.error_box(f'the model of "{name}"'):
            models[name] = _model(open_bundle(run.folder))
    if len(models) < 2:
        st.info("Choose two or three finished recognisers that have their weights here.", icon=":material/info:")
        return
    file = st.file_uploader("A photo of people", key="runs_photo", help="As on the Photos page; nothing is kept.")
    name, content = (file.name, file.getvalue()) if file else photo_cache.sample_photo()
    if file is None:
        st.caption("Until there is a photo of yours: the sample.")
    with messages.error_box(f'the photo "{name}"'):
        found = _read(name, content)
        if not found[0]:
            st.info("No face found; larger, brighter faces from the front help.", icon=":material/person_search:")
        for number, face in enumerate(found[0][:_MOST_FACES], 1):
            _one_face(number, face, found[1], models)
        if len(found[0]) > _MOST_FACES:
            st.caption(f"The first {_MOST_FACES} of {len(found[0])} faces.")


@st.cache_resource(max_entries=6, show_spinner="Loading a model")
def _cached(sha256: str, _bundle: Bundle) -> Recogniser:
    return Recogniser(_bundle)


def _model(bundle: Bundle) -> Recogniser:
    return _cached(bundle.sha256, bundle)


def _read(name: str, content: bytes) -> tuple[tuple[Face, ...], NDArray[np.uint8]]:
    """The faces of a photo, found as everywhere in the app, and the photo RGB uint8."""
    image = read_image(content, name=name)
    settings = Settings(session.choice().settings.detection, 0.0, session.choice().settings.side)
    upright = session.analyzer().analyze_upright(image, settings)
    return upright.faces, upright.image


def _one_face(number: int, face: Face, image: NDArray[np.uint8], models: Mapping[str, Recogniser]) -> None:
    geometry = detector_factory.make_detector(session.choice().detector).geometry
    grey = to_grey(image)
    columns = st.columns([1, *[2] * len(models)], gap="medium")
    with columns[0]:
        st.image(predictions.picture(crop_faces(grey, (face,), geometry, 96)[0]), width=110, alt=f"Face {number}")
    for column, (who, model) in zip(columns[1:], models.items(), strict=True):
        with column:
            (verdict,) = model.classify(crop_faces(grey, (face,), geometry, model.size))
            _bars(who, dict(verdict.scores), f"runs_photo_{number}_{who}")
