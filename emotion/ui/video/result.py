"""A film that was read, as the Films page shows it: its frames, its people over time, what can be taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from emotion.formatting import format_clock
from emotion.results import serialization
from emotion.ui import messages
from emotion.ui.video import frames, player, redraw, selection, timeline
from emotion.ui.video import people as video_people
from emotion.video import exports
from emotion.video.analysis import VideoAnalysis


def show_status(analysis: VideoAnalysis) -> None:
    """How it ended where it did not end well, and what of it is hidden."""
    now = analysis.state
    if now.status != "done":
        until = f" What was read until {format_clock(analysis.last_timestamp)} is kept." if analysis.num_frames else ""
        said = now.error or f"{selection.format_status(analysis)}."
        if now.status == "interrupted":  # what a job says then is of those that can be resumed
            said, until = "The program was ended while it read this film.", f"{until} Read again begins anew."
        show = st.info if now.status == "stopped" else st.error
        show(messages.escape_markdown(said + until), icon=":material/info:")
    if frames.should_anonymize(analysis):
        st.info(
            'This film was read without blur: while "Blur faces" is on, its pictures stay hidden. Read it again to '
            "watch it blurred.",
            icon=":material/visibility_off:",
        )


def show_result(analysis: VideoAnalysis) -> None:
    """The film beside its people, the timeline below, and what all of them show together."""
    cover, everybody = frames.should_anonymize(analysis), analysis.people()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if cover or analysis.annotated_video is None:
            frames.show_frame(frames.get_cover_frame(analysis, cover), "A frame of the video")
        else:
            player.show_player(analysis)
            redraw.show_redraw(analysis)
    with right:
        if not everybody:
            _show_no_faces(analysis)
            return
        shown = video_people.select_visible(everybody)
        video_people.show_people(analysis, everybody, shown, cover)
    if shown:
        timeline.show_timeline(analysis, shown, anonymize=cover)
        left, right = st.columns(2, gap="large")
        with left:
            video_people.show_face_counts(analysis)
        with right:
            video_people.show_shares(analysis, shown)
        video_people.show_group_shares(analysis)
    _show_downloads(analysis, cover)


def _show_no_faces(analysis: VideoAnalysis) -> None:
    """Nobody was found, and what may help."""
    if not analysis.num_frames:
        st.info("No frame of this film was read.", icon=":material/movie:")
        return
    st.info(
        f"**No face found** in the {analysis.num_frames} frames that were looked at. What may help:\n"
        "- faces that are larger, brighter, and seen from the front\n"
        "- in the sidebar, a lower face threshold, or a search that finds all; then read it again",
        icon=":material/person_search:",
    )


def _show_downloads(analysis: VideoAnalysis, anonymize: bool) -> None:
    """Files to save, made when they are asked for; those with faces only where faces may be shown."""
    st.markdown("##### Take away", anchors=False)
    stem = serialization.sanitize_filename(analysis.name).rsplit(".", 1)[0] or "film"

    def show_download(key: str, label: str, make: Callable[[VideoAnalysis], Any], file: str) -> None:
        # Another thread makes it, and gets an analysis of its own.
        st.download_button(
            label,
            lambda: make(VideoAnalysis.open(analysis.folder)),
            f"{stem}{file}",
            key=f"video_save_{key}",
            on_click="ignore",
            icon=":material/download:",
        )

    path = None if anonymize else analysis.annotated_video
    with st.container(horizontal=True):
        if path is not None:
            show_download("video", "Film with labels", lambda _: player.open_video_file(path), "-faces.mp4")
        show_download("csv", "Table (CSV)", exports.to_csv, ".csv")
        show_download("json", "Data (JSON)", exports.to_json, ".json")
        if not anonymize:
            show_download("crops", "Faces", exports.zip_thumbnails, "-faces.zip")
            show_download("report", "Report", exports.render_report, ".html")
            show_download("all", "All files (ZIP)", exports.zip_results, "-results.zip")
    _show_subtitles_download(analysis, show_download)
    if path is not None:
        _show_gif_download(analysis, show_download)


def _show_subtitles_download(analysis: VideoAnalysis, show_download: Callable[..., None]) -> None:
    """Subtitles of all faces, or of one that is chosen."""
    people = {person.track_id: person.name for person in analysis.people() if not person.is_hidden}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        track = None
        if len(people) > 1:
            track = st.selectbox(
                "Subtitles of",
                [None, *people],
                key=f"video_subtitles_{analysis.folder.name}",
                width=240,
                format_func=lambda one: "All faces" if one is None else str(people.get(one, one)),
            )
        name = "" if track is None else f"-{serialization.sanitize_filename(people[track])}"
        show_download("vtt", "Subtitles (VTT)", lambda one: exports.to_vtt(one, track), f"{name}.vtt")


def _show_gif_download(analysis: VideoAnalysis, show_download: Callable[..., None]) -> None:
    """A part of the film as an animated picture."""
    end = round(max(analysis.duration, 0.2), 1)
    with st.expander("A part as an animated picture", icon=":material/gif_box:"):
        start, stop = st.slider(
            "From and to, in seconds",
            0.0,
            end,
            (0.0, min(end, 4.0)),
            0.1,
            format="%.1f s",
            key=f"video_range_{analysis.folder.name}",
        )
        most = exports.MAX_GIF_SECONDS
        if 0 < round(stop - start, 1) <= most:
            last = min(stop, start + most - 0.001)  # tenths of seconds add up to a trifle more
            show_download("gif", "Animated GIF", lambda one: exports.to_gif(one, start, last), ".gif")
        else:
            st.caption(f"It can be up to {most:g} seconds long: move the ends of the range.")
