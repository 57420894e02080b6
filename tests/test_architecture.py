"""The rules of imports, and calls that no module may make, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*ROOT.glob("*.py"), *(ROOT / "pages").rglob("*.py"), *(ROOT / "emotion").rglob("*.py")])

RUNS_OUR_OWN = {("emotion.ui.streamlit_workarounds", "exec")}  # app.py, when Streamlit runs a page without it
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


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module; parsed on first use, since collecting the tests needs only the names."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


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


@cache
def imports() -> list[Import]:
    return [found for module, tree in trees().items() for found in imports_of(module, tree)]


@cache
def own_imports() -> list[Import]:
    return [found for found in imports() if found.name.split(".")[0] in ("emotion", "app", "pages")]


HEAVY = {"tensorflow", "keras", "tf2onnx"}


@cache
def learning_modules() -> set[str]:
    """Modules that load Keras: those that import it, and parts of trainers that only such modules import."""
    top_level = [found for found in imports() if not found.late and not found.typing]
    modules = {found.module for found in top_level if found.name.split(".")[0] in HEAVY}
    while True:
        parts = {found.module for found in top_level if found.name in modules} - modules
        parts = {
            part
            for part in parts
            if part.startswith(("emotion.training.", "emotion.generation."))
            and {found.module for found in top_level if found.name == part} <= modules
        }
        if not parts:
            return modules
        modules |= parts


def calls() -> Iterator[tuple[str, ast.Call]]:
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield module, node


# ------------------------------------------------------------------ who may import whom


def test_the_rules_see_the_sources() -> None:
    assert {"app", "emotion", "emotion.cli.main", "pages.home"} <= MODULES.keys()
    assert any(found.late for found in own_imports())
    assert "emotion.training.classifier.networks.multi_head" in learning_modules()


def test_the_contracts_are_kept() -> None:
    """The contracts of pyproject.toml: layers, circles, and which package is imported where."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pages_do_not_import_each_other() -> None:
    assert [str(found) for found in own_imports() if found.name.split(".")[0] in ("pages", "app")] == []


# ------------------------------------------------------------------ what costs seconds or needs a window


def test_what_learns_is_imported_inside_functions() -> None:
    learns = learning_modules()
    wrong = [f for f in own_imports() if f.name in learns and f.module not in learns and not f.late and not f.typing]
    assert [str(found) for found in wrong] == []


slow = partial(pytest.param, marks=pytest.mark.slow)
FRESH = """
import importlib
import sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


# Each set takes a process: a fast run tries the package, the command line and the part that all pages share.
@pytest.mark.parametrize(
    ("modules", "never"),
    [
        ("emotion", {"streamlit", "altair", "pandas", "scipy", "sklearn", "av"}),
        ("emotion.cli.main", {"streamlit", "pandas", "sklearn"}),
        slow("emotion.ui.sidebar", {"altair", "pandas", "sklearn", "streamlit_webrtc", "av"}),
        slow("emotion.results.photos", {"streamlit", "altair", "pandas", "sklearn"}),
        slow("emotion.live.session", {"streamlit", "streamlit_webrtc", "altair", "sklearn"}),
        slow("emotion.training.manager", {"streamlit", "sklearn"}),
        slow("emotion.generation.images", {"streamlit", "onnx", "sklearn"}),
        # The small ones come first, so that a failure names the module that loads too much.
        slow(
            "emotion.training.classifier.config emotion.training.detector.config emotion.generation.config "
            "emotion.training.classifier.evaluation.scoring emotion.generation.evaluation emotion.generation.train "
            "emotion.training.classifier.train",
            {"streamlit"},
            id="trainings",
        ),
    ],
)
def test_a_fresh_process_loads_only_what_it_needs(modules: str, never: set[str]) -> None:
    names = modules.split()
    done = subprocess.run([sys.executable, "-c", FRESH, *names], cwd=ROOT, capture_output=True, text=True, check=True)
    for name, loaded in zip(names, map(str.split, done.stdout.splitlines()), strict=True):
        assert "emotion" in loaded, name
        assert (never | HEAVY) & set(loaded) == set(), name


# ------------------------------------------------------------------ what nobody may do


def test_nothing_that_runs_what_it_reads() -> None:
    assert [str(found) for found in imports() if found.name.split(".")[0] in NOWHERE] == []
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


# Functions whose HTML has the labels of installed models or numbers in it, escaped, which a test of theirs checks.
ESCAPING_FUNCTIONS = {"_format_uploader_style", "game_panel.format_panel"}


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
            is_escaped = isinstance(call.args[0], ast.Call) and ast.unparse(call.args[0].func) in ESCAPING_FUNCTIONS
            assert is_escaped or isinstance(call.args[0], ast.Constant), f"{module}, line {call.lineno}"


def test_only_fetching_and_machines_that_are_named_open_a_connection() -> None:
    network = {"urllib", "requests", "httpx", "aiohttp", "socket", "ftplib", "http"}
    modules = {
        found.module
        for found in imports()
        if found.name.split(".")[0] in network and not found.name.startswith("urllib.parse")  # which only splits text
    }
    assert modules <= {
        "emotion.recognition.detectors.detector_factory",
        "emotion.jobs.ray_cluster",
        "emotion.training.parallel.connecting",
        "emotion.training.parallel.group",
    }


# ------------------------------------------------------------------ sizes

MAX_MODULES, MAX_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS = 15, 300, 50, 6
MANY_ARGUMENTS = {"analyze_video", "_make_native_info"}  # options of the public API; the columns of a table


def test_folders_hold_few_modules() -> None:
    folders = Counter(path.parent for path in SOURCES if path.name != "__init__.py")
    assert {folder: count for folder, count in folders.items() if count > MAX_MODULES} == {}


def test_modules_are_short() -> None:
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_functions_are_short_and_have_few_arguments() -> None:
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                where = f"{module}, {node.name}"
                assert count_code_lines(node) <= MAX_FUNCTION_LINES, where
                names = [arg.arg for arg in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
                given = [name for name in names if name not in ("self", "cls")]
                assert len(given) <= MAX_ARGUMENTS or node.name in MANY_ARGUMENTS, where


def count_code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring."""
    documented = function.body[0] if ast.get_docstring(function) else None
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - (((documented.end_lineno or 0) - documented.lineno + 1) if documented else 0)
