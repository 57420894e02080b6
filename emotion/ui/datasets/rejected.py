"""Photos from which no face was taken when a data set was built."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from emotion.datasets.building import rejections
from emotion.datasets.building.rejections import REJECTED_COLUMNS
from emotion.datasets.catalog import DatasetInfo
from emotion.datasets.metadata import read_metadata
from emotion.media.image_reader import read_image
from emotion.recognition.anonymizer import pixelate_all
from emotion.results import tables as results_tables
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages, session
from emotion.ui.datasets import selection

_MAX_REJECTED: Final = 24  # shown at a time; the table has all
_ALL: Final = gettext_noop("All")


def show_rejected(dataset_info: DatasetInfo) -> None:
    """Show which photos were left out and why."""
    num_photos = (read_metadata(dataset_info.path) or {}).get("photos", 0)
    rejected = rejections.read_rejected(dataset_info.path)
    if not rejected:
        st.success(_("No photo was skipped."), icon=":material/check:")
        return
    counts = Counter(photo.reason for photo in rejected)
    st.write(_("{count:,} of {num_photos:,} photos skipped.").format(count=len(rejected), num_photos=num_photos))
    reason = st.pills(
        _("Why"),
        [_ALL, *counts],
        default=_ALL,
        required=True,
        key="data_left_out",
        label_visibility="collapsed",
        format_func=lambda name: f"{_(name)} {counts[name] if name in counts else len(rejected):,}",
    )
    matching = [photo for photo in rejected if reason in (None, _ALL, photo.reason)]
    columns = st.columns(4, gap="medium")
    for i, photo in enumerate(matching[:_MAX_REJECTED]):
        with columns[i % 4], st.container(border=True):
            image = _load_thumbnail(dataset_info.path, photo.thumbnail)
            if image is not None:
                st.image(image, width=180, alt=_("Skipped: {reason}").format(reason=_(photo.reason)))
            st.caption(
                f"**{messages.escape_markdown(_(photo.reason))}** · {messages.escape_markdown(photo.name)}  \n"
                f"{messages.escape_markdown(photo.message)}"
            )
    if len(matching) > _MAX_REJECTED:
        st.caption(
            _("The first {num_shown} of {count:,}; the table has them all.").format(
                num_shown=_MAX_REJECTED, count=len(matching)
            )
        )
    table = pd.DataFrame(rejected, columns=[*REJECTED_COLUMNS])
    selection.show_download(
        _("Table (CSV)"),
        lambda: results_tables.to_csv(table),
        file_name=f"{selection.get_file_stem(dataset_info)}-rejected.csv",
        key="left_out",
    )


def _load_thumbnail(folder: Path, name: str) -> NDArray[np.uint8] | None:
    """Load the thumbnail of a rejected photo; None where there is none."""
    if not rejections.is_thumbnail(folder, name):
        return None
    image = read_image(folder / name)
    return pixelate_all(image) if session.get_settings().anonymize else image
