"""Everything stays on this machine: no dependency looks up a name, connects elsewhere or writes outside the workspace.

Each kind of process runs in a copy of the program, with an empty home folder and without the variables that tell of a
continuous integration, since with these some packages keep quiet.
"""

from __future__ import annotations

import shutil
import socket
import textwrap
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import pytest

from emotion.benchmarks.video import write_video
from emotion.media.image_reader import read_image
from tests import tracing, visiting
from tests.conftest import ROOT, SAMPLE
from tests.tracing import Traced
from tests.training.making import dataset, photos_of_splits, write_annotated, write_fer2013
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
Start = Callable[..., Traced]

# Settings without which a program would use a network or another folder; each runs as a program of its own.
LIBRARY = """
    import sys, time
    from emotion import annotate, load_analyzer, read_image
    image = read_image(sys.argv[1])
    annotate(image, load_analyzer().analyze(image))
    time.sleep(600)  # until it is stopped
"""
WAIT = """
    while job.read_state().is_running:
        time.sleep(0.1)
    assert job.read_state().status == "done", job.tail_log()
"""
TRAINING = (
    """
    import sys, time
    from pathlib import Path
    from emotion.jobs import job as jobs
    folder = Path("run")
    folder.mkdir()
    job = jobs.start_job([*sys.argv[1:], "--out", "run"], folder)
"""
    + WAIT
)
VIDEO = (
    """
    import sys, time
    from pathlib import Path
    import altair as alt, pandas as pd
    from emotion.charts.export import export_chart
    from emotion.video import library
    from emotion.video.outputs import exports
    from emotion.video.analysis import VideoAnalysis
    job = library.submit(Path(sys.argv[1]), "video.mp4", library.VideoSettings())
"""
    + WAIT
    + """
    Path("results").mkdir()
    exports.write_results(VideoAnalysis.open(job.folder), Path("results"))
    chart = alt.Chart(pd.DataFrame({"x": [1]}), title="x").mark_point().encode(x="x")
    assert export_chart(chart, "svg") and export_chart(chart, "png")
"""
)
DATA_SET = (
    """
    import sys, time
    from pathlib import Path
    from emotion.datasets.building.config import DatasetBuildConfig
    from emotion.datasets.building.jobs import BuildTarget, start_from_path
    job = start_from_path(Path(sys.argv[1]), BuildTarget("mine", DatasetBuildConfig()))
"""
    + WAIT
)
STREAM = """
    import asyncio
    from aioice import Candidate, Connection
    from emotion.ui import webrtc_workarounds
    webrtc_workarounds.disable_mdns_lookup()
    async def receive():
        stream = Connection(ice_controlling=False)
        await stream.add_remote_candidate(Candidate.from_sdp("1 1 udp 1 f00d.local 9 typ host"))
        await stream.close()
    asyncio.run(receive())
"""
FORBIDDEN = """
    import contextlib, os, pathlib, socket, subprocess, sys
    home = pathlib.Path.home()
    (home / "folder").mkdir()
    open("inside.txt", "w").close()
    os.rename("inside.txt", home / "moved.txt")
    subprocess.run([sys.executable, "-c", f"open({str(home / 'child.txt')!r}, 'w')"])
    own = socket.AF_INET, "127.0.0.1", 9
    addresses = [own, (socket.AF_INET, "192.0.2.1", 9), (socket.AF_INET6, "2001:db8::1", 9)]
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53))
    for kind, address, port in addresses:
        with contextlib.suppress(OSError):
            socket.socket(kind, socket.SOCK_DGRAM).sendto(b"x", (address, port))
        with contextlib.suppress(OSError):
            socket.socket(kind, socket.SOCK_DGRAM).connect((address, port))
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, and small inputs of each kind."""
    tracing.require_strace()
    folder = tmp_path_factory.mktemp("material")
    for name in ("emotion", "pages", "models", ".streamlit"):
        shutil.copytree(ROOT / name, folder / "program" / name, ignore=shutil.ignore_patterns("secrets.toml"))
    shutil.copy(ROOT / "app.py", folder / "program")
    write_fer2013(folder / "fer2013.csv", dataset(64, 32, 32))
    write_annotated(folder / "annotated", "train", photos_of_splits(1, 16))
    write_video(folder / "video.mp4", (320, 240), 1, 1.0)
    small = cv2.resize(read_image(SAMPLE), (256, 256), interpolation=cv2.INTER_AREA)[..., ::-1]
    for number in range(6):
        place = folder / "photos" / ("happy" if number % 2 else "proud")
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number}.jpg"), cv2.convertScaleAbs(small, alpha=1, beta=10 * number))
    return folder


