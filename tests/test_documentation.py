"""The README and the documentation: examples run, commands and options exist, links and figures are right."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import pytest
import yaml

import emotion
from emotion.cli.main import cli
from emotion.cli.main import main as run_command
from emotion.media.image_reader import read_image
from emotion.media.video_writer import VideoWriter

ROOT: Final = Path(__file__).resolve().parents[1]
README: Final = ROOT / "README.md"
PAGES: Final = (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
MAX_README_LINES: Final = 170
FENCE: Final = re.compile(
    r"(?P<note><!--[^>]*-->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
# They need no more than the sample photo and a short video; of all others only the options are checked.
RUNNABLE_COMMANDS: Final = (
    "analyze ",
    "classifier list",
    "dataset list",
    "generator sample",
    "models list",
    "runs",
)
# They do not belong to the repository but to the workspace or to a result.
NO_PATHS: Final = ("emotion/_",)


class Example(NamedTuple):
    """A code block: the page and the line on which it starts, its language, its text and the reason not to run it."""

    page: str
    line: int
    language: str
    text: str
    skip_reason: str


def iter_examples() -> Iterator[Example]:
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(content):
            note = re.search(r"not run: (.*?) *-->", match["note"] or "")
            line = content.count("\n", 0, match.start("language")) + 1
            yield Example(page.name, line, match["language"], match["text"], note[1] if note else "")


PYTHON_EXAMPLES: Final = [example for example in iter_examples() if example.language == "python"]
COMMANDS: Final = [
    pytest.param(line.removeprefix("$ "), id=f"{example.page}:{example.line + i}")
    for example in iter_examples()
    if example.language == "console"
    for i, line in enumerate(example.text.splitlines(), 1)
]
# The README in a fast run, all pages in a slow one.
RUN_COMMANDS: Final = [
    pytest.param(*command.values, id=command.id, marks=() if str(command.id).startswith("README") else pytest.mark.slow)
    for command in COMMANDS
]


@pytest.fixture(scope="session")
def example_files(tmp_path_factory: pytest.TempPathFactory, sample_file: Path) -> Path:
    """The folder with the files that the examples read: two photos and a video of a second."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("group.jpg", "party.jpg"):
        shutil.copy(sample_file, folder / name)
    image = read_image(sample_file)[:360, :480]
    with VideoWriter(folder / "interview.mp4", 480, 360) as video:
        for index in range(10):
            video.write(image, index / 10)
    return folder


@pytest.fixture
def example_folder(tmp_path: Path, example_files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of `example_files` as the current folder."""
    folder = shutil.copytree(example_files, tmp_path / "examples")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("example", PYTHON_EXAMPLES, ids=lambda example: f"{example.page}:{example.line}")
def test_python_examples_run(example: Example, example_folder: Path) -> None:
    if example.skip_reason:
        pytest.skip(example.skip_reason)
    exec(compile(example.text, f"{example.page}:{example.line}", "exec"), {"__name__": "example"})


def find_command(words: list[str]) -> tuple[click.Context, click.Command, list[str]]:
    """The command that words name, its context, and the words after its name."""
    context, command = click.Context(cli, info_name="emotion"), cli
    while isinstance(command, click.Group):
        name = words[0]
        assert name in command.commands, f"{context.command_path} has no command {name}"
        command, words = command.commands[name], words[1:]
        context = click.Context(command, parent=context, info_name=name)
    return context, command, words


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_their_options_exist(line: str) -> None:
    program, *words = shlex.split(line, comments=True)
    assert program == "emotion"
    context, command, arguments = find_command(words)
    values, _, _ = command.make_parser(context).parse_args(list(arguments))
    missing = [
        parameter.opts[-1]
        for parameter in command.params
        if parameter.required and values.get(parameter.name or "") in (None, ())
    ]
    assert not missing


@pytest.mark.parametrize("line", RUN_COMMANDS)
def test_commands_run(line: str, example_folder: Path) -> None:
    _, *words = shlex.split(line, comments=True)
    if not " ".join(words).startswith(RUNNABLE_COMMANDS) or "--add-to-dataset" in words:
        pytest.skip("needs a data set, a run or minutes")
    assert run_command(words) == 0


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


def test_the_first_two_commands_of_the_readme_are_make_app_and_make_test() -> None:
    block = next(example for example in iter_examples() if example.page == "README.md")
    assert [line.split("#")[0].strip() for line in block.text.splitlines()] == ["make app", "make test"]


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and MkDocs make them of its headings."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\((?!https?:|<)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.is_file() or (anchor and page != ROOT / "CHANGELOG.md" and anchor not in headings(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = re.findall(r"`((?:emotion|pages|tests|models|docs)/[\w/*.-]*)`", text)
    names += [
        name for command in re.findall(r"`[^`\n]*pytest ([^`\n]*)`", text) for name in command.split() if "/" in name
    ]
    missing = [name for name in names if not name.startswith(NO_PATHS) and not any(ROOT.glob(name.rstrip("/")))]
    assert missing == []


def test_the_reference_lists_every_public_name() -> None:
    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: emotion\.(\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted(set(emotion.__all__) - {"__version__"})


def test_the_architecture_lists_every_package() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in ROOT.glob("emotion/*/__init__.py")}
    assert {name for name in packages if f"`{name}`" not in page} == set()


def test_every_page_is_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        """Reads the names of Python functions in mkdocs.yml as text."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)

    def flatten(entry: Any) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        for part in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
            yield from flatten(part)

    assert sorted(flatten(config["nav"])) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_readme_gives_the_accuracy_of_the_shipped_classifier() -> None:
    metrics = json.loads((ROOT / "models/classifier/report.json").read_text())["test"]
    texts = [README.read_text(encoding="utf-8"), (ROOT / "docs/model-card.md").read_text(encoding="utf-8")]
    for result in (metrics, metrics["ferplus"]):
        low, high = result["accuracy_interval"]
        for text in texts:
            assert f"**{result['accuracy']:.1%}**" in text
            assert f"{100 * low:.1f} to {100 * high:.1f}" in text
            assert f"{result['n']:,}" in text


def test_the_model_card_gives_the_recall_of_every_expression() -> None:
    metrics = json.loads((ROOT / "models/classifier/report.json").read_text())["test"]["as_displayed"]["per_class"]
    card = (ROOT / "docs/model-card.md").read_text(encoding="utf-8")
    rows = [f"| {label} | {result['n']:,} | {100 * result['recall']:.1f}% (" for label, result in metrics.items()]
    assert [row for row in rows if row not in card] == []


def test_the_changelog_and_the_citation_have_the_same_version() -> None:
    version = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert version is not None
    assert citation["version"] == version[1]


def test_headings_descend_by_one_level() -> None:
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
        assert all(after <= before + 1 for before, after in pairwise(levels)), page.name


@pytest.mark.slow
def test_the_documentation_builds_without_warnings_and_loads_nothing_from_the_network(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    loaded = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?https?:|<link[^>]+href=\"?https?:")
    pages = sorted((tmp_path / "site").glob("*.html"))
    assert len(pages) > 10
    assert [page.name for page in pages if loaded.search(page.read_text(encoding="utf-8"))] == []
