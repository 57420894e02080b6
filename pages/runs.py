"""Runs: how the shipped networks learned, and how well they do beside others."""

import pandas as pd
import streamlit as st

from emotion import bundles, charts, tables, ui
from emotion.bundles import Bundle
from emotion.files import read_json
from emotion.training.runs import REPORT, read_history

KINDS = {"recogniser": "Reads expressions", "detector": "Finds faces"}
PARTS = {
    "source": ("Photos of different kinds: average precision", "average precision, IoU 0.5"),
    "face": ("Large and small faces: recall", "recall"),
    "rotation": ("Turned photos: recall", "recall"),
    "blur": ("Blurred photos: recall", "recall"),
}


def all_runs() -> dict[str, Bundle]:
    """The shipped networks by name, recognisers first; those that cannot be used are said on Home."""
    found = [bundle for kind in KINDS for bundle in bundles.find_bundles(kind)[0]]
    return {f"{KINDS[bundle.kind]}: {ui.plain(bundle.name)}": bundle for bundle in found}


def show_learning(run: Bundle) -> None:
    """How often it was right after each epoch."""
    history = tables.history_table(read_history(run.folder))
    st.subheader("How it learned", anchor=False)
    if history.empty:
        st.write("This run left no history of its epochs.")
        return
    ui.chart(charts.learning_curves(history), key="runs_learning", alt_text="Share of right answers by epoch")


def show_recogniser(run: Bundle) -> None:
    """What a recogniser scored on the test faces."""
    for head, scores in run.card["metrics"].get("private", {}).items():
        low, high = (f"{100 * end:.1f}" for end in scores["accuracy_interval"])
        st.metric(
            ui.answer_name(run, head), f"{scores['accuracy'] * 100:.1f} %", border=True,
            help="Share of the test faces that it named right. These faces were looked at once, at the end.",
        )  # fmt: skip
        st.caption(f"With another {scores['n']:,} such faces it would be between {low} and {high} %, most likely.")


def show_detector(rows: list[dict]) -> None:
    """A detector beside the others, all measured in one run."""
    numbers = tables.detectors_long(rows)
    columns = st.columns(2, gap="large")
    for i, (part, (title, measure)) in enumerate(PARTS.items()):
        with columns[i % 2]:
            show_part(title, only(numbers, part=part, measure=measure), f"runs_{part}")
    with columns[0]:
        show_part("Time for a picture, on one core", only(numbers, part="size"), "runs_time", milliseconds=True)
    with columns[1]:
        st.markdown("##### How to read this", anchors=False)
        ghosts = [
            f"- {ui.plain(row['detector'])}: {row['false_boxes']} false boxes on {row['empty']} photos without a face"
            for row in rows
            if "empty" in row
        ]
        explained = [
            "- **Average precision**: 100 % would be every face found, and nothing else taken for one.",
            "- **Recall**: the share of the faces that are found at the threshold that the app begins with.",
            "- Faces count from 16 pixels up. None of these photos was learned from.",
        ]
        st.markdown("\n".join(explained + ghosts))
    table = tables.detectors_table(rows)
    with st.expander("All numbers", icon=":material/table_rows:"):
        st.dataframe(table, hide_index=True, key="runs_table")
    st.download_button(
        "Table (CSV)", tables.to_csv(table), "detectors.csv", on_click="ignore", icon=":material/download:",
        key="runs_save",
    )  # fmt: skip


def only(numbers: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """The lines that have these values."""
    return pd.DataFrame(numbers[(numbers[list(wanted)] == list(wanted.values())).all(axis=1)])


def show_part(title: str, some: pd.DataFrame, key: str, *, milliseconds: bool = False) -> None:
    """One chart with its title."""
    if bool(some["value"].notna().any()):
        st.markdown(f"##### {title}", anchors=False)
        lines = some[["detector", "case", "value"]].itertuples(index=False)
        said = "; ".join(f"{detector}, {case}: {value:.3g}" for detector, case, value in lines)
        ui.chart(charts.detectors_dots(some, milliseconds=milliseconds), key=key, alt_text=said)


def show_facts(run: Bundle) -> None:
    """What it is, in a line."""
    minutes = (read_json(run.folder / REPORT) or {}).get("minutes")
    facts = [f"made {str(run.card['created'])[:10]}"] if run.card.get("created") else []
    facts += [f"{run.network.stat().st_size / 1e6:.1f} MB"]
    facts += [f"learned for {minutes:.0f} minutes"] if minutes else []
    st.caption(ui.plain(" · ".join(facts)))


with ui.page():
    st.title("Runs", anchor=False)
    st.write("How the networks of this program learned, and how well they do.")
    runs = all_runs()
    if not runs:
        st.info("There is no trained network in models/ yet.", icon=":material/info:")
        st.stop()
    names = list(runs)
    run = runs[st.segmented_control("Network", names, default=names[0], required=True, key="runs_chosen") or names[0]]
    show_facts(run)
    compared = (read_json(run.folder / REPORT) or {}).get("detectors")
    if compared:
        show_detector(compared)
    if run.kind == "recogniser":
        left, right = st.columns([3, 2], gap="large")
        with left:
            show_learning(run)
        with right:
            st.subheader("How well it does", anchor=False)
            show_recogniser(run)
    else:
        show_learning(run)
