"""What a classifier is, what it is for, what it learned from, and what its figures do not say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import streamlit as st

from emotion.expressions import translate_label
from emotion.formatting import format_list
from emotion.model_store.store import ModelBundle
from emotion.training.classifier.networks.zoo import list_architectures
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop
from emotion.ui import messages, models

_SPLITS: Final = {
    "train": gettext_noop("Training"),
    "validation": gettext_noop("Validation"),
    "test": gettext_noop("Test"),
}


def format_source(name: Any) -> str:
    """Format the usual name of the data set of a card."""
    return "FER-2013" if Path(str(name)).stem == "fer2013" else messages.escape_markdown(str(name))


def show_details(bundle: ModelBundle) -> None:
    """Show architecture, input, output, format and calibration of the classifier."""
    st.header(_("Model details"), anchor=False)
    rows = "\n".join(f"| {title} | {text} |" for title, text in list_details(bundle).items())
    if size := _describe_size(bundle):
        st.caption(size)
    header = "| {} | {} |".format(_("property"), _("value"))
    st.markdown(f"{header}\n|---|---|\n{rows}")


def list_details(bundle: ModelBundle) -> dict[str, str]:
    """Return the properties of a classifier as Markdown, in the language of the page."""
    card = bundle.classifier_card
    network = str(bundle.card_fields.get("network") or _("unknown"))
    if card.num_parameters:
        network = _("{network}, {count:,} parameters").format(network=network, count=card.num_parameters)
    outputs = {
        models.describe_head(bundle, name): format_list(map(translate_label, head.labels))
        for name, head in bundle.heads.items()
    }
    if len(outputs) == 1:  # the name of a single head says nothing
        outputs = {_("Output"): text for text in outputs.values()}
    details = {
        _("Architecture"): messages.escape_markdown(network),
        _("Input"): _("one face, {size} × {size} gray pixels, 0 to 255").format(size=card.input.size),
        **{messages.escape_markdown(title): messages.escape_markdown(text) for title, text in outputs.items()},
        _("Format"): _("ONNX, {kind}, {size:.1f} MB").format(
            kind=_("8-bit integers") if card.quantization == "int8" else _("floats"),
            size=bundle.onnx_path.stat().st_size / 1e6,
        ),
        _("Calibration"): _("one temperature per output"),
        _("Created"): str(bundle.card_fields.get("created") or "")[:10],
    }
    return {title: text for title, text in details.items() if text}


def show_intended_use() -> None:
    """Show what the classifier is for, and what it is not for."""
    st.header(_("Intended use"), anchor=False)
    st.markdown(
        _(
            "Statistics and search in one's own photos and videos, teaching, and research on such classifiers, with a "
            "person who checks the result."
        )
    )
    st.markdown(
        _("Do not use it for decisions about a person, such as hiring, grading, policing, insurance or diagnosis.")
    )


def show_data(bundle: ModelBundle, report: Mapping[str, Any]) -> None:
    """Show what the classifier learned from, and the sizes of the splits."""
    st.header(_("Data"), anchor=False)
    st.markdown("\n".join(f"- {fact}" for fact in [*_list_training_facts(bundle), *list_splits(bundle, report)]))


def list_splits(bundle: ModelBundle, report: Mapping[str, Any]) -> list[str]:
    """Return the number of faces of each split, and how many of them are also training faces, as sentences."""
    data = bundle.card.data
    sizes = {split: report.get(split, {}).get("n") for split in ("validation", "test")}
    if not isinstance(data.get("rows"), int) or not all(isinstance(size, int) for size in sizes.values()):
        return []
    sizes = {"train": data["rows"] - sum(sizes.values()), **sizes}
    parts = [
        _("{split}: {count:,} faces").format(split=_(_SPLITS[split]), count=count) for split, count in sizes.items()
    ]
    sentences = [_("{facts}.").format(facts=format_list(parts))]
    duplicates = data.get("duplicates")
    if isinstance(duplicates, Mapping) and {"validation_rows_in_train", "test_rows_in_train"} <= {*duplicates}:
        text = _("{validation:,} validation and {test:,} test faces have the pixels of a training face.")
        sentences.append(
            text.format(validation=duplicates["validation_rows_in_train"], test=duplicates["test_rows_in_train"])
        )
    return sentences


def show_limitations(bundle: ModelBundle) -> None:
    """Show what the figures of the classifier do not say."""
    st.header(_("Limits"), anchor=False)
    limitations = [
        _(
            "**Groups of people.** The data have no age, sex or skin color, so accuracy by group cannot be measured; "
            "expect worse predictions for people who are rare in them."
        ),
        _("**Feelings.** Labels are what others saw in a single image, not what a person felt."),
        _("**Other poses.** Turned, covered, dark and small faces get worse predictions than frontal ones."),
    ]
    if "ferplus" in bundle.heads:
        limitations.append(
            _("**Rare expressions.** Disgust, fear and contempt are one to three of a hundred training faces.")
        )
    st.markdown("\n".join(f"- {limitation}" for limitation in limitations))


def _list_training_facts(bundle: ModelBundle) -> list[str]:
    card, facts = bundle.classifier_card, list[str]()
    data = card.data
    if isinstance(data.get("rows"), int):
        source = format_source(data.get("source", ""))
        text = _("{count:,} faces ({source}); test faces were not used in training.")
        facts.append(text.format(count=data["rows"], source=source))
    if "ferplus" in bundle.heads:
        facts.append(_("Small gray faces from a web search (FER-2013), labeled again by ten people each (FER+)."))
    if "expression" in bundle.heads:
        facts.append(_("The displayed head learns both labels, since voters often call an angry face neutral."))
    if card.teachers:
        facts.append(_("Distilled from {count} other networks.").format(count=len(card.teachers)))
    return facts


def _describe_size(bundle: ModelBundle) -> str:
    """Return the size and the initialization of a classifier as a sentence, "" where its parameters are unknown."""
    card = bundle.classifier_card
    if not card.num_parameters:
        return ""
    properties = [
        _("{count:.1f} M parameters").format(count=card.num_parameters / 1e6),
        "int8" if card.quantization == "int8" else "",
        f"{bundle.onnx_path.stat().st_size / 1e6:.1f} MB",
        _format_initialization(bundle.card_fields),
    ]
    return _("{facts}.").format(facts=format_list(filter(None, properties)))


def _format_initialization(card: Mapping[str, Any]) -> str:
    """Format the initialization of its training; "" where that is not known."""
    weights = card.get("weights")
    if weights is None:  # not recorded; networks without pretrained weights can only start at random
        is_random = any(
            info.name == card.get("network") and info.pretrained_note is None for info in list_architectures()
        )
        weights = "random" if is_random else ""
    if weights == "random":
        return _("trained from scratch")
    return _("fine-tuned from ImageNet weights") if weights else ""
