"""The people of a film on its page: names, hiding and merging, and what they show one by one and together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import UNCERTAIN, get_style, symbol_and_name
from emotion.formatting import format_clock, format_clock_tenths, format_percent
from emotion.ui import components, messages
from emotion.ui.video import frames, selection, timeline
from emotion.video.analysis import MIN_GROUP_FACES, VideoAnalysis
from emotion.video.people import Person
from emotion.video.tables import build_share_table

_PEOPLE_PER_PAGE: Final = 4  # on one page of the list
_MAX_BARS: Final = 12  # faces in the chart of shares; the table has them all
_MAX_GROUP_SIZE: Final = 20
_BRIEF_SECONDS: Final = 0.5  # seconds: who is seen for less is often no face at all

state = st.session_state


# ------------------------------------------------------------------ who is in it


def select_visible(people: Sequence[Person]) -> list[Person]:
    """Those who are to be shown: nobody who was hidden, and who was there for a moment only if that is wanted."""
    shown = [person for person in people if not person.is_hidden]
    longer = [person for person in shown if person.duration >= _BRIEF_SECONDS]
    brief = len(shown) - len(longer)
    if not longer or not brief:
        return shown
    wanted = st.toggle(
        f"Show {brief} {'face' if brief == 1 else 'faces'} seen only briefly",
        key="video_brief",
        help="For less than half a second: often these are no faces. Tables and files have them in any case.",
    )
    return shown if wanted else longer


def show_people(
    analysis: VideoAnalysis, people: Sequence[Person], visible_people: Sequence[Person], anonymize: bool
) -> None:
    """Who is in the film: picture, name, share of expressions, and what can be done with them."""
    pages = max(1, -(-len(visible_people) // _PEOPLE_PER_PAGE))
    page = state["video_people"] = min(state.get("video_people", 1), pages)  # some may just have been hidden or merged
    if pages > 1:
        page = st.pagination(pages, key="video_people")
    on_page = visible_people[(page - 1) * _PEOPLE_PER_PAGE : page * _PEOPLE_PER_PAGE]
    together = analysis.find_cooccurring_tracks(person.track_id for person in on_page)
    for person in on_page:
        others = [
            other for other in visible_people if other.track_id not in (person.track_id, *together[person.track_id])
        ]
        _show_person(analysis, person, others, anonymize)
    away = [person for person in people if person.is_hidden]
    if away:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption("Hidden:", width="content")
            for person in away:
                st.button(
                    f"Show {messages.escape_markdown(person.name)}",
                    key=f"video_unhide_{analysis.folder.name}_{person.track_id}",
                    on_click=_make_edit_callback(analysis.hide, person.track_id, False),
                )


def _show_person(analysis: VideoAnalysis, person: Person, others: Sequence[Person], anonymize: bool) -> None:
    key = f"{analysis.folder.name}_{person.track_id}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        picture = frames.get_face_thumbnail(person.thumbnail, anonymize)
        if picture:
            st.image(picture, width=64, alt=person.name)
        with st.container(gap="xsmall", width="stretch"):
            name = f"video_name_{key}"
            state[name] = person.name if person.has_custom_name else ""  # a merge may have brought it
            st.text_input(
                f"Name of {person.name}",
                key=name,
                placeholder=f"{person.name}, a name?",
                max_chars=60,
                label_visibility="collapsed",
                on_change=lambda: _make_edit_callback(analysis.rename, person.track_id, state[name])(),
            )
            st.image(
                make_share_bar(person.expression_shares),
                width="stretch",
                alt=selection.format_shares(person.expression_shares),
            )
            words = [
                f"{symbol_and_name(word)} {format_percent(share)}"
                for word, share in [*person.expression_shares.items()][:3]
            ]
            st.caption(messages.escape_markdown(" · ".join(words)))
        with st.popover("", icon=":material/more_vert:", help="Hide or merge this face", width="content"):
            _show_menu(analysis, person, others, key)


def _show_menu(analysis: VideoAnalysis, person: Person, others: Sequence[Person], key: str) -> None:
    """Hide this face, or merge it with one of `others`: those that are never seen in the same frame."""
    st.button(
        "Hide this face",
        icon=":material/visibility_off:",
        key=f"video_hide_{key}",
        help="Leaves it out of timeline, charts and all files; out of the video when that is drawn again.",
        on_click=_make_edit_callback(analysis.hide, person.track_id),
    )
    names = {other.track_id: other.name for other in others}
    if names:
        st.selectbox(
            "Is the same person as",
            list(names),
            index=None,
            key=f"video_merge_{key}",
            placeholder="Choose a face",
            format_func=lambda track: str(names.get(track, track)),
            help="Faces that are seen in the same frame are different people and are not offered.",
            on_change=lambda: _make_edit_callback(analysis.merge, person.track_id, state[f"video_merge_{key}"])(),
        )
    if person.merged_track_ids:
        st.button(
            "Take apart again",
            icon=":material/call_split:",
            key=f"video_split_{key}",
            on_click=_make_edit_callback(analysis.unmerge, person.track_id),
        )


def _make_edit_callback(edit: Callable[..., None], *args: Any) -> Callable[[], None]:
    """A change of the cast for a widget to call; what is wrong with it is said above the page."""

    def run() -> None:
        with messages.error_box("this change"):
            edit(*args)

    return run


def make_share_bar(shares: Mapping[str, float]) -> str:
    """A bar divided by expression as SVG text; unsure is striped."""
    parts, start = [], 0.0
    for word, share in shares.items():
        colour = "url(#unsure)" if word == UNCERTAIN.name else get_style(word).color
        parts.append(f'<rect x="{100 * start:.2f}" width="{100 * share:.2f}" height="4" fill="{colour}"/>')
        start += share
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 4" width="600" height="24"><defs>'
        '<pattern id="unsure" width="1.6" height="1.6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="1.6" height="1.6" fill="#D5D5D5"/><rect width="0.8" height="1.6" fill="{UNCERTAIN.color}"/>'
        '</pattern><clipPath id="round"><rect width="100" height="4" rx="1"/></clipPath></defs>'
        f'<g clip-path="url(#round)">{"".join(parts)}</g></svg>'
    )


# ------------------------------------------------------------------ what they show


def show_face_counts(analysis: VideoAnalysis) -> None:
    """How many faces show what, over the time of the film."""
    st.markdown("##### The whole cast", anchors=False)
    said = f"How many faces show what, over {format_clock(analysis.duration)}. Altogether: "
    components.show_chart(
        charts.plot_expressions_over_time(analysis.face_counts(), analysis.duration),
        key="video_cast",
        alt_text=said + selection.format_shares(analysis.expression_shares()),
        on_select=lambda: timeline.seek_from_chart("video_cast"),
    )
    st.caption("How many faces show what; a click jumps there.")


def show_shares(analysis: VideoAnalysis, visible_people: Sequence[Person]) -> None:
    """How each face, and all together, divide their time, and when each was seen."""
    st.markdown("##### Share of the time", anchors=False)
    most = sorted(visible_people, key=lambda person: -person.duration)[:_MAX_BARS]
    everyone = analysis.expression_shares()
    said = [f"Everyone: {selection.format_shares(everyone)}"] if len(most) > 1 else []
    said += [f"{person.name}: {selection.format_shares(person.expression_shares)}" for person in most]
    table = build_share_table([(person.name, person.expression_shares) for person in most], everyone)
    components.show_chart(charts.plot_people_shares(table), key="video_shares", alt_text="; ".join(said))
    summary = [
        (
            p.name,
            format_clock_tenths(p.first_seen),
            format_clock_tenths(p.last_seen),
            round(p.duration, 1),
            selection.format_shares(p.expression_shares),
        )
        for p in visible_people
    ]
    columns = ["Face", "First seen", "Last seen", "Seconds", "Expressions"]
    with st.expander("First and last seen", icon=":material/table_rows:"):
        st.dataframe(pd.DataFrame(summary, columns=columns), key="video_table", hide_index=True)


def show_group_shares(analysis: VideoAnalysis) -> None:
    """What an audience shows together; nothing where so few are seen that it would be about single people."""
    st.markdown("##### Audience", anchors=False)
    min_faces = st.slider(
        "Only moments with at least so many faces",
        2,
        _MAX_GROUP_SIZE,
        MIN_GROUP_FACES,
        key="video_min_faces",
        help="An audience is more than one or two people: where fewer are seen at once, nothing is shown.",
    )
    table = analysis.group_shares(min_faces)
    if not bool(table["share"].notna().any()):
        st.info(
            f"There are never {min_faces} faces at once, so there is no audience to show.", icon=":material/groups:"
        )
        return
    components.show_chart(
        charts.plot_expressions_over_time(table, analysis.duration, as_percent=True),
        key="video_audience",
        alt_text=f"Shares of the expressions over time, where at least {min_faces} faces are seen at once",
        on_select=lambda: timeline.seek_from_chart("video_audience"),
    )
