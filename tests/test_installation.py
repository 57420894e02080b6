"""The wheel works outside the checkout: programs, models, app and workspace, in a read-only installation."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = Path(np.__file__).parents[1]
SAMPLE = ROOT / "emotion" / "demo" / "assets" / "astronaut.jpg"
START_SECONDS = 60.0
POLL_SECONDS = 0.2

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="the folders are those of POSIX")]


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel and an empty home folder."""

    venv_folder: Path
    home: Path

    @property
    def package(self) -> Path:
        return next(self.venv_folder.glob("lib/python*/site-packages")) / "emotion"

    @property
    def workspace(self) -> Path:
        return self.home / "data" / "emotion-studio"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EMOTION_", "PYTHON"))}
        own = {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home / "data"), "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | own | {"EMOTION_YUNET": "none", "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(self, *arguments: object, cwd: Path | None = None) -> str:
        """The standard output of `emotion *arguments`, outside the checkout."""
        command = [self.venv_folder / "bin" / "emotion", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=cwd or self.home, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def list_files(self) -> set[Path]:
        return {path for path in self.venv_folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Build the wheel and install it beside the dependencies of this environment; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("installation")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build], check=True)
    venv.create(folder / "venv")
    installed = Installation(folder / "venv", folder / "home")
    installed.home.mkdir()
    wheel = str(*folder.glob("*.whl"))
    python = str(installed.venv_folder / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (installed.package.parent / "dependencies.pth").write_text(f"{PACKAGES}\n")
    before = installed.list_files()
    folders = [installed.package, *(path for path in installed.package.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    yield installed
    for path in folders:
        path.chmod(0o755)
    assert installed.list_files() == before  # root may write into read-only folders


def test_the_wheel_holds_the_app_and_the_models(installation: Installation) -> None:
    files = {path.relative_to(installation.package).as_posix() for path in installation.package.rglob("*")}
    app = {"_app/app.py", "_app/.streamlit/config.toml", *(f"_app/pages/{p.name}" for p in ROOT.glob("pages/*.py"))}
    models = {f"_models/{kind}/card.json" for kind in ("classifier", "features", "generator", "glance", "upscaler")}
    assert app | models | {"py.typed"} <= files


def test_an_image_is_analyzed_with_the_models_of_the_wheel(installation: Installation, tmp_path: Path) -> None:
    output = installation.run("analyze", SAMPLE, "--json", "--out", "results", cwd=tmp_path)
    assert [face["label"] for face in json.loads(output)["faces"]] == ["happy"]
    assert (tmp_path / "results" / "faces.csv").is_file()
    models = json.loads(installation.run("models", "list", "--json"))
    assert {model["kind"] for model in models} == {"classifier", "detector", "features", "generator", "upscaler"}
    assert all(Path(model["folder"]).parent == installation.package / "_models" for model in models)


def test_data_sets_runs_and_models_are_in_the_workspace(installation: Installation, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("angry", "happy"):
        (tmp_path / "crops" / label).mkdir(parents=True)
        for index in range(30):
            image = rng.integers(0, 256, (48, 48), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / "crops" / label / f"{index}.png")
    installation.run("dataset", "build", tmp_path / "crops", "--name", "mine", "--pre-cropped")
    dataset = installation.workspace / "data" / "sets" / "mine"
    assert [row["path"] for row in json.loads(installation.run("dataset", "list", "--json"))] == [str(dataset)]
    run = installation.workspace / "runs" / "first"
    installation.run("classifier", "train", "--network", "mlp", "--epochs", 1, "--data", dataset, "--out", run)
    assert json.loads(installation.run("runs", "--json").splitlines()[0])["folder"] == str(run)
    installation.run("models", "install", run, "--name", "small")
    assert "small" in {model["name"] for model in json.loads(installation.run("models", "list", "--json"))}
    assert (installation.workspace / "models" / "small" / "card.json").is_file()


def test_another_workspace_can_be_chosen(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "runs" / "other").mkdir(parents=True)
    (tmp_path / "runs" / "other" / "config.json").write_text('{"network": "mlp", "epochs": 4}')
    output = installation.run("--workspace", tmp_path, "runs", "--json")
    assert json.loads(output.splitlines()[0])["name"] == "other"


def test_the_app_starts_with_its_configuration(installation: Installation, tmp_path: Path) -> None:
    assert "emotion app" in installation.run("app", "--help")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = installation.venv_folder / "bin" / "emotion-studio"
    command = [program, "--server.headless=true", f"--server.port={port}"]
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=installation.environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        assert _wait_for_health(f"http://127.0.0.1:{port}/_stcore/health", server), log.read_text()
        assert f"http://127.0.0.1:{port}" in log.read_text()  # the address of config.toml
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def test_every_page_of_the_app_runs(installation: Installation, tmp_path: Path) -> None:
    """The Live page needs the event loop of a real server."""
    code = """
from streamlit.testing.v1 import AppTest
from emotion.environment import APP_FILE
app = AppTest.from_file(str(APP_FILE), default_timeout=60).run()
assert not app.exception, app.exception
for page in sorted({*(APP_FILE.parent / "pages").glob("*.py")} - {APP_FILE.parent / "pages" / "webcam.py"}):
    app.switch_page(f"pages/{page.name}").run()
    assert not app.exception and not app.error, (page, app.exception, app.error)
"""
    python = installation.venv_folder / "bin" / "python"
    command = [python, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=installation.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _wait_for_health(url: str, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=POLL_SECONDS) as response:
                return response.read() == b"ok"
        except (urllib.error.URLError, TimeoutError):
            time.sleep(POLL_SECONDS)
    return False
