"""Training: choose a network, what it learns from and how long, see what it costs, start it and watch it."""

import streamlit as st

from emotion.errors import EmotionError
from emotion.model_store import store
from emotion.training import manager, run_listing
from emotion.training.classifier.config import TrainingPlan
from emotion.training.run_listing import RunSummary
from emotion.ui import messages, page
from emotion.ui.training import data, form, progress, run_table


def show_form() -> None:
    """The three steps, the estimate, and the start."""
    problems: list[str] = []
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("##### 1 · What", anchors=False)
        card = form.choose_architecture()
    with right:
        st.markdown("##### 2 · On what", anchors=False)
        path, votes, labels, entry = data.choose_dataset(card, problems)
    st.markdown("##### 3 · How long", anchors=False)
    chosen = form.choose_hyperparameters(card, labels, votes, entry, problems)
    plan = form.make_plan(card, path, votes, labels, chosen)
    if plan is None:
        return
    with messages.error_box("the estimate"):
        form.show_cost_estimate(plan, entry)
    show_start(plan, problems)


def show_start(plan: TrainingPlan, errors: list[str]) -> None:
    """A name and the button, which is off while the form has problems."""
    suggested = form.suggest_run_name(plan.network)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the run", suggested, max_chars=60, key=f"train_name_{suggested}", width=320)
        clicked = st.button(
            "Start training",
            icon=":material/school:",
            key="train_start",
            disabled=not plan.data or bool(errors),
            help=messages.escape_markdown(errors[0]) if errors else None if plan.data else "Choose a data set first.",
        )
    if clicked and form.start_training(plan, name):
        st.rerun()


def show_builtin_runs(runs: list[RunSummary]) -> None:
    """Before the first training: runs that are shipped, to look at and to repeat."""
    shipped = [run for run in runs if run.is_builtin and not run.source_run and run.kind == "classifier"]
    if not shipped:
        return
    st.markdown("##### Trained before you came: look at them, or repeat one", anchors=False)
    columns = st.columns(3, gap="medium")
    for i, run in enumerate(shipped):
        with columns[i % 3], st.container(border=True):
            right = f"{run.best_accuracy * 100:.1f} % right, epoch {run.best_epoch}" if run.best_accuracy else ""
            minutes = f"{run.train_minutes:.0f} minutes" if run.train_minutes >= 1 else ""
            st.markdown(
                f"**{messages.escape_markdown(run.name)}**  \n"
                f"{messages.escape_markdown(' · '.join(filter(None, [right, minutes])))}"
            )
            with st.container(horizontal=True):
                if st.button("Look", icon=":material/monitoring:", key=f"train_look_{run.folder.name}"):
                    run_table.select_runs(run.folder)
                    st.switch_page("pages/runs.py")
                st.button(
                    "Repeat",
                    icon=":material/replay:",
                    key=f"train_repeat_{run.folder.name}",
                    on_click=on_repeat,
                    args=(run,),
                )


def on_repeat(run: RunSummary) -> None:
    """Fill the form with the settings of a run."""
    try:
        form.fill_form(TrainingPlan.from_config(run.config))
    except EmotionError as error:
        st.session_state["train_error"] = str(error)


with page.page_layout():
    st.title("Training", anchor=False)
    st.write("Teach a network to read expressions, and watch how it learns. It goes on when this page is closed.")
    queue = progress.list_active_runs()
    progress.show_active_runs(queue)
    runs = run_listing.list_runs(manager.RUNS_FOLDER, store.BUILTIN_MODELS)
    progress.show_ended_runs(runs)
    if queue:
        with st.expander("Another training: it waits for its turn", icon=":material/add:"):
            show_form()
    else:
        show_form()
        if not any(run.kind == "classifier" and not run.is_builtin for run in runs):
            show_builtin_runs(runs)
