"""An analyzed video: its status, the player, the people, the charts and the downloads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import streamlit as st

from emotion.formatting import format_clock
from emotion.results import serialization
from emotion.translation.messages import gettext as _
from emotion.translation.messages import translate_text
from emotion.ui import components, messages, streamlit_workarounds
from emotion.ui.video import frames, markers, player, redraw, selection
from emotion.ui.video import people as video_people
from emotion.ui.video.charts import movements, scores, timeline
from emotion.video.analysis import VideoAnalysis
from emotion.video.edits.markers import read_markers
from emotion.video.outputs import exports

_MIN_RANGE_SECONDS: Final = 0.2  # the slider needs a range
_DEFAULT_GIF_SECONDS: Final = 4.0
_ROUNDING_SECONDS: Final = 0.001  # sums of tenths of seconds exceed the limit by less


def show_status(analysis: VideoAnalysis) -> None:
    """Show how the analysis ended, unless it completed, and whether images are hidden."""
    job_state = analysis.state
    if job_state.status != "done":
        sentences = [
            translate_text(job_state.error or "") or _("{status}.").format(status=selection.format_status(analysis))
        ]
        if job_state.status == "interrupted":  # the message of the job is about resuming, which videos do not offer
            sentences = [_("The program ended during the analysis of this video.")]
        if analysis.num_frames:
            position = format_clock(analysis.last_timestamp)
            sentences.append(_("The results until {position} are kept.").format(position=position))
        if job_state.status == "interrupted":
            sentences.append(_("Analyze again starts from the beginning."))
        show = st.info if job_state.status == "stopped" else st.error
        show(messages.escape_markdown(" ".join(sentences)), icon=":material/info:")
    if frames.should_anonymize(analysis):
        st.info(
            _(
                'This video was analyzed without blur: while "Blur faces" is on, its images stay hidden. Analyze it '
                "again to watch it blurred."
            ),
            icon=":material/visibility_off:",
        )


def show_result(analysis: VideoAnalysis) -> None:
    """Show the video beside its people, the timeline, and charts of all people."""
    anonymize, people = frames.should_anonymize(analysis), analysis.people()
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if anonymize or analysis.annotated_video is None:
            frames.show_frame(frames.get_cover_frame(analysis, anonymize), _("A frame of the video"))
        else:
            player.show_player(analysis)
            redraw.show_redraw(analysis)
    with right:
        if not people:
            _show_no_faces(analysis)
            return
        visible_people = video_people.select_visible(people)
        video_people.show_people(analysis, people, visible_people, anonymize)
    if visible_people:
        marked = read_markers(analysis.folder)
        timeline.show_timeline(analysis, visible_people, anonymize=anonymize, markers=marked)
        markers.show_markers(analysis, marked)
        scores.show_scores(analysis, visible_people)
        left, right = st.columns(2, gap="large")
        with left:
            video_people.show_face_counts(analysis)
        with right:
            video_people.show_shares(analysis, visible_people)
        if analysis.has_features and not anonymize:
            movements.show_movements(analysis, visible_people)
        video_people.show_group_shares(analysis)
    _show_downloads(analysis, anonymize)


def _show_no_faces(analysis: VideoAnalysis) -> None:
    """Show what may help to find faces."""
    if not analysis.num_frames:
        st.info(_("No frame of this video was analyzed."), icon=":material/movie:")
        return
    st.info(
        _(
            "**No face found** in the {count} frames that were analyzed. What may help:\n"
            "- faces that are larger, brighter, and seen from the front\n"
            "- in the sidebar, a lower detection threshold or the search resolution Thorough; then analyze it again"
        ).format(count=analysis.num_frames),
        icon=":material/person_search:",
    )


def _show_downloads(analysis: VideoAnalysis, anonymize: bool) -> None:
    """Show downloads, which are made on the click; those with faces only without anonymization."""
    st.markdown("### " + _("Download"), anchors=False)
    stem = serialization.sanitize_filename(analysis.name).rsplit(".", 1)[0] or "video"

    def show_download(key: str, label: str, export: Callable[[VideoAnalysis], Any], suffix: str) -> None:
        # The file is made in another thread, which needs an analysis of its own.
        components.download_button(
            label, lambda: export(VideoAnalysis.open(analysis.folder)), f"{stem}{suffix}", f"video_save_{key}"
        )

    path = None if anonymize else analysis.annotated_video
    with st.container(horizontal=True):
        if path is not None:
            show_download(
                "video", _("Video with labels"), lambda fresh: streamlit_workarounds.open_media_file(path), "-faces.mp4"
            )
        with_features = not anonymize
        show_download("csv", _("Table (CSV)"), partial(exports.to_csv, with_features=with_features), ".csv")
        if read_markers(analysis.folder):
            show_download("markers", _("Markers (CSV)"), exports.markers_to_csv, "-markers.csv")
        show_download("json", _("Data (JSON)"), partial(exports.to_json, with_features=with_features), ".json")
        if not anonymize:
            show_download("crops", _("Faces"), exports.zip_thumbnails, "-faces.zip")
            show_download("report", _("Report"), exports.render_report, ".html")
            show_download("all", _("All files (ZIP)"), exports.zip_results, "-results.zip")
    _show_subtitles_download(analysis, show_download)
    if path is not None:
        _show_gif_download(analysis, show_download)


def _show_subtitles_download(analysis: VideoAnalysis, show_download: Callable[..., None]) -> None:
    """Show the download of subtitles, of all faces or of a selected one."""
    people = [person for person in analysis.people() if not person.is_hidden]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = f"video_subtitles_{analysis.folder.name}"
        track_id = selection.choose_face(_("Subtitles of"), _("All faces"), people, key)
        names = {person.track_id: person.name for person in people}
        suffix = "" if track_id is None else f"-{serialization.sanitize_filename(names[track_id])}"
        show_download("vtt", _("Subtitles (VTT)"), lambda fresh: exports.to_vtt(fresh, track_id), f"{suffix}.vtt")


def _show_gif_download(analysis: VideoAnalysis, show_download: Callable[..., None]) -> None:
    """Show the download of a part of the video as a GIF."""
    duration = round(max(analysis.duration, _MIN_RANGE_SECONDS), 1)
    with st.expander(_("Export a GIF"), icon=":material/gif_box:"):
        start, stop = st.slider(
            _("From and to, in seconds"),
            0.0,
            duration,
            (0.0, min(duration, _DEFAULT_GIF_SECONDS)),
            0.1,
            format="%.1f s",
            key=f"video_range_{analysis.folder.name}",
        )
        max_seconds = exports.MAX_GIF_SECONDS
        if 0 < round(stop - start, 1) <= max_seconds:
            end = min(stop, start + max_seconds - _ROUNDING_SECONDS)
            show_download("gif", _("Animated GIF"), lambda fresh: exports.to_gif(fresh, start, end), ".gif")
        else:
            st.caption(
                _("It can be up to {seconds:g} seconds long: move the ends of the range.").format(seconds=max_seconds)
            )
