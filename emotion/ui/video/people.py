"""The people of a film on its page: names, hiding and merging, and what they show one by one and together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import UNSURE, expression, named
from emotion.formatting import clock, clock_tenths, percent
from emotion.ui import components, messages
from emotion.ui.video import frames, selection, timeline
from emotion.video.analysis import AUDIENCE, Analysis
from emotion.video.people import Person
from emotion.video.tables import share_rows

_PEOPLE: Final = 4  # on one page of the list
_MOST_BARS: Final = 12  # faces in the chart of shares; the table has them all
_MOST_AUDIENCE: Final = 20
_BRIEF: Final = 0.5  # seconds: who is seen for less is often no face at all

state = st.session_state


# ------------------------------------------------------------------ who is in it


def in_view(everybody: Sequence[Person]) -> list[Person]:
    """Those who are to be shown: nobody who was hidden, and who was there for a moment only if that is wanted."""
    shown = [person for person in everybody if not person.hidden]
    longer = [person for person in shown if person.seen >= _BRIEF]
    brief = len(shown) - len(longer)
    if not longer or not brief:
        return shown
    wanted = st.toggle(
        f"Show {brief} {'face' if brief == 1 else 'faces'} seen only briefly", key="film_brief",
        help="For less than half a second: often these are no faces. Tables and files have them in any case.",
    )  # fmt: skip
    return shown if wanted else longer


def people(analysis: Analysis, everybody: Sequence[Person], shown: Sequence[Person], cover: bool) -> None:
    """Who is in the film: picture, name, share of expressions, and what can be done with them."""
    pages = max(1, -(-len(shown) // _PEOPLE))
    page = state["film_people"] = min(state.get("film_people", 1), pages)  # some may just have been hidden or merged
    if pages > 1:
        page = st.pagination(pages, key="film_people")
    on_page = shown[(page - 1) * _PEOPLE : page * _PEOPLE]
    together = analysis.seen_together(person.track for person in on_page)
    for person in on_page:
        others = [other for other in shown if other.track not in (person.track, *together[person.track])]
        _person(analysis, person, others, cover)
    away = [person for person in everybody if person.hidden]
    if away:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption("Hidden:", width="content")
            for person in away:
                st.button(
                    f"Show {messages.plain(person.name)}", key=f"film_unhide_{analysis.folder.name}_{person.track}",
                    on_click=_change(analysis.hide, person.track, False),
                )  # fmt: skip


def _person(analysis: Analysis, person: Person, others: Sequence[Person], cover: bool) -> None:
    key = f"{analysis.folder.name}_{person.track}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        picture = frames.portrait(person.crop, cover)
        if picture:
            st.image(picture, width=64, alt=person.name)
        with st.container(gap="xsmall", width="stretch"):
            name = f"film_name_{key}"
            state[name] = person.name if person.named else ""  # a merge may have brought it
            st.text_input(
                f"Name of {person.name}", key=name, placeholder=f"{person.name}, a name?", max_chars=60,
                label_visibility="collapsed", on_change=lambda: _change(analysis.rename, person.track, state[name])(),
            )  # fmt: skip
            st.image(share_bar(person.shares), width="stretch", alt=selection.shares_sentence(person.shares))
            words = [f"{named(word)} {percent(share)}" for word, share in [*person.shares.items()][:3]]
            st.caption(messages.plain(" · ".join(words)))
        with st.popover("", icon=":material/more_vert:", help="Hide or merge this face", width="content"):
            _menu(analysis, person, others, key)


def _menu(analysis: Analysis, person: Person, others: Sequence[Person], key: str) -> None:
    """Hide this face, or merge it with one of `others`: those that are never seen in the same frame."""
    st.button(
        "Hide this face", icon=":material/visibility_off:", key=f"film_hide_{key}",
        help="Leaves it out of timeline, charts and all files; out of the video when that is drawn again.",
        on_click=_change(analysis.hide, person.track),
    )  # fmt: skip
    names = {other.track: other.name for other in others}
    if names:
        st.selectbox(
            "Is the same person as", list(names), index=None, key=f"film_merge_{key}", placeholder="Choose a face",
            format_func=lambda track: str(names.get(track, track)),
            help="Faces that are seen in the same frame are different people and are not offered.",
            on_change=lambda: _change(analysis.merge, person.track, state[f"film_merge_{key}"])(),
        )  # fmt: skip
    if person.merged:
        st.button(
            "Take apart again", icon=":material/call_split:", key=f"film_split_{key}",
            on_click=_change(analysis.split, person.track),
        )  # fmt: skip


def _change(change: Callable[..., None], *values: Any) -> Callable[[], None]:
    """A change of the cast for a widget to call; what is wrong with it is said above the page."""

    def run() -> None:
        with messages.error_box("this change"):
            change(*values)

    return run


def share_bar(shares: Mapping[str, float]) -> str:
    """A bar divided by expression as SVG text; unsure is striped."""
    parts, start = [], 0.0
    for word, share in shares.items():
        colour = "url(#unsure)" if word == UNSURE.name else expression(word).colour
        parts.append(f'<rect x="{100 * start:.2f}" width="{100 * share:.2f}" height="4" fill="{colour}"/>')
        start += share
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 4" width="600" height="24"><defs>'
        '<pattern id="unsure" width="1.6" height="1.6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="1.6" height="1.6" fill="#D5D5D5"/><rect width="0.8" height="1.6" fill="{UNSURE.colour}"/>'
        '</pattern><clipPath id="round"><rect width="100" height="4" rx="1"/></clipPath></defs>'
        f'<g clip-path="url(#round)">{"".join(parts)}</g></svg>'
    )


# ------------------------------------------------------------------ what they show


def cast_over_time(analysis: Analysis) -> None:
    """How many faces show what, over the time of the film."""
    st.markdown("##### The whole cast", anchors=False)
    said = f"How many faces show what, over {clock(analysis.duration)}. Altogether: "
    components.chart(
        charts.cast_over_time(analysis.crowd(), analysis.duration), key="film_cast",
        alt_text=said + selection.shares_sentence(analysis.shares()),
        choose=lambda: timeline.jump_from_chart("film_cast"),
    )  # fmt: skip
    st.caption("How many faces show what; a click jumps there.")


def shares(analysis: Analysis, shown: Sequence[Person]) -> None:
    """How each face, and all together, divide their time, and when each was seen."""
    st.markdown("##### Share of the time", anchors=False)
    most = sorted(shown, key=lambda person: -person.seen)[:_MOST_BARS]
    everyone = analysis.shares()
    said = [f"Everyone: {selection.shares_sentence(everyone)}"] if len(most) > 1 else []
    said += [f"{person.name}: {selection.shares_sentence(person.shares)}" for person in most]
    table = share_rows([(person.name, person.shares) for person in most], everyone)
    components.chart(charts.people_bars(table), key="film_shares", alt_text="; ".join(said))
    summary = [
        (p.name, clock_tenths(p.first), clock_tenths(p.last), round(p.seen, 1), selection.shares_sentence(p.shares))
        for p in shown
    ]
    columns = ["Face", "First seen", "Last seen", "Seconds", "Expressions"]
    with st.expander("First and last seen", icon=":material/table_rows:"):
        st.dataframe(pd.DataFrame(summary, columns=columns), key="film_table", hide_index=True)


def audience(analysis: Analysis) -> None:
    """What an audience shows together; nothing where so few are seen that it would be about single people."""
    st.markdown("##### Audience", anchors=False)
    least = st.slider(
        "Only moments with at least so many faces", 2, _MOST_AUDIENCE, AUDIENCE, key="film_least",
        help="An audience is more than one or two people: where fewer are seen at once, nothing is shown.",
    )  # fmt: skip
    table = analysis.audience(least)
    if not bool(table["share"].notna().any()):
        st.info(f"There are never {least} faces at once, so there is no audience to show.", icon=":material/groups:")
        return
    components.chart(
        charts.cast_over_time(table, analysis.duration, shares=True), key="film_audience",
        alt_text=f"Shares of the expressions over time, where at least {least} faces are seen at once",
        choose=lambda: timeline.jump_from_chart("film_audience"),
    )  # fmt: skip
