"""Evaluation of a generator: nearest real faces, training history, quality, augmentation study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import symbol_and_name, translate_label
from emotion.formatting import format_percent
from emotion.generation import images, tables
from emotion.generation.study import wording
from emotion.model_store.store import ModelBundle
from emotion.results import tables as results_tables
from emotion.storage import read_json
from emotion.training.runs.folder import STUDY_FILE, read_history
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import components, messages
from emotion.ui.synthetic import enlarging, faces

_HISTORY_CHARTS: Final = (  # title, as percent, logarithmic, columns of the history with their names
    (
        gettext_noop("Loss of generator and discriminator"),
        False,
        False,
        {"g_loss": gettext_noop("generator"), "d_loss": gettext_noop("discriminator")},
    ),
    (
        gettext_noop("Distance from real faces"),
        False,
        True,
        {"frechet": gettext_noop("Fréchet distance, less is better")},
    ),
    (
        gettext_noop("Match with the request, and variety"),
        True,
        False,
        {"class_consistency": gettext_noop("predicted as requested"), "diversity": gettext_noop("diversity")},
    ),
)


def show_nearest(bundle: ModelBundle, face: np.ndarray, seed: int, target_label: str, truncation: float) -> None:
    """Show the training faces that are nearest to a synthetic face, if they are on this machine."""
    dataset_info = faces.find_training_dataset(bundle)
    if dataset_info is None:
        st.caption(_("The nearest training faces need FER-2013, which is not on this machine."))
        return
    real = faces.find_nearest_faces(bundle.sha256, seed, target_label, truncation, face, dataset_info)
    st.markdown(_("The nearest training faces: none of them should be the same face."))
    with st.container(horizontal=True):
        for i, (image, label) in enumerate(zip(real.faces, real.labels, strict=True), 1):
            alt_text = _("Real face {number}, {label}").format(number=i, label=translate_label(label))
            st.image(enlarging.enlarge_face(image), symbol_and_name(label), width=120, alt=alt_text)


def show_training_history(bundle: ModelBundle) -> None:
    """Show samples and metrics of the training, epoch by epoch."""
    sheets, history = images.load_sample_sheets(bundle), pd.DataFrame(read_history(bundle.folder))
    if not sheets or history.empty:
        st.write(_("This generator has no training history."))
        return
    epochs = sorted(sheets)
    best = bundle.generator_card.best_epoch
    epoch = st.select_slider(_("After epoch"), epochs, epochs[-1], key="gen_epoch") if len(epochs) > 1 else epochs[0]
    left, right = st.columns(2, gap="large")
    with left:
        st.image(sheets[epoch], width="stretch", alt=_("Samples after epoch {epoch}").format(epoch=epoch))
        text = _("The seeds 0 to 7, an expression in each row, after epoch {epoch}. Epoch {best} was kept.")
        st.caption(text.format(epoch=epoch, best=best))
    values = pd.DataFrame({name: pd.to_numeric(history[name], errors="coerce") for name in history})
    with right:
        for title, as_percent, log_scale, names in _HISTORY_CHARTS:
            columns = pd.DataFrame(values[["epoch", *(name for name in names if name in values)]])
            titles = {name: _(metric) for name, metric in names.items()}
            table = columns.rename(columns=titles).melt("epoch", var_name="metric").dropna()
            if not table.empty:
                st.markdown("### " + _(title), anchors=False)
                chart = charts.plot_generator_history(table, epoch, as_percent=as_percent, log_scale=log_scale)
                components.show_chart(chart, key=f"gen_{'_'.join(names)}", alt_text=_(title))


def show_quality(bundle: ModelBundle) -> None:
    """Show how often a classifier predicts the requested label, and all other metrics."""
    evaluation = bundle.card.metrics.get("evaluation")
    if not evaluation:
        st.write(_("Its faces have not been measured yet: `emotion generator evaluate` does that."))
        return
    if evaluation.get("is_guidance_relative"):
        label = _("Predicted as requested by the classifier that guided its training")
    else:
        label = _("Predicted as requested by another classifier")
    st.metric(
        label,
        format_percent(evaluation["class_consistency"]),
        border=True,
        width=360,
        help=_("Accuracy of the same classifier on real faces: {accuracy}.").format(
            accuracy=format_percent(evaluation["real_class_consistency"])
        ),
    )
    with st.expander(_("All metrics"), icon=":material/table_rows:"):
        st.dataframe(
            tables.generator_table(evaluation),
            hide_index=True,
            key="gen_quality",
            column_config={"metric": _("metric"), "synthetic": _("synthetic"), "real": _("real")},
        )


def show_augmentation_study(bundle: ModelBundle) -> None:
    """Show whether synthetic training faces improve a classifier."""
    study = read_json(bundle.folder / STUDY_FILE)
    if not study:
        st.write(_("Not measured yet."))
        return
    conclusion = wording.format_conclusion(study["differences"], study["config"]["target_class"])
    st.markdown(f"**{messages.escape_markdown(conclusion)}**")
    table = pd.DataFrame(study["rows"])
    shown = table.assign(
        metric=[wording.translate_metric(metric) for metric in table["metric"]],
        condition=[_(condition) for condition in table["condition"]],
    )
    components.show_chart(charts.plot_intervals(shown, _("training data")), key="gen_benefit", alt_text=conclusion)
    st.caption(_describe_study(study))
    faces.show_download("benefit", _("Table (CSV)"), lambda: results_tables.to_csv(table), "synthetic-data-study.csv")


def _describe_study(study: Mapping[str, Any]) -> str:
    """Return how a study was made: the content of augmentation_study.json in words."""
    if study["filter_is_guidance_relative"]:
        selection = _(
            "Of {drawn:,} faces generated as {label}, those were used for which the model {classifier} predicts it, "
            "which guided the training of the generator."
        )
    else:
        selection = _(
            "Of {drawn:,} faces generated as {label}, those were used for which the model {classifier} predicts it."
        )
    sentences = [
        _("{networks} small networks for each condition, {epochs} epochs each, with equally many training faces."),
        _("Without synthetic ones, {synthetic:,} real ones are used twice."),
        selection,
        _("Measured on {held_out:,} held-out real faces; lines are 95% intervals."),
    ]
    return " ".join(sentences).format(
        networks=study["config"]["num_seeds"],
        epochs=study["config"]["epochs"],
        synthetic=study["num_synthetic"],
        drawn=study["num_drawn"],
        label=translate_label(study["config"]["target_class"]),
        classifier=messages.escape_markdown(study["filter_classifier"]),
        held_out=study["num_held_out"],
    )
