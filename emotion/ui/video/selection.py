"""Choose, upload and start a video on its page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from emotion.demo import sample_video
from emotion.formatting import clock, percent
from emotion.jobs.job import Job, JobState
from emotion.ui import photo_cache, session
from emotion.video import library
from emotion.video.analysis import Analysis
from emotion.video.settings import FilmSettings

DRAWING: Final = str(photo_cache.SAMPLE.with_name("films.svg"))


EVERY_FRAME: Final = "Every frame"


FAST: Final = "Fast"


SPEEDS: Final = {EVERY_FRAME: 1, FAST: library.FAST}  # as `FilmSettings.every`


_ID: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}")  # as `jobs.new_folder` names


_ENDED: Final = {"stopped": "Stopped before its end", "failed": "Could not be read", "interrupted": "Was broken off"}


state = st.session_state


def chosen() -> Analysis | None:
    """The film that the address of the page names; None where it names none, or one that is not here. Raises
    `JobError` where it is damaged."""
    name = str(st.query_params.get("film", ""))
    # Anybody can write an address: nothing but the plain name of a folder becomes a path.
    if not _ID.fullmatch(name) or not (library.FILMS / name).is_dir():
        return None
    kept: Analysis | None = state.get("film_open")  # it remembers what it has read
    if kept is None or kept.folder != library.FILMS / name:
        kept = state["film_open"] = Analysis.open(library.FILMS / name)
        with st.spinner("Opening the film"):
            kept.refresh()
    return kept


def show(folder: Path | None) -> None:
    """Make that film the one of the page; None shows the list of all."""
    state.pop("film_open", None)
    if folder is None:
        st.query_params.pop("film", None)
    else:
        st.query_params["film"] = folder.name


def start(film: UploadedFile | Path, name: str, speed: str) -> Job:
    """Have a film read with what is chosen in the sidebar. Raises `EmotionError`."""
    choice, model = session.choice(), session.bundle().folder
    settings = FilmSettings(choice.settings, SPEEDS[speed], choice.blur)
    return library.start_film(film, name, settings, detector=choice.detector, model=model)


def sample() -> Path:
    """The film to try the program with, made when it is asked for the first time. Raises `EmotionError`."""
    path = library.FILMS.parent / "samples" / "one-face.mp4"
    if not path.is_file():
        sample_video.write_sample(path)
    return path


def state_sentence(analysis: Analysis) -> str:
    """How far a film is, or how it ended: "42 %, about 12 s left"; "" where it is simply done."""
    now = analysis.state
    return progress_sentence(now) if now.running else _ENDED.get(now.state, "")


def progress_sentence(now: JobState) -> str:
    """How far a job is that runs: "42 %, about 12 s left"."""
    left = f", about {_waiting(now.seconds_left)} left" if now.seconds_left is not None else ""
    return f"{percent(now.fraction)}{left}" if now.total > 0 else now.text or "Begins"


def _waiting(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def length(analysis: Analysis) -> str:
    """How long the film is, as far as it is known without reading what was found: "0:12", else ""."""
    seconds = analysis.facts.seconds if analysis.facts else None
    return clock(seconds) if seconds else ""


def facts_sentence(analysis: Analysis) -> str:
    """What the film is and what read it: "0:12 · 480 x 360 · every frame · glance, recogniser · 3 Nov 2026, 12:00"."""
    facts, settings, receipt = analysis.facts, analysis.settings, analysis.receipt
    pace = {library.FAST: "about eight frames a second", 1: "every frame"}.get(
        settings.every, f"one of {settings.every} frames"
    )
    size = f"{facts.width} x {facts.height}" if facts else ""
    tools = f"{receipt['detector']['name']}, {receipt['model']['name']}"
    parts = [length(analysis), size, pace, "blurred" if settings.blur else "", tools, date(analysis)]
    return " · ".join(filter(None, parts))


def date(analysis: Analysis) -> str:
    """When it was asked for: "3 Nov 2026, 12:00"."""
    return f"{analysis.created.day} {analysis.created:%b %Y, %H:%M}"


def shares_sentence(shares: Mapping[str, float]) -> str:
    """ "happy 60 %, sad 30 %, unsure 10 %"; the smallest are left out."""
    return ", ".join(f"{word} {percent(share)}" for word, share in shares.items() if share >= 0.005) or "not read"
