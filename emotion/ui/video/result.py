"""A film that was read, as the Films page shows it: its frames, its people over time, what can be taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from emotion.formatting import clock
from emotion.results import serialization
from emotion.ui import messages
from emotion.ui.video import frames, player, redraw, selection, timeline
from emotion.ui.video import people as video_people
from emotion.video import exports
from emotion.video.analysis import Analysis


def show_ending(film: Analysis) -> None:
    """How it ended where it did not end well, and what of it is hidden."""
    now = film.state
    if now.state != "done":
        until = f" What was read until {clock(film.seconds)} is kept." if film.frames else ""
        said = now.error or f"{selection.state_sentence(film)}."
        if now.state == "interrupted":  # what a job says then is of those that can be resumed
            said, until = "The program was ended while it read this film.", f"{until} Read again begins anew."
        show = st.info if now.state == "stopped" else st.error
        show(messages.plain(said + until), icon=":material/info:")
    if frames.covered(film):
        st.info(
            'This film was read without blur: while "Blur faces" is on, its pictures stay hidden. Read it again to '
            "watch it blurred.", icon=":material/visibility_off:",
        )  # fmt: skip


def show_result(film: Analysis) -> None:
    """The film beside its people, the timeline below, and what all of them show together."""
    cover, everybody = frames.covered(film), film.people()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if cover or film.film is None:
            frames.show_frame(frames.cover_frame(film, cover), "A frame of the video")
        else:
            player.player(film)
            redraw.show(film)
    with right:
        if not everybody:
            _no_face(film)
            return
        shown = video_people.in_view(everybody)
        video_people.people(film, everybody, shown, cover)
    if shown:
        timeline.timeline(film, shown, cover=cover)
        left, right = st.columns(2, gap="large")
        with left:
            video_people.cast_over_time(film)
        with right:
            video_people.shares(film, shown)
        video_people.audience(film)
    _take_away(film, cover)


def _no_face(film: Analysis) -> None:
    """Nobody was found, and what may help."""
    if not film.frames:
        st.info("No frame of this film was read.", icon=":material/movie:")
        return
    st.info(
        f"**No face found** in the {film.frames} frames that were looked at. What may help:\n"
        "- faces that are larger, brighter, and seen from the front\n"
        "- in the sidebar, a lower face threshold, or a search that finds all; then read it again",
        icon=":material/person_search:",
    )


def _take_away(film: Analysis, cover: bool) -> None:
    """Files to save, made when they are asked for; those with faces only where faces may be shown."""
    st.markdown("##### Take away", anchors=False)
    stem = serialization.file_label(film.name).rsplit(".", 1)[0] or "film"

    def save(key: str, label: str, make: Callable[[Analysis], Any], file: str) -> None:
        # Another thread makes it, and gets an analysis of its own.
        st.download_button(
            label, lambda: make(Analysis.open(film.folder)), f"{stem}{file}", key=f"film_save_{key}",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip

    path = None if cover else film.film
    with st.container(horizontal=True):
        if path is not None:
            save("film", "Film with labels", lambda _: player.film_file(path), "-faces.mp4")
        save("csv", "Table (CSV)", exports.csv, ".csv")
        save("json", "Data (JSON)", exports.json_text, ".json")
        if not cover:
            save("crops", "Faces", exports.crops_zip, "-faces.zip")
            save("report", "Report", exports.report_html, ".html")
            save("all", "All files (ZIP)", exports.results_zip, "-results.zip")
    _save_subtitles(film, save)
    if path is not None:
        _take_gif(film, save)


def _save_subtitles(film: Analysis, save: Callable[..., None]) -> None:
    """Subtitles of all faces, or of one that is chosen."""
    people = {person.track: person.name for person in film.people() if not person.hidden}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        track = None
        if len(people) > 1:
            track = st.selectbox(
                "Subtitles of", [None, *people], key=f"film_subtitles_{film.folder.name}", width=240,
                format_func=lambda one: "All faces" if one is None else str(people.get(one, one)),
            )  # fmt: skip
        name = "" if track is None else f"-{serialization.file_label(people[track])}"
        save("vtt", "Subtitles (VTT)", lambda one: exports.vtt(one, track), f"{name}.vtt")


def _take_gif(film: Analysis, save: Callable[..., None]) -> None:
    """A part of the film as an animated picture."""
    end = round(max(film.duration, 0.2), 1)
    with st.expander("A part as an animated picture", icon=":material/gif_box:"):
        start, stop = st.slider(
            "From and to, in seconds", 0.0, end, (0.0, min(end, 4.0)), 0.1, format="%.1f s",
            key=f"film_range_{film.folder.name}",
        )  # fmt: skip
        most = exports.GIF_SECONDS
        if 0 < round(stop - start, 1) <= most:
            last = min(stop, start + most - 0.001)  # tenths of seconds add up to a trifle more
            save("gif", "Animated GIF", lambda one: exports.gif(one, start, last), ".gif")
        else:
            st.caption(f"It can be up to {most:g} seconds long: move the ends of the range.")
