"""Evaluation of a generator: nearest real faces, training history, quality, augmentation study."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import symbol_and_name
from emotion.formatting import format_percent
from emotion.generation import images, tables
from emotion.model_store.store import ModelBundle
from emotion.results import tables as results_tables
from emotion.storage import read_json
from emotion.training.runs.folder import STUDY_FILE, read_history
from emotion.ui import components, messages
from emotion.ui.synthetic import enlarging, faces

_HISTORY_CHARTS: Final = (  # title, as percent, logarithmic, columns of the history with their names
    ("Loss of generator and discriminator", False, False, {"g_loss": "generator", "d_loss": "discriminator"}),
    ("Distance from real faces", False, True, {"frechet": "Fréchet distance, less is better"}),
    (
        "Match with the request, and variety",
        True,
        False,
        {"class_consistency": "predicted as requested", "diversity": "diversity"},
    ),
)


def show_nearest(bundle: ModelBundle, face: np.ndarray, seed: int, target_label: str, truncation: float) -> None:
    """Show the training faces that are nearest to a synthetic face, if they are on this machine."""
    dataset_info = faces.find_training_dataset(bundle)
    if dataset_info is None:
        st.caption("The nearest training faces need FER-2013, which is not on this machine.")
        return
    real = faces.find_nearest_faces(bundle.sha256, seed, target_label, truncation, face, dataset_info)
    st.markdown("The nearest training faces: none of them should be the same face.")
    with st.container(horizontal=True):
        for i, (image, label) in enumerate(zip(real.faces, real.labels, strict=True), 1):
            st.image(enlarging.enlarge_face(image), symbol_and_name(label), width=120, alt=f"Real face {i}, {label}")


def show_training_history(bundle: ModelBundle) -> None:
    """Show samples and metrics of the training, epoch by epoch."""
    sheets, history = images.load_sample_sheets(bundle), pd.DataFrame(read_history(bundle.folder))
    if not sheets or history.empty:
        st.write("This generator has no training history.")
        return
    epochs = sorted(sheets)
    best = bundle.generator_card.best_epoch
    epoch = st.select_slider("After epoch", epochs, epochs[-1], key="gen_epoch") if len(epochs) > 1 else epochs[0]
    left, right = st.columns(2, gap="large")
    with left:
        st.image(sheets[epoch], width="stretch", alt=f"Samples after epoch {epoch}")
        st.caption(f"The seeds 0 to 7, an expression in each row, after epoch {epoch}. Epoch {best} was kept.")
    values = pd.DataFrame({name: pd.to_numeric(history[name], errors="coerce") for name in history})
    with right:
        for title, as_percent, log_scale, names in _HISTORY_CHARTS:
            columns = pd.DataFrame(values[["epoch", *(name for name in names if name in values)]])
            table = columns.rename(columns=names).melt("epoch", var_name="metric").dropna()
            if not table.empty:
                st.markdown(f"##### {title}", anchors=False)
                chart = charts.plot_generator_history(table, epoch, as_percent=as_percent, log_scale=log_scale)
                components.show_chart(chart, key=f"gen_{'_'.join(names)}", alt_text=title)


def show_quality(bundle: ModelBundle) -> None:
    """Show how often a classifier predicts the requested label, and all other metrics."""
    evaluation = bundle.card.metrics.get("evaluation")
    if not evaluation:
        st.write("Its faces have not been measured yet: `emotion generator evaluate` does that.")
        return
    classifier = (
        "the classifier that guided its training" if evaluation.get("is_guidance_relative") else "another classifier"
    )
    st.metric(
        f"Predicted as requested by {classifier}",
        format_percent(evaluation["class_consistency"]),
        border=True,
        width=360,
        help=f"Accuracy of the same classifier on real faces: {format_percent(evaluation['real_class_consistency'])}.",
    )
    with st.expander("All metrics", icon=":material/table_rows:"):
        st.dataframe(tables.generator_table(evaluation), hide_index=True, key="gen_quality")


def show_augmentation_study(bundle: ModelBundle) -> None:
    """Show whether synthetic training faces improve a classifier."""
    study = read_json(bundle.folder / STUDY_FILE)
    if not study:
        st.write("Not measured yet.")
        return
    st.markdown(f"**{messages.escape_markdown(study['conclusion'])}**")
    table = pd.DataFrame(study["rows"])
    components.show_chart(
        charts.plot_intervals(table, "training data"), key="gen_benefit", alt_text=study["conclusion"]
    )
    config = study["config"]
    guided = ", which guided the training of the generator" if study["filter_is_guidance_relative"] else ""
    st.caption(
        f"{config['num_seeds']} small networks for each condition, {config['epochs']} epochs each, with equally many "
        f"training faces: without synthetic ones, {study['num_synthetic']:,} real ones are used twice. Of "
        f"{study['num_drawn']:,} faces generated as {config['target_class']}, those were used for which the model "
        f"{messages.escape_markdown(study['filter_classifier'])} predicts it{guided}. Measured on "
        f"{study['num_held_out']:,} held-out real faces; lines are 95% intervals."
    )
    faces.show_download("benefit", "Table (CSV)", lambda: results_tables.to_csv(table), "synthetic-data-study.csv")
