"""Films: read every face of a film over its time, look at any moment of it, take the results away."""

from pathlib import Path
from typing import Any

import streamlit as st

from emotion.jobs import job
from emotion.ui import messages, page, photo_cache
from emotion.ui.video import frames, result, selection, timeline
from emotion.video import library
from emotion.video.analysis import Analysis

state = st.session_state


# ------------------------------------------------------------------ no film is open


def show_start() -> None:
    """Where films come from."""
    zone = state.setdefault("film_drop", 0)
    files = st.file_uploader(
        "Drop films of people here", accept_multiple_files=True, key=f"film_drop_{zone}",
        help="MP4, MOV, WebM, MKV, AVI or an animated GIF, up to 200 MB, 30 minutes and 4096 pixels a side each. They "
        "stay on this machine until you delete them.",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        speed = st.segmented_control(
            "What is read", list(selection.SPEEDS), default=selection.EVERY_FRAME, required=True, key="film_speed",
            help="Every frame is exact. Fast looks at about eight frames of each second and misses what is shorter.",
        )  # fmt: skip
        sample = st.button(
            "Try a sample", icon=":material/movie:", key="film_sample",
            help="Twelve seconds made of one photo: one face, moved about.",
        )  # fmt: skip
    if files:
        state["film_drop"] = zone + 1  # or they would be read again at every click
        begin([(file, file.name) for file in files], speed or selection.EVERY_FRAME)
    if sample:
        with messages.error_box("the sample"):
            begin([(selection.sample(), "Sample: one face, moved about")], speed or selection.EVERY_FRAME)


def begin(wanted: list[tuple[Any, str]], speed: str) -> None:
    """Have films read, each an upload or a path, and its name; what is refused gets its sentence."""
    begun = []
    for film, name in wanted:
        with messages.error_box(f'the film "{name}"'), st.spinner("Keeping the film"):
            begun.append(selection.start(film, name, speed))
        if not isinstance(film, Path):
            photo_cache.forget_upload(film.file_id)
    if len(begun) == len(wanted):
        selection.show(begun[0].folder if len(begun) == 1 else None)
        st.rerun()


def show_empty() -> None:
    """What the page does, before there is a film."""
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    left.image(
        selection.DRAWING, width="stretch", alt="Three faces as ribbons of expressions over time, and a playhead"
    )
    right.markdown(
        "- The film with a box and an expression on every face, to play here and to keep\n"
        "- A timeline: a ribbon for each face, and the moments that tell most; a click jumps there\n"
        "- Names for the faces, their shares of the time, tables, subtitles, a report"
    )


def show_films(busy: bool) -> None:
    """The films that are here, as cards; `busy`: some were still read when the page was drawn."""
    found = library.past_films()
    if busy and not any(one.state.running for one in found):
        st.rerun()
    for start in range(0, len(found), 3):
        for column, film in zip(st.columns(3, gap="medium"), found[start : start + 3], strict=False):
            with column, st.container(border=True), messages.error_box("this film"):
                show_card(film)


def show_card(film: Analysis) -> None:
    """One film: picture, name, length, date, how far it is; open it or delete it."""
    with messages.error_box("this film"):
        frames.show_frame(frames.thumbnail(film, frames.covered(film)), f"A frame of {film.name}")
        st.markdown(f"**{messages.plain(film.name)}**")
        said = [selection.length(film), selection.date(film), selection.state_sentence(film)]
        st.caption(messages.plain(" · ".join(filter(None, said))))
    with st.container(horizontal=True):
        if st.button("Open", icon=":material/play_arrow:", key=f"film_open_{film.folder.name}"):
            selection.show(film.folder)
            st.rerun()
        show_delete(film)


def show_delete(film: Analysis) -> None:
    """Ask, then remove the film and everything made of it."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Deletes the film and all that was read of it. This cannot be undone.")
        if st.button("Delete for good", key=f"film_delete_{film.folder.name}"):
            with messages.error_box("deleting the film"):
                library.delete(film.folder)
                selection.show(None)
                st.rerun()


# ------------------------------------------------------------------ a film that is read now


@st.fragment(run_every=1)
def show_running(film: Analysis) -> None:
    """The frame in work, the ribbons so far, the time left; the whole page is drawn when it ends."""
    with messages.error_box("this film"):
        now, cover = film.state, frames.covered(film)
        if not now.running:
            st.rerun()
        left, right = st.columns([3, 2], gap="medium")
        with left:
            frames.show_frame(frames.latest_frame(film, cover), f"The last processed frame: {now.text}")
        with right:
            st.progress(now.fraction, messages.plain(selection.state_sentence(film)))
            st.markdown(messages.plain(now.text or "Begins"))
            if st.button("Stop and keep what is done", icon=":material/stop:", key="film_stop"):
                with st.spinner("Stopping"):
                    job.find(film.folder).stop()
                st.rerun()
            st.caption("This page may be closed: the work goes on, and the film stays in the list.")
        timeline.timeline(film, film.people(), cover=cover, live=True)


# ------------------------------------------------------------------ a film that was read


def show_head(film: Analysis) -> None:
    """Its name, what it is, the way back, and how it ended where it did not end well."""
    st.subheader(messages.plain(film.name), anchor=False)
    st.caption(messages.plain(selection.facts_sentence(film)))
    again = False
    with st.container(horizontal=True):
        if st.button("All films", icon=":material/arrow_back:", key="film_back"):
            selection.show(None)
            st.rerun()
        if film.finished:
            again = st.button(
                "Read again", icon=":material/replay:", key="film_again",
                help="With what is chosen in the sidebar now; this reading stays.",
            )  # fmt: skip
            show_delete(film)
    if again:
        begin([(film.request.film, film.name)], selection.EVERY_FRAME if film.settings.every else selection.FAST)


with page.page():
    st.title("Films", anchor=False)
    st.write("Who shows which expression, and when.")
    film, damaged = None, True
    with messages.error_box("this film"):
        film, damaged = selection.chosen(), False
    if film is None:
        if "film" in st.query_params and not damaged:
            st.info("This film is not here, or not any more.", icon=":material/movie:")
        show_start()
        found = library.past_films()
        busy = any(one.state.running for one in found)
        if found:
            st.fragment(show_films, run_every=2 if busy else None)(busy)
        else:
            show_empty()
        st.stop()
    show_head(film)
    if not film.finished:
        show_running(film)
        st.stop()
    result.show_ending(film)
    result.show_result(film)
