"""The people of a video: names, hiding and merging, and charts of their expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from emotion import charts
from emotion.expressions import UNCERTAIN, get_style, symbol_and_name
from emotion.formatting import format_clock, format_clock_tenths, format_pair, format_percent
from emotion.translation.messages import gettext as _
from emotion.translation.messages import ngettext
from emotion.ui import components, messages, streamlit_workarounds
from emotion.ui.video import frames, selection
from emotion.ui.video.charts import timeline
from emotion.video.analysis import MIN_GROUP_FACES, VideoAnalysis
from emotion.video.people import Person
from emotion.video.tables import build_share_table

_PEOPLE_PER_PAGE: Final = 4
_MAX_BARS: Final = 12  # people in the chart of shares; the table has all
_MAX_GROUP_SIZE: Final = 20
_BRIEF_SECONDS: Final = 0.5  # tracks that are shorter are often not faces

state = st.session_state


# ------------------------------------------------------------------ list


def select_visible(people: Sequence[Person]) -> list[Person]:
    """Return the people to show: without hidden ones and, unless chosen, without those seen only briefly."""
    not_hidden = [person for person in people if not person.is_hidden]
    longer = [person for person in not_hidden if person.duration >= _BRIEF_SECONDS]
    num_brief = len(not_hidden) - len(longer)
    if not longer or not num_brief:
        return not_hidden
    include_brief = st.toggle(
        ngettext("Show {count} face seen only briefly", "Show {count} faces seen only briefly", num_brief).format(
            count=num_brief
        ),
        key="video_brief",
        help=_("Seen for less than half a second: often not a face. Downloads contain them in any case."),
    )
    return not_hidden if include_brief else longer


def show_people(
    analysis: VideoAnalysis, people: Sequence[Person], visible_people: Sequence[Person], anonymize: bool
) -> None:
    """Show the people with image, name, shares of expressions and a menu.

    Args:
        analysis: The video.
        people: All people, of which the hidden ones can be shown again.
        visible_people: The people to list.
        anonymize: Whether images are pixelated.
    """
    num_pages = max(1, -(-len(visible_people) // _PEOPLE_PER_PAGE))
    page = state["video_people"] = min(state.get("video_people", 1), num_pages)  # hiding and merging shorten it
    if num_pages > 1:
        page = st.pagination(num_pages, key="video_people")
    on_page = visible_people[(page - 1) * _PEOPLE_PER_PAGE : page * _PEOPLE_PER_PAGE]
    cooccurring = analysis.find_cooccurring_tracks(person.track_id for person in on_page)
    for person in on_page:
        others = [
            other for other in visible_people if other.track_id not in (person.track_id, *cooccurring[person.track_id])
        ]
        _show_person(analysis, person, others, anonymize)
    hidden = [person for person in people if person.is_hidden]
    if hidden:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(_("Hidden:"), width="content")
            for person in hidden:
                st.button(
                    _("Show {name}").format(name=messages.escape_markdown(person.name)),
                    key=f"video_unhide_{analysis.folder.name}_{person.track_id}",
                    on_click=_make_edit_callback(analysis.hide, person.track_id, False),
                )


def _show_person(analysis: VideoAnalysis, person: Person, others: Sequence[Person], anonymize: bool) -> None:
    key = f"{analysis.folder.name}_{person.track_id}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        jpeg = frames.get_face_thumbnail(person.thumbnail, anonymize)
        if jpeg:
            st.image(jpeg, width=64, alt=person.name)
        with st.container(gap="xsmall", width="stretch"):
            name_key = f"video_name_{key}"
            name = person.name if person.has_custom_name else ""
            # A merge can change it; set in each run, it could replace what is being typed.
            if name_key not in state or state.get(f"{name_key}_stored") != name:
                state[name_key] = state[f"{name_key}_stored"] = name
            st.text_input(
                _("Name of {name}").format(name=person.name),
                key=name_key,
                placeholder=_("Name this person"),
                max_chars=60,
                label_visibility="collapsed",
                on_change=lambda: _make_edit_callback(analysis.rename, person.track_id, state[name_key])(),
            )
            st.image(
                make_share_bar(person.expression_shares),
                width="stretch",
                alt=selection.format_shares(person.expression_shares),
            )
            shares = [
                f"{symbol_and_name(label)} {format_percent(share)}"
                for label, share in [*person.expression_shares.items()][:3]
            ]
            st.caption(messages.escape_markdown(" · ".join(shares)))
        menu = st.popover(
            _("Hide or merge"),
            icon=":material/more_vert:",
            help=_("Hide or merge"),
            width="content",
            key=f"video_menu_{key}{streamlit_workarounds.ICON_ONLY}",
        )
        with menu:
            _show_menu(analysis, person, others, key)


def _show_menu(analysis: VideoAnalysis, person: Person, others: Sequence[Person], key: str) -> None:
    """Show the actions on a person; it can be merged with `others`, who are never in the same frame."""
    st.button(
        _("Hide this face"),
        icon=":material/visibility_off:",
        key=f"video_hide_{key}",
        help=_("Removes the face from the timeline, charts and downloads; from the video when it is redrawn."),
        on_click=_make_edit_callback(analysis.hide, person.track_id),
    )
    names = {other.track_id: other.name for other in others}
    if names:
        st.selectbox(
            _("Merge with"),
            list(names),
            index=None,
            key=f"video_merge_{key}",
            placeholder=_("Choose a face"),
            format_func=lambda track_id: str(names.get(track_id, track_id)),
            help=_("Faces that appear in the same frame are different people and are not listed."),
            on_change=lambda: _make_edit_callback(analysis.merge, person.track_id, state[f"video_merge_{key}"])(),
        )
    if person.merged_track_ids:
        st.button(
            _("Undo merge"),
            icon=":material/call_split:",
            key=f"video_split_{key}",
            on_click=_make_edit_callback(analysis.unmerge, person.track_id),
        )


def _make_edit_callback(edit: Callable[..., None], *args: Any) -> Callable[[], None]:
    """Make a callback that edits the people; its error is shown at the top of the page."""

    def on_edit() -> None:
        with messages.error_box(_("this change")):
            edit(*args)

    return on_edit


def make_share_bar(shares: Mapping[str, float]) -> str:
    """Draw shares of expressions as a bar in SVG; unsure is striped."""
    parts, start = [], 0.0
    for label, share in shares.items():
        color = "url(#unsure)" if label == UNCERTAIN.name else get_style(label).color
        parts.append(f'<rect x="{100 * start:.2f}" width="{100 * share:.2f}" height="4" fill="{color}"/>')
        start += share
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 4" width="600" height="24"><defs>'
        '<pattern id="unsure" width="1.6" height="1.6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="1.6" height="1.6" fill="#D5D5D5"/><rect width="0.8" height="1.6" fill="{UNCERTAIN.color}"/>'
        '</pattern><clipPath id="round"><rect width="100" height="4" rx="1"/></clipPath></defs>'
        f'<g clip-path="url(#round)">{"".join(parts)}</g></svg>'
    )


# ------------------------------------------------------------------ charts


def show_face_counts(analysis: VideoAnalysis) -> None:
    """Show how many faces show each expression over time."""
    st.markdown("### " + _("Everyone over time"), anchors=False)
    alt_text = _("How many faces show what, over {duration}. Altogether: {shares}").format(
        duration=format_clock(analysis.duration), shares=selection.format_shares(analysis.expression_shares())
    )
    components.show_chart(
        charts.plot_expressions_over_time(analysis.face_counts(), analysis.duration),
        key="video_cast",
        alt_text=alt_text,
        on_select=lambda: timeline.seek_from_chart("video_cast"),
    )
    st.caption(_("Faces per expression; click to seek."))


def show_shares(analysis: VideoAnalysis, visible_people: Sequence[Person]) -> None:
    """Show the shares of expressions of each person and of all, and when each was seen."""
    st.markdown("### " + _("Share of the time"), anchors=False)
    longest = sorted(visible_people, key=lambda person: -person.duration)[:_MAX_BARS]
    all_shares = analysis.expression_shares()
    descriptions = (
        [_("Everyone: {shares}").format(shares=selection.format_shares(all_shares))] if len(longest) > 1 else []
    )
    descriptions += [format_pair(person.name, selection.format_shares(person.expression_shares)) for person in longest]
    table = build_share_table([(person.name, person.expression_shares) for person in longest], all_shares)
    components.show_chart(charts.plot_people_shares(table), key="video_shares", alt_text="; ".join(descriptions))
    rows = [
        (
            person.name,
            format_clock_tenths(person.first_seen),
            format_clock_tenths(person.last_seen),
            round(person.duration, 1),
            selection.format_shares(person.expression_shares),
        )
        for person in visible_people
    ]
    columns = [_("Face"), _("First seen"), _("Last seen"), _("Seconds"), _("Expressions")]
    with st.expander(_("First and last seen"), icon=":material/table_rows:"):
        st.dataframe(pd.DataFrame(rows, columns=columns), key="video_table", hide_index=True)


def show_group_shares(analysis: VideoAnalysis) -> None:
    """Show the expressions of an audience over time; nothing with so few faces that single people would be shown."""
    st.markdown("### " + _("Audience"), anchors=False)
    min_faces = st.slider(
        _("Minimum faces in frame"),
        2,
        _MAX_GROUP_SIZE,
        MIN_GROUP_FACES,
        key="video_min_faces",
        help=_("Moments with fewer faces are not shown."),
    )
    table = analysis.group_shares(min_faces)
    if not bool(table["share"].notna().any()):
        st.info(
            _("There are never {count} faces at once, so there is no audience to show.").format(count=min_faces),
            icon=":material/groups:",
        )
        return
    components.show_chart(
        charts.plot_expressions_over_time(table, analysis.duration, as_percent=True),
        key="video_audience",
        alt_text=_("Shares of the expressions over time, where at least {count} faces are seen at once").format(
            count=min_faces
        ),
        on_select=lambda: timeline.seek_from_chart("video_audience"),
    )