@pytest.fixture
def start(material: Path, tmp_path: Path) -> Iterator[Start]:
    """`start(*arguments, cwd=..., **environment)`: Python with the program, in a workspace and home of its own."""
    running: list[Traced] = []

    def begin(*arguments: str, cwd: Path | None = None, **environment: str) -> Traced:
        place = tmp_path / str(len(running))
        work, home = place / "work", place / "home"
        for folder in (work / "tmp", home):
            folder.mkdir(parents=True)
        program = material / "program"
        variables = {"HOME": str(home), "TMPDIR": str(work / "tmp"), "PYTHONPATH": str(program), **environment}
        allowed = [work, program / "data", program / "runs"]
        running.append(tracing.start(arguments, place / "trace.txt", cwd or work, allowed, variables))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


def code(text: str, *arguments: object) -> Sequence[str]:
    return "-c", textwrap.dedent(text), *map(str, arguments)


def test_forbidden_connections_and_files_are_detected(start: Start) -> None:
    watched = start(*code(FORBIDDEN))
    watched.wait()
    home = watched.home
    assert watched.files() == [f"{home}/folder", f"{home}/moved.txt", f"{home}/child.txt"]
    assert watched.connections() == [
        "name look-up at 127.0.0.1",
        *(2 * ["192.0.2.1 port 9"]),
        *(2 * ["2001:db8::1 port 9"]),
    ]


def test_the_library_connects_to_no_server(start: Start) -> None:
    """As long as ONNX Runtime takes to look up its server where its telemetry is left on."""
    quiet = start(*code(LIBRARY, SAMPLE))
    talking = start(*code(LIBRARY, SAMPLE), ORT_DISABLE_TELEMETRY="0")
    wait_until(talking.connections, 120)
    assert any(path.startswith(f"{talking.home}/") for path in talking.files()), "a device id"
    assert quiet.running
    assert quiet.violations() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "emotion", "analyze", str(SAMPLE), "{material}/video.mp4", "--out", "results"],
        ["-m", "emotion", "generator", "sample", "--count", "1", "--out", "faces"],
        code(STREAM),
        code(VIDEO, "{material}/video.mp4"),
        code(DATA_SET, "{material}/photos"),
        code(
            TRAINING,
            "classifier",
            "train",
            "--network",
            "mlp",
            "--epochs",
            "1",
            "--tensorboard",
            "--data",
            "{material}/fer2013.csv",
        ),
        code(TRAINING, "detector", "train", "--epochs", "1", "--data", "{material}/annotated"),
        code(
            TRAINING,
            "generator",
            "train",
            "--network",
            "dcgan-upsampling",
            "--epochs",
            "1",
            "--epoch-images",
            "256",
            "--data",
            "{material}/fer2013.csv",
        ),
    ],
    ids=[
        "analyze",
        "generate",
        "stream",
        "video job",
        "data set job",
        "classifier job",
        "detector job",
        "generator job",
    ],
)
def test_commands_and_jobs_connect_to_no_server(start: Start, material: Path, arguments: Sequence[str]) -> None:
    watched = start(*(word.replace("{material}", str(material)) for word in arguments))
    watched.wait()
    assert watched.violations() == []


@pytest.mark.parametrize("flags", [[], ["--server.address=0.0.0.0"]], ids=["this machine", "a network"])
def test_the_served_app_connects_to_no_server(start: Start, material: Path, flags: Sequence[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    words = ["-m", "emotion", "app", "--server.headless=true", f"--server.port={port}", *flags]
    app = start(*words, cwd=material / "program")
    talking = start(*code(LIBRARY, SAMPLE), ORT_DISABLE_TELEMETRY="0")
    wait_until(lambda: answers(app, url), 120)
    # Before the first page: Streamlit would look up the addresses of this machine for another origin.
    assert visiting.status_for(url, f"127.0.0.1:{port}", "http://elsewhere.example") == 403
    with visiting.socket_of(url, url) as visitor:
        pages = {page.url_pathname for page in visiting.heard(visitor, "navigation")[-1].app_pages}
        assert {"webcam", "photo", "video", "synthetic_faces", "model_card", "data", "train", "runs"} <= pages
        for page in sorted(pages):
            assert visiting.heard(visitor, "delta", page), page
    assert visiting.status_for(url, f"elsewhere.example:{port}") == 403
    assert visiting.status_for(url, f"127.0.0.1:{port}", "http://elsewhere.example") == 403
    wait_until(talking.connections, 120)
    assert app.running
    assert app.violations() == []


def answers(app: Traced, url: str) -> bool:
    assert app.running, "the app did not start"
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
            return True
    except OSError:
        return False
