"""Films: read every face of a film over its time, look at any moment of it, take the results away."""

from pathlib import Path
from typing import Any

import streamlit as st

from emotion.jobs import job
from emotion.ui import messages, page, photo_cache
from emotion.ui.video import frames, result, selection, timeline
from emotion.video import library
from emotion.video.analysis import VideoAnalysis

state = st.session_state


# ------------------------------------------------------------------ no film is open


def show_upload() -> None:
    """Where films come from."""
    zone = state.setdefault("video_uploader_id", 0)
    files = st.file_uploader(
        "Drop films of people here",
        accept_multiple_files=True,
        key=f"video_uploader_{zone}",
        help="MP4, MOV, WebM, MKV, AVI or an animated GIF, up to 200 MB, 30 minutes and 4096 pixels a side each. They "
        "stay on this machine until you delete them.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        speed = st.segmented_control(
            "What is read",
            list(selection.FRAME_STRIDES),
            default=selection.EVERY_FRAME,
            required=True,
            key="video_speed",
            help="Every frame is exact. Fast looks at about eight frames of each second and misses what is shorter.",
        )
        sample = st.button(
            "Try a sample",
            icon=":material/movie:",
            key="video_sample",
            help="Twelve seconds made of one photo: one face, moved about.",
        )
    if files:
        state["video_uploader_id"] = zone + 1  # or they would be read again at every click
        submit_videos([(file, file.name) for file in files], speed or selection.EVERY_FRAME)
    if sample:
        with messages.error_box("the sample"):
            submit_videos(
                [(selection.get_sample_video(), "Sample: one face, moved about")], speed or selection.EVERY_FRAME
            )


def submit_videos(videos: list[tuple[Any, str]], speed: str) -> None:
    """Have films read, each an upload or a path, and its name; what is refused gets its sentence."""
    begun = []
    for film, name in videos:
        with messages.error_box(f'the film "{name}"'), st.spinner("Keeping the film"):
            begun.append(selection.submit_video(film, name, speed))
        if not isinstance(film, Path):
            photo_cache.release_upload(film.file_id)
    if len(begun) == len(videos):
        selection.select_video(begun[0].folder if len(begun) == 1 else None)
        st.rerun()


def show_empty() -> None:
    """What the page does, before there is a film."""
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    left.image(
        selection.ILLUSTRATION, width="stretch", alt="Three faces as ribbons of expressions over time, and a playhead"
    )
    right.markdown(
        "- The film with a box and an expression on every face, to play here and to keep\n"
        "- A timeline: a ribbon for each face, and the moments that tell most; a click jumps there\n"
        "- Names for the faces, their shares of the time, tables, subtitles, a report"
    )


def show_videos(is_busy: bool) -> None:
    """The films that are here, as cards; `is_busy`: some were still read when the page was drawn."""
    found = library.list_videos()
    if is_busy and not any(one.state.is_running for one in found):
        st.rerun()
    for start in range(0, len(found), 3):
        for column, film in zip(st.columns(3, gap="medium"), found[start : start + 3], strict=False):
            with column, st.container(border=True), messages.error_box("this film"):
                show_card(film)


def show_card(analysis: VideoAnalysis) -> None:
    """One film: picture, name, length, date, how far it is; open it or delete it."""
    with messages.error_box("this film"):
        frames.show_frame(
            frames.get_video_thumbnail(analysis, frames.should_anonymize(analysis)), f"A frame of {analysis.name}"
        )
        st.markdown(f"**{messages.escape_markdown(analysis.name)}**")
        said = [selection.format_duration(analysis), selection.format_date(analysis), selection.format_status(analysis)]
        st.caption(messages.escape_markdown(" · ".join(filter(None, said))))
    with st.container(horizontal=True):
        if st.button("Open", icon=":material/play_arrow:", key=f"video_open_{analysis.folder.name}"):
            selection.select_video(analysis.folder)
            st.rerun()
        show_delete(analysis)


def show_delete(analysis: VideoAnalysis) -> None:
    """Ask, then remove the film and everything made of it."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Deletes the film and all that was read of it. This cannot be undone.")
        if st.button("Delete for good", key=f"video_delete_{analysis.folder.name}"):
            with messages.error_box("deleting the film"):
                library.delete(analysis.folder)
                selection.select_video(None)
                st.rerun()


# ------------------------------------------------------------------ a film that is read now


@st.fragment(run_every=1)
def show_running(analysis: VideoAnalysis) -> None:
    """The frame in work, the ribbons so far, the time left; the whole page is drawn when it ends."""
    with messages.error_box("this film"):
        now, cover = analysis.state, frames.should_anonymize(analysis)
        if not now.is_running:
            st.rerun()
        left, right = st.columns([3, 2], gap="medium")
        with left:
            frames.show_frame(frames.get_latest_frame(analysis, cover), f"The last processed frame: {now.message}")
        with right:
            st.progress(now.fraction, messages.escape_markdown(selection.format_status(analysis)))
            st.markdown(messages.escape_markdown(now.message or "Begins"))
            if st.button("Stop and keep what is done", icon=":material/stop:", key="video_stop"):
                with st.spinner("Stopping"):
                    job.open_job(analysis.folder).stop()
                st.rerun()
            st.caption("This page may be closed: the work goes on, and the film stays in the list.")
        timeline.show_timeline(analysis, analysis.people(), anonymize=cover, is_live=True)


# ------------------------------------------------------------------ a film that was read


def show_header(analysis: VideoAnalysis) -> None:
    """Its name, what it is, the way back, and how it ended where it did not end well."""
    st.subheader(messages.escape_markdown(analysis.name), anchor=False)
    st.caption(messages.escape_markdown(selection.format_summary(analysis)))
    again = False
    with st.container(horizontal=True):
        if st.button("All films", icon=":material/arrow_back:", key="video_back"):
            selection.select_video(None)
            st.rerun()
        if analysis.is_finished:
            again = st.button(
                "Read again",
                icon=":material/replay:",
                key="video_again",
                help="With what is chosen in the sidebar now; this reading stays.",
            )
            show_delete(analysis)
    if again:
        submit_videos(
            [(analysis.request.video_path, analysis.name)],
            selection.EVERY_FRAME if analysis.settings.frame_stride else selection.FAST,
        )


with page.page_layout():
    st.title("Films", anchor=False)
    st.write("Who shows which expression, and when.")
    analysis, is_damaged = None, True
    with messages.error_box("this film"):
        analysis, is_damaged = selection.get_selected_video(), False
    if analysis is None:
        if "video" in st.query_params and not is_damaged:
            st.info("This film is not here, or not any more.", icon=":material/movie:")
        show_upload()
        videos = library.list_videos()
        is_busy = any(one.state.is_running for one in videos)
        if videos:
            st.fragment(show_videos, run_every=2 if is_busy else None)(is_busy)
        else:
            show_empty()
        st.stop()
    show_header(analysis)
    if not analysis.is_finished:
        show_running(analysis)
        st.stop()
    result.show_status(analysis)
    result.show_result(analysis)
