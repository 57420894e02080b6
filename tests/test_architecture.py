"""The rules of who may import whom, and of what nobody may do, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import emotion

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*ROOT.glob("*.py"), *(ROOT / "pages").rglob("*.py"), *(ROOT / "emotion").rglob("*.py")])

# From the bottom to the top; a module may import its own layer and those before it.
# fmt: off
LAYERS = {
    "words": {
        "checks", "environment", "errors", "faces", "field_types", "files", "bundles", "owners", "result_folder",
        "interruption", "jobs", "reporting", "turns", "lines",
    },
    "flows": {"recognition", "training", "generation"},
    "people": {
        "outputs", "tables", "data_tables", "run_tables", "charts", "photos", "image_results", "prints", "bench",
        "veil", "films", "live",
    },
    "doors": {
        "__main__", "cli", "cli_analyze", "cli_data", "cli_faces", "cli_film", "cli_output", "cli_train", "cli_values",
        "ui", "ui_answers", "ui_card", "ui_cast",
        "ui_data", "ui_data_views", "ui_detectors", "ui_duel", "ui_faces", "ui_film", "ui_film_frames",
        "ui_film_redraw", "ui_film_result",
        "ui_generator", "ui_lesson", "ui_live", "ui_live_cards", "ui_live_files", "ui_memory", "ui_parts", "ui_photo",
        "ui_prepare", "ui_reading", "ui_run", "ui_runs", "ui_server", "ui_train", "ui_train_data",
    },
    "app": {"app", "pages"},
}
# fmt: on
ORDER = list(LAYERS)
# What one flow may use of another.
BETWEEN_FLOWS = {
    ("training", "recognition"): {
        "analyzer",
        "images",
        "image_guards",
        "crops",
        "detection",
        "detectors",
        "classification",
        "confirmation",
        "glance",
        "engine",
    },
    ("generation", "recognition"): {"images", "crops", "classification", "engine"},
    ("generation", "training"): {
        "datasets",
        "duplicates",
        "evaluation",
        "runs",
        "augmentation",
        "checkpoints",
        "networks",
        "trainer",
        "export",
        "labels",
        "plans",
        "watching",
        "classifier",
        "zoo",
    },
}
LEARNS = {
    "emotion.training.networks", "emotion.training.normalising", "emotion.training.trainer", "emotion.training.export",
    "emotion.training.detector_network", "emotion.training.detector", "emotion.training.checkpoints",
    "emotion.training.classifier", "emotion.training.events", "emotion.training.zoo.build",
    "emotion.generation.networks", "emotion.generation.lessons", "emotion.generation.trainer",
}  # fmt: skip
ONLY_THERE = {
    "streamlit": {"app", "pages"} | {f"emotion.{name}" for name in LAYERS["doors"] if name.startswith("ui")},
    "streamlit_webrtc": {"emotion.ui_live"},
    "av": {
        "emotion.recognition.video",
        "emotion.recognition.film_writer",
        "emotion.recognition.film_sound",
        "emotion.recognition.film_streams",
        "emotion.recognition.film_look",
        "emotion.ui_live",
    },
}
RUNS_OUR_OWN = {("emotion.ui", "exec")}  # app.py, when Streamlit runs a page without it
NOWHERE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


class Import(NamedTuple):
    """`module` imports `name` in a line; `late` inside a function, `typing` only for type checkers."""

    module: str
    name: str
    line: int
    late: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}: imports {self.name}"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in SOURCES}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports_of(module: str, tree: ast.Module) -> Iterator[Import]:
    def visit(node: ast.AST, late: bool, typing: bool) -> Iterator[Import]:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.Import):
                for alias in inner.names:
                    yield Import(module, alias.name, inner.lineno, late, typing)
            elif isinstance(inner, ast.ImportFrom):
                assert inner.level == 0, f"{module}, line {inner.lineno}: relative imports hide who imports whom"
                for alias in inner.names:
                    whole = f"{inner.module}.{alias.name}"
                    yield Import(module, whole if whole in MODULES else str(inner.module), inner.lineno, late, typing)
            else:
                function = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                checking = isinstance(inner, ast.If) and ast.unparse(inner.test).endswith("TYPE_CHECKING")
                yield from visit(inner, late or function, typing or checking)

    return visit(tree, False, False)


IMPORTS = [found for module, tree in TREES.items() for found in imports_of(module, tree)]
OURS = [found for found in IMPORTS if found.name.split(".")[0] in ("emotion", "app", "pages")]


def layer_of(module: str) -> str:
    parts = module.split(".")
    part = parts[1] if parts[0] == "emotion" and len(parts) > 1 else parts[0]
    found = [layer for layer, members in LAYERS.items() if part in members]
    assert found, f"{module} belongs to no layer: give it one in LAYERS"
    return found[0]


def calls() -> Iterator[tuple[str, ast.Call]]:
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield module, node


# ------------------------------------------------------------------ who may import whom


def test_the_rules_see_the_sources() -> None:
    assert {"app", "emotion", "emotion.cli", "emotion.recognition.crops", "emotion.training.trainer"} <= MODULES.keys()
    assert any(found.late for found in OURS)
    assert any(found.name == "emotion.recognition.images" for found in OURS if found.module == "emotion.photos")


@pytest.mark.parametrize("module", [name for name in MODULES if name != "emotion"])
def test_only_downward(module: str) -> None:
    above = [
        str(found)
        for found in OURS
        if found.module == module
        and found.name != "emotion"  # the public API, for pages
        and ORDER.index(layer_of(found.name)) > ORDER.index(layer_of(module))
    ]
    assert above == []


def test_only_the_top_uses_the_public_face() -> None:
    """Inside the package its modules import each other, or there would be circles."""
    assert [str(f) for f in OURS if f.name == "emotion" and f.module.startswith("emotion")] == []


def test_the_flows_keep_apart() -> None:
    wrong = []
    for found in OURS:
        one, other = found.module.split("."), found.name.split(".")
        if len(one) < 3 or len(other) < 2 or layer_of(found.module) != "flows" or layer_of(found.name) != "flows":
            continue
        if one[1] != other[1] and (len(other) < 3 or other[2] not in BETWEEN_FLOWS.get((one[1], other[1]), ())):
            wrong.append(str(found))
    assert wrong == []


def test_pages_do_not_import_each_other() -> None:
    assert [str(found) for found in OURS if found.name.split(".")[0] in ("pages", "app")] == []


def test_no_module_imports_itself_in_a_circle() -> None:
    uses: dict[str, set[str]] = {}
    for found in OURS:
        if not found.late and not found.typing and found.module != "emotion":
            uses.setdefault(found.module, set()).add(found.name)

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way, module))
        for inner in uses.get(module, ()):
            visit(inner, (*way, module))

    for module in uses:
        visit(module, ())


# ------------------------------------------------------------------ what costs seconds or needs a window


def test_only_what_learns_loads_tensorflow() -> None:
    heavy = {"tensorflow", "keras", "tf2onnx"}
    loads = [found for found in IMPORTS if found.name.split(".")[0] in heavy and not found.typing]
    assert loads
    assert [str(found) for found in loads if not found.late and found.module not in LEARNS] == []
    assert [str(f) for f in loads if f.late and f.module.split(".")[1:2] not in (["training"], ["generation"])] == []


def test_what_learns_is_imported_inside_functions() -> None:
    wrong = [f for f in OURS if f.name in LEARNS and f.module not in LEARNS and not f.late and not f.typing]
    assert [str(found) for found in wrong] == []


@pytest.mark.parametrize("package", ONLY_THERE)
def test_only_there(package: str) -> None:
    wrong = [
        str(found)
        for found in IMPORTS
        if found.name.split(".")[0] == package
        and not any(found.module == place or found.module.startswith(place + ".") for place in ONLY_THERE[package])
    ]
    assert wrong == []


FRESH = """
import sys
import {module}
print(*sorted({{name.split(".")[0] for name in sys.modules}}))
"""


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("emotion", {"tensorflow", "keras", "streamlit", "altair", "pandas", "sklearn", "av"}),
        ("emotion.cli", {"tensorflow", "keras", "streamlit", "pandas", "sklearn", "cv2.gapi"}),
        ("emotion.photos", {"tensorflow", "keras", "streamlit", "altair", "pandas", "sklearn"}),
        ("emotion.ui", {"tensorflow", "keras", "altair", "pandas", "sklearn", "streamlit_webrtc", "av"}),
        ("emotion.live.session", {"tensorflow", "keras", "streamlit", "streamlit_webrtc", "altair", "sklearn"}),
        ("emotion.training.learning", {"tensorflow", "keras", "streamlit"}),
        ("emotion.training.rating", {"tensorflow", "keras", "streamlit"}),
        ("emotion.training.network_learning", {"tensorflow", "keras", "streamlit"}),
        ("emotion.training.desk", {"tensorflow", "keras", "streamlit", "sklearn"}),
        ("emotion.generation.gallery", {"tensorflow", "keras", "streamlit", "onnx", "sklearn"}),
        ("emotion.generation.learning", {"tensorflow", "keras", "streamlit"}),
        ("emotion.generation.evaluation", {"tensorflow", "keras", "streamlit"}),
    ],
)
def test_a_fresh_process_loads_only_what_it_needs(module: str, never: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FRESH.format(module=module)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "emotion" in done.stdout.split()
    assert never & set(done.stdout.split()) == set()


# ------------------------------------------------------------------ the public face


def test_all_is_what_is_there() -> None:
    there = {
        name
        for name, value in vars(emotion).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }  # fmt: skip
    assert set(emotion.__all__) == there - {"annotations"}  # of __future__, where it is imported
    assert emotion.__all__ == sorted(emotion.__all__)
    assert all(getattr(emotion, name).__doc__ for name in emotion.__all__)


# ------------------------------------------------------------------ what nobody may do


def test_nothing_that_runs_what_it_reads() -> None:
    assert [str(found) for found in IMPORTS if found.name.split(".")[0] in NOWHERE] == []
    for module, call in calls():
        where = f"{module}, line {call.lineno}: {ast.unparse(call)[:80]}"
        name = ast.unparse(call.func)
        if (module, name) not in RUNS_OUR_OWN:
            assert name not in ("eval", "exec", "os.system", "os.popen", "__import__"), where
        words = {keyword.arg: keyword.value for keyword in call.keywords}
        for word, value in (("shell", True), ("safe_mode", False), ("allow_pickle", True)):
            given = words.get(word)
            # Neither the forbidden value nor one that is only known when it runs.
            assert given is None or (isinstance(given, ast.Constant) and given.value is not value), where
        if name.endswith("np.load") or name.endswith("numpy.load"):
            assert "allow_pickle" in words, where


def test_html_is_never_made_of_what_others_wrote() -> None:
    for module, call in calls():
        for keyword in call.keywords:
            if keyword.arg in ("unsafe_allow_html", "unsafe_allow_javascript") and not (
                isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            ):
                where = f"{module}, line {call.lineno}"
                assert call.args, where
                assert isinstance(call.args[0], ast.Constant), where
        if ast.unparse(call.func) in ("st.html", "components.html", "st.components.v1.html"):
            assert isinstance(call.args[0], ast.Constant), f"{module}, line {call.lineno}"


def test_only_fetching_opens_a_connection() -> None:
    network = {"urllib", "requests", "httpx", "aiohttp", "socket", "ftplib", "http"}
    modules = {found.module for found in IMPORTS if found.name.split(".")[0] in network}
    assert modules <= {"emotion.recognition.detectors"}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(TREES[module])
