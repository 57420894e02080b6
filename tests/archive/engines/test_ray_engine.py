"""The engine ray on a real cluster of two nodes on this machine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from emotion.archive.engines.local_engine import LocalEngine
from emotion.archive.engines.ray_engine import RayEngine
from emotion.archive.run import ArchiveRun
from emotion.archive.settings import ArchiveRequest
from emotion.errors import JobError, SettingsError
from emotion.jobs.reporter import job_context
from emotion.model_store.store import ModelBundle
from tests.archive.making import make_request, read_table, read_tables, write_photos
from tests.ports import free_port
from tests.ray_settings import RAY_SETTINGS, ray_settings  # noqa: F401

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Ray reads its settings when it is imported, which is after the fixture `ray_settings`.
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]

NUM_PHOTOS = 60
ENVIRONMENT = os.environ | RAY_SETTINGS


class Node:
    """A node with one core, which ends with its process."""

    def __init__(self, *options: str) -> None:
        self._command = [str(Path(sys.executable).with_name("ray")), "start", "--num-cpus=1", "--disable-usage-stats"]
        self._command += ["--block", "--object-store-memory=80000000", "--dashboard-agent-listen-port=0", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the node unless it runs; on a busy machine a start may end by a time limit of Ray."""
        if self._process is None or self._process.poll() is not None:
            quiet = subprocess.DEVNULL
            self._process = subprocess.Popen(
                self._command, env=ENVIRONMENT, stdout=quiet, stderr=quiet, start_new_session=True
            )

    def end(self) -> None:
        """Kill all processes of the node."""
        if self._process is None:
            return
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            for member in [*process.children(recursive=True), process]:
                with suppress(psutil.Error):
                    member.kill()
        self._process.wait(30)


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, Node]]:
    """The address of a cluster of two nodes, and the node that is not its head."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    nodes = [Node("--head", f"--port={port}", "--include-dashboard=false"), Node(f"--address={address}")]
    try:
        for count in (1, 2):
            wait_for_nodes(address, nodes[:count])
        yield address, nodes[1]
    finally:
        for node in reversed(nodes):
            node.end()


def wait_for_nodes(address: str, nodes: list[Node]) -> None:
    code = f"import ray; ray.init('{address}', logging_level='ERROR'); print(sum(n['Alive'] for n in ray.nodes()))"
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        for node in nodes:
            node.start()
        with suppress(subprocess.TimeoutExpired):  # Ray tries for minutes where nothing answers
            done = subprocess.run(
                [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=60
            )
            if done.returncode == 0 and int(done.stdout.split()[-1]) >= len(nodes):
                return
    pytest.fail(f"The cluster at {address} did not get {len(nodes)} nodes.")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("sources") / "photos", NUM_PHOTOS, broken=(5,))


@pytest.fixture(scope="module")
def request_of_tiny(tiny: ModelBundle) -> ArchiveRequest:
    return make_request(tiny.folder)


@pytest.fixture(scope="module")
def expected(photos: Path, request_of_tiny: ArchiveRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The tables of the engine local."""
    out = tmp_path_factory.mktemp("expected") / "out"
    run = ArchiveRun([str(photos)], out, request_of_tiny, images_per_piece=4)
    with job_context(run.folder) as reporter:
        run.run(lambda: LocalEngine(request_of_tiny, 1), reporter)
    return read_tables(out)


class LosingEngine(RayEngine):
    """Ends a node after the first piece."""

    node: Node | None = None

    def wait(self, seconds: float) -> list:
        outcomes = list(super().wait(seconds))
        if outcomes and self.node is not None:
            self.node.end()
            self.node = None
        return outcomes


def analyze(photos: Path, out: Path, request: ArchiveRequest, engine: RayEngine) -> None:
    run = ArchiveRun([str(photos)], out, request, images_per_piece=4)
    with job_context(run.folder) as reporter:
        run.run(lambda: engine, reporter)


def test_no_cluster_is_one_sentence(request_of_tiny: ArchiveRequest) -> None:
    with pytest.raises(JobError, match="No Ray cluster can be used"):
        RayEngine(request_of_tiny, f"127.0.0.1:{free_port()}")


def test_a_worker_of_another_version_is_one_sentence(
    cluster: tuple[str, Node], photos: Path, request_of_tiny: ArchiveRequest, tmp_path: Path
) -> None:
    other = replace(request_of_tiny, program="Emotion Studio 0.0.0")
    with pytest.raises(SettingsError, match="another program"):
        analyze(photos, tmp_path / "out", other, RayEngine(other, cluster[0]))


def test_two_nodes_make_the_same_rows_as_one_process(
    cluster: tuple[str, Node],
    photos: Path,
    request_of_tiny: ArchiveRequest,
    expected: dict,
    tmp_path: Path,
) -> None:
    analyze(photos, tmp_path / "out", request_of_tiny, RayEngine(request_of_tiny, cluster[0]))
    assert read_tables(tmp_path / "out") == expected


def test_nothing_is_lost_or_twice_when_a_node_is_lost(
    cluster: tuple[str, Node],
    photos: Path,
    request_of_tiny: ArchiveRequest,
    expected: dict,
    tmp_path: Path,
) -> None:
    engine = LosingEngine(request_of_tiny, cluster[0])
    engine.node = cluster[1]
    analyze(photos, tmp_path / "out", request_of_tiny, engine)
    assert engine.node is None
    assert read_table(tmp_path / "out", "files")["file_id"].to_pylist() == list(range(NUM_PHOTOS))
    assert read_tables(tmp_path / "out") == expected
