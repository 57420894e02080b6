"""The part of the Training form that chooses the network."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from emotion.datasets.label_sets import LABEL_SETS
from emotion.training.classifier.networks.zoo import ArchitectureInfo, list_architectures
from emotion.ui import messages


def choose_architecture() -> ArchitectureInfo:
    """Choose a network; its card is shown below."""
    architectures = {info.name: info for info in list_architectures()}
    name = st.pills(
        "Network",
        list(architectures),
        default=next(iter(architectures)),
        required=True,
        key="train_network",
        wrap=True,
        label_visibility="collapsed",
    )
    architecture = architectures[name or next(iter(architectures))]
    with st.container(border=True):
        st.markdown(f"**{messages.escape_markdown(architecture.title)}**")
        st.markdown(
            f"{messages.escape_markdown(architecture.origin[:1].upper() + architecture.origin[1:])}.  \n"
            f"Reported: {messages.escape_markdown(architecture.reported_accuracy)}.  \n"
            f"{architecture.num_parameters:,} parameters; reads {architecture.input_size} x "
            f"{architecture.input_size} pixels, {messages.escape_markdown(architecture.color_mode)}."
        )
        if architecture.pretrained_note:
            st.caption(messages.escape_markdown(architecture.pretrained_note + "."))
    with st.expander("All networks beside each other", icon=":material/table_rows:"):
        st.dataframe(
            pd.DataFrame(
                {
                    "network": list(architectures),
                    "what it is": [info.title for info in architectures.values()],
                    "reported": [info.reported_accuracy for info in architectures.values()],
                    "parameters": [info.num_parameters for info in architectures.values()],
                    "reads": [f"{info.input_size} x {info.input_size}" for info in architectures.values()],
                    "labels": [LABEL_SETS[info.label_set].title for info in architectures.values()],
                }
            ),
            hide_index=True,
            key="train_networks",
        )
    return architecture
