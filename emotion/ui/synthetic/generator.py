"""What is known of a generator: how it learned, how good its faces are, whether they help, whom they are like."""

from __future__ import annotations

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
from emotion.ui.synthetic import faces


def show_nearest(bundle: ModelBundle, face: np.ndarray, seed: int, target_label: str, truncation: float) -> None:
    """Real faces that it may have been copied from, if they are here."""
    entry = faces.find_training_dataset(bundle)
    if entry is None:
        st.caption("The faces that it learned from are not on this machine; the most similar ones would stand here.")
        return
    real = faces.find_nearest_faces(bundle.sha256, seed, target_label, truncation, face, entry)
    st.markdown(
        "The most similar of the real faces that it learned from. If one of them were the same, this would be a copy."
    )
    with st.container(horizontal=True):
        for i, (picture, label) in enumerate(zip(real.faces, real.labels, strict=True), 1):
            st.image(faces.enlarge_face(picture), symbol_and_name(label), width=120, alt=f"Real face {i}, {label}")


def show_training_history(bundle: ModelBundle) -> None:
    """How the generator learned, epoch by epoch."""
    sheets, history = images.load_sample_sheets(bundle), pd.DataFrame(read_history(bundle.folder))
    if not sheets or history.empty:
        st.write("This generator left no history of its epochs.")
        return
    epochs = sorted(sheets)
    best = bundle.generator_card.best_epoch
    epoch = st.select_slider("After the epoch", epochs, epochs[-1], key="gen_epoch") if len(epochs) > 1 else epochs[0]
    left, right = st.columns(2, gap="large")
    with left:
        st.image(sheets[epoch], width="stretch", alt=f"What it drew after epoch {epoch}")
        st.caption(f"The seeds 0 to 7, an expression in each row, after epoch {epoch}. The epoch {best} was kept.")
    numbers = pd.DataFrame({name: pd.to_numeric(history[name], errors="coerce") for name in history})
    with right:
        for title, shares, log, names in (
            ("Who wins: the loss of each", False, False, {"g_loss": "generator", "d_loss": "discriminator"}),
            ("Distance from real faces", False, True, {"frechet": "Fréchet distance, less is better"}),
            (
                "Seen as asked, and as different as real faces",
                True,
                False,
                {"class_consistency": "classified as requested", "diversity": "diversity"},
            ),
        ):
            there = pd.DataFrame(numbers[["epoch", *(n for n in names if n in numbers)]])
            table = there.rename(columns=names).melt("epoch", var_name="metric").dropna()
            if not table.empty:
                st.markdown(f"##### {title}", anchors=False)
                chart = charts.plot_generator_history(table, epoch, as_percent=shares, log_scale=log)
                components.show_chart(chart, key=f"gen_{'_'.join(names)}", alt_text=title)


def show_quality(bundle: ModelBundle) -> None:
    """How good the faces are, beside real ones."""
    measured = bundle.card.metrics.get("evaluation")
    if not measured:
        st.write("Its faces have not been measured yet: `emotion generator evaluate` does that.")
        return
    judge = "the classifier that taught it" if measured.get("is_guidance_relative") else "another classifier"
    st.metric(
        f"Seen as asked by {judge}",
        format_percent(measured["class_consistency"]),
        border=True,
        width=360,
        help=f"The same classifier is right for {format_percent(measured['real_class_consistency'])} of real faces.",
    )
    with st.expander("All measures", icon=":material/table_rows:"):
        st.dataframe(tables.generator_table(measured), hide_index=True, key="gen_quality")


def show_augmentation_study(bundle: ModelBundle) -> None:
    """Whether synthetic faces help to learn."""
    told = read_json(bundle.folder / STUDY_FILE)
    if not told:
        st.write("Whether these faces help a classifier to learn has not been tried yet.")
        return
    st.markdown(f"**{messages.escape_markdown(told['conclusion'])}**")
    table = pd.DataFrame(told["rows"])
    components.show_chart(charts.plot_intervals(table, "learned from"), key="gen_benefit", alt_text=told["conclusion"])
    config = told["config"]
    taught = ", which had a part in the generator's lessons" if told["filter_is_guidance_relative"] else ""
    st.caption(
        f"{config['num_seeds']} small networks for each condition, {config['epochs']} epochs each, "
        "all with as many faces "
        f"to learn from: where no synthetic ones are added, {told['num_synthetic']:,} real ones come twice. Of "
        f"{told['num_drawn']:,} faces drawn as {config['target_class']}, those were taken in which the model "
        f"{messages.escape_markdown(told['filter_classifier'])} sees it{taught}. Measured on {told['num_held_out']:,} "
        "real faces that none of them learned from; the lines are 95 % intervals."
    )
    faces.show_download("benefit", "Table (CSV)", lambda: results_tables.to_csv(table), "do-they-help.csv")
