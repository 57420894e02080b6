"""Live: a camera, or the demo, with every face's expression; rest, record and save."""

import json
from dataclasses import replace

import streamlit as st

from emotion import charts, tables, ui, ui_live
from emotion.errors import EmotionError
from emotion.live.view import LiveOptions, LiveView
from emotion.recognition.stream import StreamSettings
from emotion.ui_live import Live

SOURCES = {"Camera": ":material/videocam:", "Demo": ":material/movie:", "Single picture": ":material/photo_camera:"}
NOTHING_KEPT = "Nothing is kept unless you save it."
UNHIDDEN = "shows faces, and Blur faces is on now; it is here again when that is off."

state = st.session_state


def options() -> LiveOptions:
    """What was chosen on this page and in the sidebar."""
    # A camera's picture is small, and a face before it large: half of what a photo needs finds them, and is fast.
    side = set_up.settings.side // (4 if set_up.detector == "haar" else 2)
    stream = StreamSettings(
        recognition=replace(set_up.settings, side=side), half_life=state.get("live_calm", 0.5),
    )  # fmt: skip
    return LiveOptions(stream, state.get("live_mirror", True), set_up.blur, state.get("live_pause", False))


def show_settings() -> tuple[int, int]:
    """What can be chosen for the picture; its size."""
    with st.expander("Picture and smoothing", icon=":material/tune:"):
        size = st.segmented_control(
            "Size of the picture", list(ui_live.SIZES), default="Normal", required=True, key="live_size",
            help="Larger pictures show smaller faces, and cost more time. A new size starts the camera anew.",
        )  # fmt: skip
        st.slider(
            "Smoothing", 0.0, 2.0, 0.5, 0.1, format="%.1f s", key="live_calm",
            help="After that time an older look at a face counts half. 0 shows every look as it is.",
        )  # fmt: skip
        st.toggle("Mirrored", True, key="live_mirror", help="As in a mirror: your left is on the left.")
    return ui_live.SIZES[size or "Normal"]


@st.fragment(run_every=0.5)
def show_faces(live: Live) -> None:
    """The cards and how the stream does."""
    with ui.error_box("the faces"):
        view = live.session.view()
        if state.get("live_why"):
            view = replace(view, faces=live.session.explained(ui_live.MOST_CARDS))
        ui_live.show_cards(view)
        st.caption(ui_live.figures(view))
        if view.last_fault and view.faults:
            st.caption(f"Last failure: {ui.plain(view.last_fault)}")


@st.fragment(run_every=1.0)
def show_below(live: Live) -> None:
    """Under the picture: the buttons, what they made to save, what is wrong, the last half minute."""
    with ui.error_box("what stands below the picture"):
        view = live.session.view()
        # What comes and goes by itself stands last, and each part keeps its place: or a button would move, or be made
        # anew, under the click.
        buttons, recording, snapshot, words = (st.container() for _ in range(4))
        if live.used:
            with buttons:
                show_buttons(live, view)
                show_resting(live, view)
            with recording:
                save_recording(live)
            with snapshot:
                save_snapshot(live)
        with words:
            if live.source == "Camera":
                ui_live.show_doctor(ui_live.diagnose(live, view))
            if live.finishing:
                st.caption("Finishing the recording")
            for said in filter(None, (live.said, view.notice)):
                st.caption(ui.plain(said))
        if live.used:
            show_past(live)


def show_past(live: Live) -> None:
    """The last half minute."""
    history = live.session.history()
    seen = sorted(set(history["shown"])) if len(history) else []
    said = f"The last 30 seconds: {', '.join(seen)}" if seen else "The last 30 seconds: nobody yet"
    ui.chart(charts.live_lines(history), key="live_past", alt_text=said)


def show_buttons(live: Live, view: LiveView) -> None:
    """Snapshot and recording."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Snapshot", icon=":material/photo_camera:", key="live_snap", on_click=live.snap,
                  disabled=view.age is None)  # fmt: skip
        # One button that changes its words: two would stand side by side for a moment, and push down what is below.
        recording = view.recording is not None
        st.button(
            f"Stop recording ({view.recording:.0f} s)" if recording else "Record", key="live_record",
            icon=":material/stop:" if recording else ":material/fiber_manual_record:",
            on_click=live.stop if recording else live.record, args=[] if recording else [state.get("live_film", False)],
            disabled=live.finishing or (view.age is None and not recording),
        )  # fmt: skip
        st.checkbox("with the film", key="live_film", disabled=recording)


def show_resting(live: Live, view: LiveView) -> None:
    """Take the faces as they rest for their zero."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if view.calibrating is not None:
            st.markdown(f":material/self_improvement: Look relaxed for {max(1, round(view.calibrating))} more seconds.")
            return
        st.button(
            "This is my resting face", icon=":material/self_improvement:", key="live_rest", on_click=live.rest,
            disabled=not view.faces or live.session.options.paused,
            help="Some faces look stern or glad at rest. For three seconds the program looks at every face in the "
            "picture; from then on it reads them against that. A thin line in a bar shows the score without it.",
        )  # fmt: skip
        if any(face.raw for face in view.faces):
            st.button("Forget it", icon=":material/restart_alt:", key="live_forget", on_click=live.session.uncalibrate)


