"""The part of the Training form that chooses the network."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from emotion.datasets.label_sets import LABEL_SETS
from emotion.training.classifier.networks.zoo import ArchitectureInfo, list_architectures
from emotion.translation.messages import gettext as _
from emotion.ui import messages


def choose_architecture() -> ArchitectureInfo:
    """Choose a network; its card is shown below."""
    architectures = {info.name: info for info in list_architectures()}
    name = st.pills(
        _("Network"),
        list(architectures),
        default=next(iter(architectures)),
        required=True,
        key="train_network",
        wrap=True,
        label_visibility="collapsed",
    )
    architecture = architectures[name or next(iter(architectures))]
    with st.container(border=True):
        st.markdown(f"**{messages.escape_markdown(_(architecture.title))}**")
        st.markdown(
            _(
                "{origin}.  \nReported: {reported_accuracy}.  \n{num_parameters:,} parameters; reads "
                "{input_size} x {input_size} pixels, {color_mode}."
            ).format(
                origin=messages.escape_markdown(_(architecture.origin)),
                reported_accuracy=messages.escape_markdown(_(architecture.reported_accuracy)),
                num_parameters=architecture.num_parameters,
                input_size=architecture.input_size,
                color_mode=messages.escape_markdown(_(architecture.color_mode)),
            )
        )
        if architecture.pretrained_note:
            st.caption(messages.escape_markdown(_(architecture.pretrained_note)))
    _show_table(architectures)
    return architecture


def _show_table(architectures: dict[str, ArchitectureInfo]) -> None:
    with st.expander(_("All networks beside each other"), icon=":material/table_rows:"):
        st.dataframe(
            pd.DataFrame(
                {
                    "network": list(architectures),
                    "what it is": [_(info.title) for info in architectures.values()],
                    "reported": [_(info.reported_accuracy) for info in architectures.values()],
                    "parameters": [info.num_parameters for info in architectures.values()],
                    "reads": [f"{info.input_size} x {info.input_size}" for info in architectures.values()],
                    "labels": [_(LABEL_SETS[info.label_set].title) for info in architectures.values()],
                }
            ),
            hide_index=True,
            key="train_networks",
            column_config={
                "network": _("network"),
                "what it is": _("what it is"),
                "reported": _("reported"),
                "parameters": _("parameters"),
                "reads": _("reads"),
                "labels": _("labels"),
            },
        )
