"""The most frequent mistakes of a classifier, each with a synthetic face that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from emotion.expressions import symbol_and_name, translate_label
from emotion.faces import Scores
from emotion.formatting import format_percent
from emotion.generation.filtering import ConfusedFace, find_confused_faces, predict_faces
from emotion.generation.sampler import FaceImages, Sampler
from emotion.recognition.classification import ExpressionClassifier
from emotion.training.classifier.evaluation.robustness import BreakingPoint, find_breaking_points
from emotion.training.prediction_tables import Confusion, list_confusions
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import session
from emotion.ui.language import translate_spinner
from emotion.ui.runs.curves import CORRUPTION_NAMES
from emotion.ui.synthetic import enlarging
from emotion.ui.synthetic import faces as synthetic_faces

_NUM_MISTAKES: Final = 6
_NUM_CANDIDATES: Final = 10  # mistakes among which those with a face are shown
_NUM_COLUMNS: Final = 3
_FACE_PX: Final = 192
_EXAMPLE_LABELS: Final = ("happy", "surprise", "angry", "sad")
_EXAMPLE_SEEDS: Final = (153, 154, 155, 157)  # faces that turn out well


def show_mistakes(report: Mapping[str, Any]) -> None:
    """Show the most frequent mistakes on the test split."""
    test = report.get("test", {})
    scores = test.get("as_displayed") or test.get("ferplus") or test
    confusions = list_confusions(scores, _NUM_CANDIDATES)
    if not confusions:
        st.write(_("The mistakes of this classifier were not measured."))
        return
    st.write(_("The most frequent mistakes on the test split."))
    faces = _find_faces(confusions)
    shown = [one for one in confusions if not faces or (one.label, one.predicted) in faces][:_NUM_MISTAKES]
    for start in range(0, len(shown), _NUM_COLUMNS):
        row = shown[start : start + _NUM_COLUMNS]
        for column, confusion in zip(st.columns(_NUM_COLUMNS, gap="medium"), row, strict=False):
            with column, st.container(border=True):
                _show_mistake(confusion, faces.get((confusion.label, confusion.predicted)))
    if faces:
        st.caption(_("The faces are synthetic: people who do not exist, generated with the true label."))


def show_misleading_conditions() -> None:
    """Show for each corruption a synthetic face whose prediction it changes; nothing without a generator."""
    generators = synthetic_faces.list_generators().models
    if not generators:
        return
    sampler, classifier = synthetic_faces.load_sampler(generators[0]), session.get_analyzer().classifier
    found = _find_breaking_points(generators[0].sha256, classifier.bundle.sha256, sampler, classifier)
    if not found:
        return
    st.header(_("What changes a prediction"), anchor=False)
    st.write(_("The mildest change of a synthetic face that leads to another prediction."))
    points = [*found.values()]
    for start in range(0, len(points), _NUM_COLUMNS):
        columns = st.columns(_NUM_COLUMNS, gap="medium")
        for column, (label, point) in zip(columns, points[start : start + _NUM_COLUMNS], strict=False):
            with column, st.container(border=True):
                _show_breaking_point(label, point)


@translate_spinner(st.cache_data, gettext_noop("Looking for synthetic faces"), max_entries=4)
def _find_breaking_points(
    generator_sha256: str, classifier_sha256: str, _sampler: Sampler, _classifier: ExpressionClassifier
) -> dict[str, tuple[str, BreakingPoint]]:
    """Return a label and a breaking point by kind of corruption, of the first example face that has one."""

    def predict(faces: FaceImages) -> list[Scores]:
        return [one.scores for one in predict_faces(_classifier, _classifier.bundle.default_head, faces)]

    found = dict[str, tuple[str, BreakingPoint]]()
    for label in [label for label in _EXAMPLE_LABELS if label in _sampler.labels]:
        for face in _sampler.sample(_EXAMPLE_SEEDS, label):
            if predict(face[None])[0].label == label:
                for kind, point in find_breaking_points(face, predict).items():
                    found.setdefault(kind, (label, point))
    return found


def _show_breaking_point(label: str, point: BreakingPoint) -> None:
    st.markdown(f"**{_(CORRUPTION_NAMES[point.kind])}**")
    text = _("{label} becomes {predicted} at {severity:g} {unit}").format(
        label=symbol_and_name(label),
        predicted=symbol_and_name(point.label),
        severity=point.severity,
        unit=_(point.unit),
    )
    st.image(enlarging.interpolate_face(point.face), width=_FACE_PX, alt=text)
    st.caption(text)


def _find_faces(confusions: list[Confusion]) -> dict[tuple[str, str], ConfusedFace]:
    """Find a synthetic face for each mistake; none where there is no generator."""
    generators = synthetic_faces.list_generators().models
    if not generators:
        return {}
    sampler, classifier = synthetic_faces.load_sampler(generators[0]), session.get_analyzer().classifier
    pairs = tuple((confusion.label, confusion.predicted) for confusion in confusions)
    return _find_faces_cached(generators[0].sha256, classifier.bundle.sha256, pairs, sampler, classifier)


@translate_spinner(st.cache_data, gettext_noop("Looking for synthetic faces"), max_entries=4)
def _find_faces_cached(
    generator_sha256: str,
    classifier_sha256: str,
    pairs: tuple[tuple[str, str], ...],
    _sampler: Sampler,
    _classifier: ExpressionClassifier,
) -> dict[tuple[str, str], ConfusedFace]:
    return find_confused_faces(_sampler, _classifier, pairs)


def _show_mistake(confusion: Confusion, example: ConfusedFace | None) -> None:
    title = _("{label}, predicted {predicted}").format(
        label=symbol_and_name(confusion.label), predicted=symbol_and_name(confusion.predicted)
    )
    st.markdown(f"**{title}**")
    if example is not None:
        alt_text = _("Seed {seed}, requested as {label}").format(
            seed=example.seed, label=translate_label(confusion.label)
        )
        st.image(enlarging.enlarge_face(example.face), width=_FACE_PX, alt=alt_text)
    st.caption(
        _("{count:,} of {total:,} {label} faces, {percent}").format(
            count=confusion.num_predicted,
            total=confusion.num_faces,
            label=translate_label(confusion.label),
            percent=format_percent(confusion.num_predicted / confusion.num_faces),
        )
    )