def save_snapshot(live: Live) -> None:
    """The last snapshot as files."""
    if live.snapshot is None:
        return
    png, record = live.snapshot
    if live.session.options.blur and not record["settings"]["blur"]:
        st.caption(f"The snapshot {UNHIDDEN}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(png, width=160, alt="The snapshot")
        save("snapshot_png", "Picture", png, "snapshot.png")
        save("snapshot_json", "Data (JSON)", json.dumps(record, indent=1, ensure_ascii=False), "snapshot.json")


def save_recording(live: Live) -> None:
    """The last recording as files."""
    made = live.recording
    if made is None:
        return
    st.markdown(f"Recorded {made.seconds:.0f} seconds, {made.frames} pictures, {made.faces} different faces.")
    shown = made.hidden or not live.session.options.blur
    with st.container(horizontal=True):
        save("csv", "Table (CSV)", made.csv, "live.csv")
        save("json", "Data (JSON)", made.json, "live.json")
        if made.film is not None and shown:
            save("film_file", "Film (MP4)", made.film.read_bytes, "live.mp4")
    if made.film is not None and not shown:
        st.caption(f"The film {UNHIDDEN}")
    if made.note is not None:
        st.caption(ui.plain(made.note))
    if made.film_dropped:
        st.caption(f"The film left out {made.film_dropped} pictures, for which the computer was too slow.")


def save(key: str, label: str, data: object, file: str) -> None:
    """A button that saves a file."""
    st.download_button(label, data, file, key=f"live_save_{key}", on_click="ignore", icon=":material/download:")  # pyright: ignore[reportArgumentType]


def show_single() -> None:
    """One picture of the camera, read like a photo."""
    taken = st.camera_input("Take a picture", key="live_single", label_visibility="collapsed")
    if taken is None:
        st.caption("For browsers or networks that let no stream through. " + NOTHING_KEPT)
        return
    with ui.error_box("the picture"):
        reading = ui.read_photo(taken.getvalue(), "the picture")
        faces = reading.faces_shown(set_up.settings.unsure)
        ui.picture(reading, faces, key="live_photo", blur=set_up.blur, chosen=0, choose=lambda _: None,
                   alt=f"The picture: {tables.counts_sentence(faces)}")  # fmt: skip
        st.markdown(f"##### {tables.counts_sentence(faces).capitalize()}", anchors=False)


def show_example() -> None:
    """What is to be seen soon, before the camera is on."""
    reading = ui.read_photo(ui.sample_photo()[1], "the sample")
    faces = reading.faces_shown(set_up.settings.unsure)
    ui.picture(reading, faces, key="live_example", blur=set_up.blur, chosen=0, choose=lambda _: None,
               alt=f"An example: {tables.counts_sentence(faces)}")  # fmt: skip
    st.caption("An example. Your picture gets such boxes as it moves; each face keeps its number. No camera? "
               "Choose the demo above.")  # fmt: skip


def show_stream(source: str) -> None:
    """The moving picture and all that is said of it."""
    live = ui_live.live(source, options())
    left, right = st.columns([3, 2], gap="medium")
    with left:
        place = st.container()
        size = show_settings() if source == "Camera" else ui_live.SIZES["Normal"]
        with place:
            if source == "Camera":
                ui_live.show_camera(live, size)
            else:
                ui_live.show_demo(live)
            if live.used:
                st.toggle("Pause", key="live_pause", help="The pictures pass without being looked at.")
            show_below(live)
    with right:
        if live.used:
            if not set_up.blur and ui.analyzer().recogniser.explains(set_up.settings.head):
                st.toggle("Show why", key="live_why", help="Paints on each face what speaks for its label.")
            show_faces(live)
        else:
            show_example()


with ui.page() as set_up:
    st.title("Live", anchor=False)
    st.write(f"Your camera, with the expression of every face. The pictures stay on this machine. {NOTHING_KEPT}")
    try:
        chosen = st.segmented_control(
            "Where the picture comes from", list(SOURCES), default="Camera", required=True, key="live_source",
            format_func=lambda name: f"{SOURCES[name]} {name}", label_visibility="collapsed",
        )  # fmt: skip
        if chosen == "Single picture":
            show_single()
        else:
            show_stream(chosen or "Camera")
    except EmotionError as error:
        st.error(ui.plain(str(error)), icon=":material/error:")
