"""Each page in a made-up language: all text that it shows has been looked up in the catalog."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from google.protobuf.json_format import MessageToDict

from emotion.translation import messages
from tests.generation.making import write_generator
from tests.pages.runs_making import make_run, write_data
from tests.training.sweep.making import make_record
from tests.translation.test_marking import has_words

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("empty_workspace")]

Open = Callable[..., Any]
# Fields with text, of Streamlit's messages, of Vega-Lite, and of the project's components.
TEXT_FIELDS = {
    *("alt", "body", "caption", "formattedOptions", "help", "label", "options", "placeholder", "text", "title"),
    *("reason", "description", "note", "subtitle"),
}
# Text that is the same in all languages: names, units, values of settings, files, and names that the test gives.
NAMES = re.compile(
    r"⟦[^⟦⟧]*⟧|English|繁體中文|Tiếng Việt|\bEmotion Studio\b|\bGlance\b|\bYuNet\b|\bHaar\b|\bFER-?2013\b|\bFER\+"
    r"|\bWIDER FACE\b|\bFDDB\b|\bCFEE\b|\bCK\+|\b\d+ ?(px|ms|s|h|min|fps|MB|GB|kB|M)\b|\b(adamw?|sgd|rmsprop)\b"
    r"|`[^`]*`|/[\w/]+|\b[\w-]+\\?\.(csv|json|npz|mp4|jpg|png|zip|webm|html|parquet)\b|\b(tiny|mine|settings|fake|small|waves)\b"
    r"|\b\d+ thg \d+ \d+\b"
)


@pytest.fixture(scope="session")
def made_up_catalogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog in which each text stands in double brackets, in place of the Vietnamese one."""
    path = Path("vi", "LC_MESSAGES", "emotion.po")
    with (messages.CATALOGS / path).open("rb") as file:
        source = read_po(file, "vi")
    catalog = Catalog("vi")
    for message in source:
        if message.id:
            forms = message.id if isinstance(message.id, tuple) else (message.id,)
            string = f"⟦{forms[-1]}⟧"
            catalog.add(message.id, (string,) if len(forms) > 1 else string, context=message.context)
    folder = tmp_path_factory.mktemp("locale")
    (folder / path).parent.mkdir(parents=True)
    with (folder / path).open("wb") as file:
        write_po(file, catalog)
    return folder


@pytest.fixture
def made_up_language(made_up_catalogs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app in the made-up language; all tests share its catalog, so that it is parsed once."""
    monkeypatch.setattr(messages, "CATALOGS", made_up_catalogs)
    monkeypatch.setattr(messages, "get_language", lambda: "vi")  # also in the test's own thread, which has no session


def find_texts(value: Any, name: str = "") -> Iterator[str]:
    """Yield the text in a message, also in the JSON that it holds."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from find_texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from find_texts(inner, name)
    elif isinstance(value, str):
        if name in ("json", "spec"):
            yield from find_texts(json.loads(value))
        elif name in TEXT_FIELDS:
            yield value


def find_untranslated(app: Any) -> list[str]:
    found = [
        text
        for block in (app.main, app.sidebar)
        for element in block
        for text in find_texts(MessageToDict(element.proto) if getattr(element, "proto", None) is not None else {})
    ]
    return sorted({text for text in found if has_words(remove_names(text))})


def remove_names(text: str) -> str:
    """Remove what was looked up, innermost first, and names."""
    while (shorter := NAMES.sub("", text)) != text:
        text = shorter
    return text


def open_photo(open_page: Open, _: Path) -> Any:
    page = open_page("photo")
    page.app.button(key="photo_sample").click().run()
    return page


def open_synthetic_faces(open_page: Open, workspace: Path) -> Any:
    write_generator(workspace / "models" / "waves")
    return open_page("synthetic_faces")


def open_data(open_page: Open, workspace: Path) -> Any:
    write_data(workspace / "data" / "small.npz")
    page = open_page("data")
    page.app.button(key="data_look_small").click().run()
    return page


def open_training(open_page: Open, workspace: Path) -> Any:
    write_data(workspace / "data" / "small.npz")
    return open_page("train")


def open_run(open_page: Open, workspace: Path) -> Any:
    run = make_run(workspace / "runs" / "mine", data=write_data(workspace / "data" / "small.npz"), job="done")
    return open_page("runs", state={"selected_runs": [str(run)]})


def open_sweep(open_page: Open, workspace: Path) -> Any:
    sweep = workspace / "runs" / "settings"
    sweep.mkdir(parents=True)
    make_record().write(sweep)
    return open_page("runs", state={"runs_or_sweeps": "Sweeps"})


PAGES = ("home", "webcam", "photo", "video", "collection", "synthetic_faces", "model_card", "data", "train", "runs")
FILLED = (open_photo, open_synthetic_faces, open_data, open_training, open_run, open_sweep)


@pytest.mark.parametrize("name", PAGES)
def test_page_without_data_is_translated(made_up_language: None, open_page: Open, name: str) -> None:
    page = open_page(name)
    assert not page.app.exception
    assert page.app.title[0].value.startswith("⟦") or name == "home"
    assert find_untranslated(page.app) == []


@pytest.mark.parametrize("fill", FILLED)
def test_page_with_data_is_translated(
    made_up_language: None,
    open_page: Open,
    empty_workspace: Path,
    fill: Callable[[Open, Path], Any],
) -> None:
    page = fill(open_page, empty_workspace)
    assert not page.app.exception
    assert find_untranslated(page.app) == []


def test_video_is_translated(made_up_language: None, party: Path, add: Callable[[Path], str], open_page: Open) -> None:
    page = open_page("video", video=add(party))
    assert not page.app.exception
    assert find_untranslated(page.app) == []
