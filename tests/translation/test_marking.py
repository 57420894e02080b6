"""The text of the pages: none is shown without having been looked up in the catalog."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "emotion" / "ui").rglob("*.py")])

TRANSLATORS = {"_", "ngettext", "pgettext", "gettext_noop"}
# Of Streamlit, by the name of the function; their first argument is text.
SHOW_TEXT = {
    *("altair_chart", "audio", "badge", "button", "camera_input", "caption", "checkbox", "dialog", "download_button"),
    *("error", "expander", "feedback", "file_uploader", "form_submit_button", "header", "image", "info", "link_button"),
    *("markdown", "metric", "multiselect", "number_input", "pills", "popover", "progress", "radio"),
    *("segmented_control", "select_slider", "selectbox", "slider", "spinner", "status", "subheader", "success", "tabs"),
    *("text", "text_area", "text_input", "title", "toast", "toggle", "video", "warning", "write"),
    *("CheckboxColumn", "Column", "DatetimeColumn", "ImageColumn", "LineChartColumn", "LinkColumn", "NumberColumn"),
    *("ProgressColumn", "SelectboxColumn", "TextColumn"),
}
TEXT_ARGUMENTS = {"alt", "alt_text", "caption", "help", "label", "placeholder", "show_spinner", "text", "title"}
NAMES = "Emotion Studio|JSON|CSV|GIF|MP4|HTML|PNG|ZIP"
NO_TEXT = re.compile(rf":(material/)?\w+:|:\w+\[|&\w+;|<[^>]*>|`[^`]*`|https?://\S+|{NAMES}")
KEY = re.compile(r"[a-z0-9_.-]*")  # of a widget, or the name of a file


def has_words(text: str) -> bool:
    """Return whether a text has two letters in a row besides icons, tags and names."""
    return re.search(r"[^\W\d_]{2}", NO_TEXT.sub("", text)) is not None


def find_plain_text(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the literals with words in an argument that are not looked up; those within other calls are theirs."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and has_words(node.value):
            yield node
    elif isinstance(node, ast.Subscript):
        yield from find_plain_text(node.value)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):  # "text".format(), "text".join()
            yield from find_plain_text(node.func.value)
    elif isinstance(node, ast.IfExp):
        yield from find_plain_text(node.body)
        yield from find_plain_text(node.orelse)
    else:
        for inner in ast.iter_child_nodes(node):
            yield from find_plain_text(inner)


def find_unmarked(tree: ast.AST) -> Iterator[ast.Constant]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in TRANSLATORS or ast.unparse(call.func).startswith("_log."):
            continue
        arguments = [keyword.value for keyword in call.keywords if keyword.arg in TEXT_ARGUMENTS]
        if name in SHOW_TEXT:
            arguments += call.args[:1]
        for argument in arguments:
            yield from find_plain_text(argument)
        if name not in SHOW_TEXT and name.startswith(("show_", "plot_")):
            for argument in call.args:
                yield from (node for node in find_plain_text(argument) if not KEY.fullmatch(str(node.value)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_shown_text_is_translated(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [f"line {node.lineno}: {node.value!r}" for node in find_unmarked(tree)] == []


@pytest.mark.parametrize(
    "code",
    [
        'st.button("Start")',
        'st.write(f"{n} faces")',
        'st.slider(label, help="The size of a face.")',
        'st.caption("one" if n == 1 else _("many"))',
        'area.markdown("{} faces".format(n))',
        'st.cache_resource(show_spinner="Loading")',
        'show_download("csv", "Table", table, "faces.csv")',
    ],
)
def test_unmarked_text_is_found(code: str) -> None:
    assert list(find_unmarked(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'st.button(_("Start"), key="start")',
        'st.write(_("{n} faces").format(n=n))',
        'st.write(f":material/face: {n}")',
        'st.write(names["first"])',
        'st.download_button("CSV", data)',
        'show_download("csv", _("Table"), table, f"{name}-faces.csv")',
        '_log.warning("the model %s is missing", name)',
        'st.info(_("Run this:") + " `emotion models list`")',
    ],
)
def test_other_literals_are_left(code: str) -> None:
    assert not list(find_unmarked(ast.parse(code)))


def find_hidden(tree: ast.AST) -> list[int]:
    """Return the lines of lookups within f-strings, in which Babel finds no text before Python 3.12."""
    calls = [call for part in ast.walk(tree) if isinstance(part, ast.JoinedStr) for call in ast.walk(part)]
    lookups = [call for call in calls if isinstance(call, ast.Call) and getattr(call.func, "id", "") in TRANSLATORS]
    return [call.lineno for call in lookups if isinstance(call.args[0], ast.Constant)]


def test_no_text_is_looked_up_within_f_strings() -> None:
    hidden = {path: find_hidden(ast.parse(path.read_text("utf-8"))) for path in (ROOT / "emotion").rglob("*.py")}
    assert [path for path, lines in hidden.items() if lines] == []
    assert find_hidden(ast.parse("f\"{_('Faces')}: {n}\"")) == [1]
