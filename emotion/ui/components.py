"""Components shared by the pages: annotated image, thumbnails, charts, downloads, and texts for a face."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import streamlit as st
from streamlit.components.v2 import component

from emotion.expressions import get_style, symbol_and_name, text_color, translate_label
from emotion.faces import Face
from emotion.formatting import format_list, format_percent
from emotion.media.image_array import ImageArray, downscale
from emotion.media.image_reader import encode_jpeg
from emotion.recognition.annotation import MAX_FULL_LABELS
from emotion.recognition.features.drawing import find_outline
from emotion.recognition.uncertainty import translate_reason
from emotion.results.photos import PhotoAnalysis
from emotion.results.serialization import count_expressions
from emotion.storage import PROJECT_ROOT
from emotion.translation.messages import gettext as _

if TYPE_CHECKING:  # importing altair takes a third of a second, and the first page has no chart
    import altair as alt


def load_component(name: str) -> Callable[..., Any]:
    """Register the component `name` from its two files in `static`."""
    here = PROJECT_ROOT / "emotion" / "ui" / "static"
    return component(
        f"emotion_{name}",
        html=f'<div class="{name}" role="group"></div>',
        css=(here / f"{name}.css").read_text(encoding="utf-8"),
        js=(here / f"{name}.js").read_text(encoding="utf-8"),
    )


_ANNOTATED_IMAGE: Final = load_component("annotated_image")
_THUMBNAILS: Final = load_component("thumbnails")


class Selection(NamedTuple):
    """What is selected in a component.

    Attributes:
        number: The selected item, counted from 1; 0 for none.
        on_select: Called with an item that a person selects.
        has_arrow_keys: Whether the arrow keys select on the whole page, not only while the component has the focus.
    """

    number: int
    on_select: Callable[[int], None]
    has_arrow_keys: bool = False


def show_annotated_image(
    analysis: PhotoAnalysis,
    faces: Sequence[Face],
    *,
    key: str,
    alt_text: str,
    anonymize: bool,
    selection: Selection | None = None,
) -> None:
    """Show a photo with a box for each face.

    Args:
        analysis: The analyzed photo.
        faces: Its faces with the labels to show.
        key: Key of the component.
        alt_text: Description of the photo.
        anonymize: Whether its faces are pixelated.
        selection: Selected face; without it, a click selects no face, and there is no zoom.
    """
    data = {
        "src": to_data_url(analysis.render_preview(anonymize)),
        "alt": alt_text,
        "width": analysis.width,
        "height": analysis.height,
        # A tuple: for a list Streamlit imports pandas, to check whether it is a table.
        "faces": tuple(_face_to_dict(number, face) for number, face in enumerate(faces, 1)),
        "selected": selection.number if selection else 0,
        "max_labels": MAX_FULL_LABELS,
        "texts": {"in": _("Zoom in"), "out": _("Zoom out"), "fit": _("Whole photo")} if selection else None,
    }
    _ANNOTATED_IMAGE(
        key=key,
        data=data,
        on_selected_change=_make_select_callback(key, len(faces), selection),
        on_zoomed_change=lambda: None,
    )


def is_zoomed(key: str, alt_text: str) -> bool:
    """Return whether a person has zoomed into the annotated image with this key and description."""
    return st.session_state.get(key, {}).get("zoomed") == alt_text


def _face_to_dict(number: int, face: Face) -> dict[str, Any]:
    style, scores = get_style(face.display_label), face.scores or {}
    return {
        "number": number,
        "box": list(face.box.to_int_xyxy()),
        "symbol": style.symbol,
        "title": format_prediction(face),
        "label": _describe_face(number, face),
        "reason": format_uncertainty(face),
        "color": style.color,
        "text_color": text_color(style.name),
        "outline": _outline_to_dict(face),
        "scores": [
            {"name": symbol_and_name(label), "score": p, "text": format_percent(p), "color": get_style(label).color}
            for label, p in sorted(scores.items(), key=lambda item: -item[1])
        ],
    }


def _describe_face(number: int, face: Face) -> str:
    """Return what a screen reader says of a face."""
    title = _("Face {number}: {prediction}").format(number=number, prediction=format_prediction(face))
    return format_list(filter(None, (title, format_uncertainty(face))))


def _outline_to_dict(face: Face) -> dict[str, list[tuple[int, ...]]]:
    """Return the points (x, y) and the lines (x1, y1, x2, y2) of a face in pixels of the photo."""
    outline = find_outline(face.features)
    return {
        "points": [(round(x), round(y)) for x, y in outline.points],
        "lines": [(round(x1), round(y1), round(x2), round(y2)) for (x1, y1), (x2, y2) in outline.lines],
    }


class Thumbnail(NamedTuple):
    """A small RGB uint8 image with its caption, its title for screen readers, and its color or ""."""

    image: ImageArray
    caption: str
    title: str
    color: str = ""


def show_thumbnails(
    thumbnails: Sequence[Thumbnail],
    *,
    key: str,
    label: str,
    side_px: int,
    max_height_px: int,
    selection: Selection,
) -> None:
    """Show thumbnails to select from.

    Args:
        thumbnails: The thumbnails.
        key: Key of the component.
        label: Label for screen readers.
        side_px: Width and height of a thumbnail.
        max_height_px: Height from which on the area scrolls.
        selection: Selected thumbnail.
    """
    data = {
        "thumbnails": [
            {**thumbnail._asdict(), "image": to_data_url(encode_jpeg(downscale(thumbnail.image, 2 * side_px), 85))}
            for thumbnail in thumbnails
        ],
        "label": label,
        "side_px": side_px,
        "max_height_px": max_height_px,
        "selected": selection.number,
        "has_arrow_keys": selection.has_arrow_keys,
    }
    _THUMBNAILS(key=key, data=data, on_selected_change=_make_select_callback(key, len(thumbnails), selection))


def show_chart(
    chart: alt.Chart | alt.LayerChart,
    *,
    key: str,
    alt_text: str,
    on_select: Callable[[], None] | None = None,
    selection: str | None = None,
) -> None:
    """Show a chart of `emotion.charts` over the whole width.

    Args:
        chart: The chart.
        key: Key of the chart.
        alt_text: Description of the chart.
        on_select: Called after a click in the chart, when the session state has the selection under `key`.
        selection: The only selection of the chart that calls it; all of them do for None.
    """
    # Streamlit's chart theme has gray labels with too little contrast.
    st.altair_chart(
        chart,
        key=key,
        theme=None,
        width="stretch",
        alt=alt_text,
        on_select=on_select or "ignore",
        selection_mode=selection,
    )


def download_button(
    label: str, data: Callable[[], bytes | str] | bytes | str | BinaryIO, file_name: str, key: str
) -> None:
    """Show a button that saves a file.

    Args:
        label: Text of the button.
        data: The content, or a function that makes it when the button is clicked. It must not be in a fragment that
            refreshes itself: each run would replace the file that a click has just requested.
        file_name: Suggested name of the file.
        key: Key of the widget.
    """
    data_or_factory: Any = data
    st.download_button(label, data_or_factory, file_name, key=key, on_click="ignore", icon=":material/download:")


def _make_select_callback(key: str, num_items: int, selection: Selection | None) -> Callable[[], None]:
    """Make the callback for a selection in a component; the browser may send any value."""

    def on_change() -> None:
        number = st.session_state[key].get("selected")
        if selection and isinstance(number, (int, float)) and 1 <= number <= num_items:
            selection.on_select(int(number))

    return on_change


def to_data_url(jpeg: bytes) -> str:
    """Encode a JPEG as a data URL, which a component shows without another request."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def format_size(size: tuple[int, int]) -> str:
    """Format a width and height: "640 × 480 pixels"."""
    return _("{width} × {height} pixels").format(width=size[0], height=size[1])


def format_prediction(face: Face) -> str:
    """Format the label of a face: "happy 87%" or "unsure"."""
    if face.uncertainty_reason is not None or face.confidence is None:
        return translate_label(face.display_label)
    return f"{translate_label(face.label or '')} {format_percent(face.confidence)}"


def format_uncertainty(face: Face) -> str:
    """Format why a face is unsure; "" where it is not."""
    if face.uncertainty_reason is None or face.confidence is None:
        return ""
    reason = translate_reason(face.uncertainty_reason)
    return _("{reason}. The best guess is {label} at {confidence}.").format(
        reason=f"{reason[:1].upper()}{reason[1:]}",
        label=translate_label(face.label or ""),
        confidence=format_percent(face.confidence),
    )


def format_counts(faces: Sequence[Face]) -> str:
    """Describe the displayed labels: "9 happy, 3 neutral, 1 unsure", or "no face"."""
    counts = count_expressions(faces)
    return format_list(f"{count} {translate_label(label)}" for label, count in counts.items()) or _("no face")
