"""What the Films page needs of Streamlit: which film is open, uploads, small pictures, the player, the timeline."""

from __future__ import annotations

import io
import math
import mmap
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from emotion import ui, ui_film_frames, ui_parts, ui_reading
from emotion.charts import CAST_CLICK
from emotion.faces import UNSURE, expression, in_order, ink, percent
from emotion.films import sample as sample_film
from emotion.films import shelf
from emotion.films.shelf import Analysis, FilmSettings, Moment, Person
from emotion.films.tables import clock, clock_tenths
from emotion.jobs import Job, JobState

DRAWING: Final = str(ui_reading.SAMPLE.with_name("films.svg"))
EVERY_FRAME: Final = "Every frame"
FAST: Final = "Fast"
SPEEDS: Final = {EVERY_FRAME: 1, FAST: shelf.FAST}  # as `FilmSettings.every`
_MOST_LANES: Final = 40  # a film of a crowd has more; those that are seen longest count
_MOST_HIGH: Final = 520  # pixels of the player
_ID: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4}")  # as `jobs.new_folder` names
_ENDED: Final = {"stopped": "Stopped before its end", "failed": "Could not be read", "interrupted": "Was broken off"}
_TIMELINE: Final = ui_parts.own_component("timeline")

state = st.session_state


# ------------------------------------------------------------------ which film


def chosen() -> Analysis | None:
    """The film that the address of the page names; None where it names none, or one that is not here. Raises
    `JobError` where it is damaged."""
    name = str(st.query_params.get("film", ""))
    # Anybody can write an address: nothing but the plain name of a folder becomes a path.
    if not _ID.fullmatch(name) or not (shelf.FILMS / name).is_dir():
        return None
    kept: Analysis | None = state.get("film_open")  # it remembers what it has read
    if kept is None or kept.folder != shelf.FILMS / name:
        kept = state["film_open"] = Analysis.open(shelf.FILMS / name)
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
    choice, model = ui.choice(), ui.bundle().folder
    settings = FilmSettings(choice.settings, SPEEDS[speed], choice.blur)
    return shelf.start_film(film, name, settings, detector=choice.detector, model=model)


def sample() -> Path:
    """The film to try the program with, made when it is asked for the first time. Raises `EmotionError`."""
    path = shelf.FILMS.parent / "samples" / "one-face.mp4"
    if not path.is_file():
        sample_film.write_sample(path)
    return path


# ------------------------------------------------------------------ a film in words


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
    pace = {shelf.FAST: "about eight frames a second", 1: "every frame"}.get(
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


# ------------------------------------------------------------------ the player


class _Mapped(io.BytesIO):
    """A file that Streamlit serves from the disk: it would read the whole of it into memory, on every run anew."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with open(path, "rb") as file:
            self._view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def getvalue(self) -> bytes:
        """All of it, as a view."""
        return self._view  # type: ignore[return-value]


def film_file(path: Path) -> io.BytesIO:
    """A finished film for `st.video` and `st.download_button`."""
    if sys.platform == "win32":  # there a file that is in use cannot be deleted
        return io.BytesIO(path.read_bytes())
    return _Mapped(path)


def player(analysis: Analysis) -> None:
    """The film with its labels, never higher than a window."""
    facts = analysis.facts
    width = round(_MOST_HIGH * facts.width / facts.height) if facts else _MOST_HIGH
    if analysis.film is not None:
        st.video(
            film_file(analysis.film), alt=f"The film {analysis.name} with its labels",
            width=width if width < _MOST_HIGH else "stretch",
        )  # fmt: skip


# ------------------------------------------------------------------ the timeline


def timeline(analysis: Analysis, everybody: Sequence[Person], *, cover: bool, live: bool = False) -> None:
    """Ribbons and moments of `everybody` who is to be shown; it moves the player of the page, and follows it."""
    most = {person.track for person in sorted(everybody, key=lambda one: -one.seen)[:_MOST_LANES]}
    table = analysis.lanes()
    table = table[table["track"].isin(list(most))]
    moments = [] if live else [moment for moment in analysis.moments() if moment.track in most]
    words = in_order([*table["expression"], *(moment.label for moment in moments)])
    number = {word: i for i, word in enumerate(words)}
    runs: dict[int, list[tuple[float, float, int]]] = {one.track: [] for one in everybody if one.track in most}
    for track, start, end, word in zip(*(table[c] for c in ("track", "start", "end", "expression")), strict=True):
        runs[track].append((round(start, 3), round(end, 3), number[word]))
    people = {person.track: person for person in everybody}
    _TIMELINE(
        key="film_timeline",
        data={
            "label": "Time in the film",
            "duration": round(analysis.duration, 3),
            "player": not live and not cover and analysis.film is not None,
            "live": live,
            "at": round(analysis.seconds, 3),
            "looks": [_look_data(word) for word in words],
            "lanes": [_lane_data(people[track], some, cover) for track, some in runs.items()],
            "moments": [_moment_data(moment, number[moment.label], cover) for moment in moments],
            "seek": state.get("film_seek"),
        },
    )
    if len(everybody) > len(runs):
        st.caption(f"The {len(runs)} of {len(everybody)} faces that are seen longest; the table has them all.")


def _look_data(word: str) -> dict[str, Any]:
    look = expression(word)
    return {"name": word, "sign": look.sign, "colour": look.colour, "ink": ink(word), "unsure": look is UNSURE}


def _lane_data(person: Person, runs: list[tuple[float, float, int]], cover: bool) -> dict[str, Any]:
    first, last = clock_tenths(person.first), clock_tenths(person.last)
    said = f"{person.name}, seen from {first} to {last}: {shares_sentence(person.shares)}."
    return {"track": person.track, "name": person.name, "image": _url(person.crop, cover), "runs": runs, "said": said}


def _moment_data(moment: Moment, look: int, cover: bool) -> dict[str, Any]:
    peak = f"{moment.label} at its clearest, {percent(moment.confidence)}"
    turn = f"from {moment.before} to {moment.label}" if moment.before else f"turns {moment.label}"
    return {
        "seconds": round(moment.seconds, 3), "track": moment.track, "name": moment.name, "look": look,
        "title": f"{moment.name}: {peak if moment.kind == 'peak' else turn}", "image": _url(moment.crop, cover),
    }  # fmt: skip


def _url(path: Path | None, cover: bool) -> str:
    jpeg = ui_film_frames.small_picture(path, cover)
    return ui_parts.jpeg_url(jpeg) if jpeg else ""


def jump_from_chart(key: str) -> None:
    """A click in a chart of `charts.cast_over_time` below `key` moves playhead and player; a browser may say
    anything."""
    try:
        to = float(state[key].selection[CAST_CLICK][0]["start"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return
    if math.isfinite(to):
        state["film_seek"] = {"to": to, "id": state.get("film_seek", {"id": 0})["id"] + 1}
