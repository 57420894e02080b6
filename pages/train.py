"""Training: choose a network, what it learns from and how long, see what it costs, start it and watch it."""

import streamlit as st

from emotion.errors import EmotionError
from emotion.model_store import store
from emotion.training import manager
from emotion.training.classifier.config import LessonPlan
from emotion.training.manager import RunView
from emotion.ui import messages, page
from emotion.ui.training import data, form, progress, run_table


def show_form() -> None:
    """The three steps, the estimate, and the start."""
    problems: list[str] = []
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("##### 1 · What", anchors=False)
        card = form.what()
    with right:
        st.markdown("##### 2 · On what", anchors=False)
        path, votes, labels, entry = data.on_what(card, problems)
    st.markdown("##### 3 · How long", anchors=False)
    chosen = form.how_long(card, labels, votes, entry, problems)
    plan = form.planned(card, path, votes, labels, chosen)
    if plan is None:
        return
    with messages.error_box("the estimate"):
        form.costs(plan, entry)
    show_start(plan, problems)


def show_start(plan: LessonPlan, problems: list[str]) -> None:
    """A name and the button, which is off while the form has problems."""
    suggested = form.suggested_name(plan.network)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the run", suggested, max_chars=60, key=f"train_name_{suggested}", width=320)
        clicked = st.button(
            "Start training", icon=":material/school:", key="train_start",
            disabled=not plan.data or bool(problems),
            help=messages.plain(problems[0]) if problems else None if plan.data else "Choose a data set first.",
        )  # fmt: skip
    if clicked and form.start(plan, name):
        st.rerun()


def show_examples(runs: list[RunView]) -> None:
    """Before the first training: runs that are shipped, to look at and to repeat."""
    shipped = [run for run in runs if run.shipped and not run.used_from and run.kind == "recogniser"]
    if not shipped:
        return
    st.markdown("##### Trained before you came: look at them, or repeat one", anchors=False)
    columns = st.columns(3, gap="medium")
    for i, run in enumerate(shipped):
        with columns[i % 3], st.container(border=True):
            right = f"{run.best_accuracy * 100:.1f} % right, epoch {run.best_epoch}" if run.best_accuracy else ""
            minutes = f"{run.minutes:.0f} minutes" if run.minutes >= 1 else ""
            st.markdown(
                f"**{messages.plain(run.name)}**  \n{messages.plain(' · '.join(filter(None, [right, minutes])))}"
            )
            with st.container(horizontal=True):
                if st.button("Look", icon=":material/monitoring:", key=f"train_look_{run.folder.name}"):
                    run_table.show(run.folder)
                    st.switch_page("pages/runs.py")
                st.button(
                    "Repeat", icon=":material/replay:", key=f"train_repeat_{run.folder.name}", on_click=repeat,
                    args=(run,),
                )  # fmt: skip


def repeat(run: RunView) -> None:
    """Fill the form with the settings of a run."""
    try:
        form.fill(LessonPlan.of(run.config))
    except EmotionError as error:
        st.session_state["train_refused"] = str(error)


with page.page():
    st.title("Training", anchor=False)
    st.write("Teach a network to read expressions, and watch how it learns. It goes on when this page is closed.")
    queue = progress.at_work()
    progress.show(queue)
    runs = manager.all_runs(manager.RUNS, store.SHIPPED)
    progress.ended(runs)
    if queue:
        with st.expander("Another training: it waits for its turn", icon=":material/add:"):
            show_form()
    else:
        show_form()
        if not any(run.kind == "recogniser" and not run.shipped for run in runs):
            show_examples(runs)
