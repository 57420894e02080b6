"""Real children, real signals, real kills: what a folder says must be true whatever happens to a process."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion import storage
from emotion.errors import DataError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job, JobState, create_job_folder, list_jobs, open_job, start_job
from emotion.jobs.process_record import ProcessRecord
from emotion.jobs.reporter import job_context
from emotion.storage import read_json, write_atomic

ROOT = Path(jobs.__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")

BEGIN = """
import os, signal, subprocess, sys, time
from pathlib import Path
from emotion.errors import DataError
from emotion.jobs.reporter import job_context
folder = Path(sys.argv[1])
"""
STEPS = """
with job_context(folder) as report:
    for step in range(2000):
        if report.stop_requested:
            break
        time.sleep(0.01)
        (folder / "steps.txt").open("a").write(f"{step}\\n")
        report.progress(step + 1, 2000, f"step {step + 1}")
"""
DEAF_WORKER = """
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
worker = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
worker.stdout.readline()
(folder / "worker.pid").write_text(str(worker.pid))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = create_job_folder(tmp_path, "a test")
    yield folder
    Job(folder).stop(grace_seconds=0)


def run(code: str, folder: Path) -> Job:
    """Start a job that runs `code` after `BEGIN`."""
    return start_job([str(folder)], folder, command=(sys.executable, "-c", BEGIN + code))


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def end_of(job: Job) -> JobState:
    until(lambda: not job.read_state().is_running)
    return job.read_state()


def pid_of(folder: Path, name: str = "state.json") -> int:
    return (read_json(folder / name) or {})["pid"] if name == "state.json" else int((folder / name).read_text())


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ------------------------------------------------------------------ a life


def test_a_job_reports_and_is_done(folder: Path) -> None:
    job = run(
        "with job_context(folder) as report:\n"
        "    print('hello')\n"
        "    for i in range(3): report.progress(i + 1, 4, f'{i + 1} of 4')\n"
        "    while not (folder / 'go').exists(): time.sleep(0.01)\n"
        "    report.progress(4, 4, 'all')\n",
        folder,
    )
    assert job.read_state().is_running
    until(lambda: job.read_state().done)
    assert job.read_state().seconds_left is None
    (folder / "go").touch()
    state = end_of(job)
    assert (state.status, state.done, state.total, state.message, state.error) == ("done", 4, 4, "all", None)
    assert state.fraction == 1
    assert job.tail_log(1) == "hello"
    assert job.label == "a test"
    assert open_job(folder) == job
    pid = pid_of(folder)
    until(lambda: not psutil.pid_exists(pid))  # no zombie stays


def test_done_is_never_overwritten_by_the_parent(folder: Path) -> None:
    for _ in range(5):
        assert end_of(run("with job_context(folder): pass", folder)).status == "done"


def test_the_package_is_found_from_any_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert end_of(run("with job_context(folder): pass", folder)).status == "done"


def test_an_error_that_a_person_can_fix_becomes_the_sentence(folder: Path) -> None:
    state = end_of(run("with job_context(folder): raise DataError('No rows: choose another file.')", folder))
    assert (state.status, state.error) == ("failed", "No rows: choose another file.")


def test_a_defect_fails_politely_and_loudly_in_the_log(folder: Path) -> None:
    job = run("with job_context(folder): {}['missing']", folder)
    state = end_of(job)
    assert state.status == "failed"
    assert state.error is not None
    assert "KeyError" in state.error
    assert "\n" not in state.error
    until(lambda: "KeyError: 'missing'" in job.tail_log(5))
    assert "Traceback" in job.tail_log(50)


@pytest.mark.parametrize(("how", "state"), [("sys.exit(0)", "done"), ("sys.exit(3)", "failed")])
def test_exit_codes(folder: Path, how: str, state: str) -> None:
    assert end_of(run(f"with job_context(folder): {how}", folder)).status == state


def test_a_crash_before_the_report_is_seen(folder: Path) -> None:
    job = run("import nothing_of_that_name", folder)
    assert end_of(job).status == "interrupted"
    assert "nothing_of_that_name" in job.tail_log(1)


# ------------------------------------------------------------------ stop


def test_stop_keeps_what_is_done(folder: Path) -> None:
    job = run(STEPS, folder)
    until(lambda: (folder / "steps.txt").exists() and job.read_state().done)
    began = time.monotonic()
    state = job.stop()
    assert time.monotonic() - began < 5
    assert (state.status, state.error) == ("stopped", None)
    assert state.done == len((folder / "steps.txt").read_text().splitlines())
    assert not (folder / "stop").exists()
    assert job.stop().status == "stopped"  # once more changes nothing


@posix
def test_stop_ends_grandchildren_too_even_deaf_ones(folder: Path) -> None:
    job = run(DEAF_WORKER + STEPS, folder)
    until(lambda: job.read_state().done)
    worker = pid_of(folder, "worker.pid")
    assert not gone(worker)
    assert job.stop().status == "stopped"
    assert gone(worker)


def test_a_job_that_does_not_listen_is_killed_after_the_grace(folder: Path) -> None:
    job = run("with job_context(folder) as report:\n    report.progress(1, 2)\n    time.sleep(60)", folder)
    until(lambda: job.read_state().done)
    pid = pid_of(folder)
    state = job.stop(grace_seconds=0.3)
    assert (state.status, state.done) == ("stopped", 1)
    assert gone(pid)


def test_stop_before_the_report_begins(folder: Path) -> None:
    job = run("time.sleep(60)", folder)
    assert job.stop(grace_seconds=0.5).status == "stopped"


@posix
def test_errors_after_a_stop_do_not_count_as_failure(folder: Path) -> None:
    job = run(
        "with job_context(folder) as report:\n"
        "    report.progress(1, 2)\n"
        "    while not report._check_stop(): time.sleep(0.01)\n"
        "    raise BrokenPipeError('a worker is gone')",
        folder,
    )
    until(lambda: job.read_state().done)
    state = job.stop()
    assert state.status == "stopped"
    assert state.error is not None  # but it is not hidden either


@posix
def test_a_forked_worker_dies_by_the_signal(folder: Path) -> None:
    job = run(
        "with job_context(folder) as report:\n"
        "    ear, mouth = os.pipe()\n"
        "    worker = os.fork()\n"
        "    if not worker: os.write(mouth, b'!'), time.sleep(60)\n"
        "    os.read(ear, 1)\n"  # Python forgets signals that come in the middle of a fork
        "    os.kill(worker, signal.SIGTERM)\n"
        "    assert os.WTERMSIG(os.waitpid(worker, 0)[1]) == signal.SIGTERM\n"
        "    assert not report.stop_requested\n",
        folder,
    )
    assert end_of(job).status == "done"


# ------------------------------------------------------------------ crashes and strangers


@posix
def test_killed_is_interrupted_its_orphans_end_and_it_can_start_again(folder: Path) -> None:
    job = run(DEAF_WORKER + STEPS, folder)
    until(lambda: job.read_state().done)
    worker = pid_of(folder, "worker.pid")
    os.kill(pid_of(folder), signal.SIGKILL)
    state = end_of(job)
    assert state.status == "interrupted"
    assert state.done >= 1
    assert state.error
    assert not gone(worker)
    (folder / ".0a1b2c3d.part.keras").touch()  # as a kill in the middle of writing leaves it
    again = run("with job_context(folder): pass", folder)
    assert gone(worker)
    assert end_of(again).status == "done"
    assert not list(folder.glob(".*.part*"))


def test_interrupted_stays_interrupted_when_stopped(folder: Path) -> None:
    job = run("os._exit(9)", folder)
    assert end_of(job).status == "interrupted"
    assert job.stop().status == "interrupted"


@pytest.mark.parametrize("said", ["running", "done"])
def test_a_recycled_pid_is_never_signalled(folder: Path, said: str) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    stranger = subprocess.Popen(sleep, start_new_session=True)
    try:
        long_ago = psutil.Process(stranger.pid).create_time() - 3600
        record = {"status": said, "pid": stranger.pid, "process_started_at": long_ago, "error": None}
        storage.write_json(folder / "state.json", record)
        expected = "interrupted" if said == "running" else "done"
        assert open_job(folder).read_state().status == expected
        assert open_job(folder).stop(grace_seconds=0).status == expected
        assert end_of(run("with job_context(folder): pass", folder)).status == "done"  # nor by starting again
        time.sleep(0.1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@posix
def test_a_zombie_has_ended(folder: Path) -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""])  # nobody waits for it
    started = psutil.Process(zombie.pid).create_time()
    storage.write_json(folder / "state.json", {"status": "running", "pid": zombie.pid, "process_started_at": started})
    until(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
    assert open_job(folder).read_state().status == "interrupted"
    zombie.wait()


def test_an_end_between_two_looks_is_no_interruption(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(owner: ProcessRecord) -> None:
        owner._replace(status="done").write(folder)

    ProcessRecord.from_current_process("running").write(folder)
    monkeypatch.setattr(ProcessRecord, "find_process", leave)
    assert open_job(folder).read_state().status == "done"


def test_one_folder_one_job(folder: Path) -> None:
    def attempt(_: int) -> Job | None:
        try:
            return run(STEPS, folder)
        except JobError:
            return None

    with ThreadPoolExecutor(8) as pool:
        started = [job for job in pool.map(attempt, range(8)) if job]
    assert len(started) == 1
    until(lambda: started[0].read_state().done)
    with pytest.raises(JobError, match="at work"), job_context(folder):
        raise AssertionError
    assert started[0].read_state().is_running
    assert started[0].stop().status == "stopped"


def test_what_cannot_start(folder: Path) -> None:
    with pytest.raises(JobError, match="missing"):
        start_job([], folder / "nowhere")
    with pytest.raises(JobError, match="cannot be run"):
        start_job([], folder, command=["no-such-program-anywhere"])
    with pytest.raises(JobError, match="no job"):
        open_job(folder)


# ------------------------------------------------------------------ by hand, in a terminal


def by_hand(code: str, folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, str(folder)], env=environment, stderr=subprocess.DEVNULL
    )


@posix
def test_ctrl_c_in_a_terminal_stops_at_a_whole_step(tmp_path: Path) -> None:
    child = by_hand(STEPS, tmp_path / "new")
    until(lambda: (tmp_path / "new" / "steps.txt").exists())
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 0
    assert open_job(tmp_path / "new").read_state().status == "stopped"


@posix
def test_stop_of_a_job_in_a_terminal_leaves_its_group_alone(folder: Path) -> None:
    (folder / "stop").touch()  # of an earlier time: must not end the new one
    child = by_hand(DEAF_WORKER + STEPS, folder)
    until(lambda: (folder / "state.json").exists() and open_job(folder).read_state().done)
    assert os.getpgid(child.pid) == os.getpgid(0)  # this very test is in the group
    assert open_job(folder).stop().status == "stopped"
    assert gone(pid_of(folder, "worker.pid"))
    child.wait(10)


def test_a_defect_in_a_terminal_is_logged_too(folder: Path) -> None:
    assert by_hand("with job_context(folder): {}['missing']", folder).wait(20) == 1
    assert open_job(folder).read_state().status == "failed"
    assert "KeyError: 'missing'" in open_job(folder).tail_log(3)


def test_job_context_outside_the_main_thread(tmp_path: Path) -> None:
    def work() -> None:
        with job_context(tmp_path) as report:
            report.progress(1, 1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert open_job(tmp_path).read_state().status == "done"


def test_of_many_processes_one_at_a_time_owns_a_folder(folder: Path) -> None:
    """Twelve processes take it over at once; without a lock of the system several of them got in."""
    code = (
        "import sys, time; from pathlib import Path; from emotion.errors import JobError\n"
        "from emotion.jobs.reporter import job_context\n"
        f"folder = Path({str(folder)!r})\n"
        "while not (folder / 'go').exists(): time.sleep(0.001)\n"
        "try:\n"
        " with job_context(folder):\n"
        "  (folder / 'inside').touch(exist_ok=False); time.sleep(0.1); (folder / 'inside').unlink()\n"
        "except JobError: sys.exit(3)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}) for _ in range(12)
    ]
    time.sleep(3)  # until all of them have loaded what they need
    (folder / "go").touch()
    ends = [child.wait() for child in children]
    assert set(ends) <= {0, 3}
    assert 0 in ends


def test_errors_go_on(tmp_path: Path) -> None:
    with pytest.raises(DataError), job_context(tmp_path):
        raise DataError("Empty.")
    assert open_job(tmp_path).read_state() == JobState("failed", error="Empty.")


# ------------------------------------------------------------------ files and folders


def test_fifty_folders_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.secrets, "choice", lambda letters: random.choice(letters[:3]))  # 81 names a second
    barrier = threading.Barrier(50)

    def make(_: int) -> Path:
        barrier.wait()
        return create_job_folder(tmp_path / "runs", "../../the same = name\udcff")

    with ThreadPoolExecutor(50) as pool:
        folders = list(pool.map(make, range(50)))
    assert len(set(folders)) == 50
    assert all(f.parent == tmp_path / "runs" and (f / "job.json").is_file() for f in folders)
    assert Job(folders[0]).label == "../../the same = name\udcff"


def test_jobs_are_listed_newest_first(tmp_path: Path) -> None:
    made = [create_job_folder(tmp_path, str(i)) for i in range(4)]
    for folder in made[:3]:
        with job_context(folder):
            pass
    (made[2] / "state.json").write_text("{ damaged")
    (tmp_path / "a file").touch()
    assert [job.label for job in list_jobs(tmp_path)] == ["2", "1", "0"]
    assert [job.read_state().status for job in list_jobs(tmp_path)] == ["interrupted", "done", "done"]
    assert list_jobs(tmp_path / "missing") == []


@posix
def test_fifteen_kills_in_the_middle_of_writing(tmp_path: Path) -> None:
    path, chance = tmp_path / "value.json", random.Random(7)
    loop = (
        "import sys; from pathlib import Path; from emotion.storage import write_json; n = 0\n"
        "while True: n += 1; write_json(Path(sys.argv[1]), {'n': n, 'rows': [n] * (n % 7 * 10_000)})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(15):
        path.unlink(missing_ok=True)
        child = subprocess.Popen([sys.executable, "-c", loop, str(path)], env=environment)
        until(path.exists)
        time.sleep(chance.uniform(0, 0.15))
        child.kill()
        child.wait()
        value = read_json(path)
        assert value is not None
        assert value["rows"] == [value["n"]] * (value["n"] % 7 * 10_000)


def test_after_an_error_nothing_is_left_and_the_old_stays(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    write_atomic(path, "old")
    with suppress(RuntimeError), storage.atomic_path(path) as temporary:
        assert temporary.suffix == ".keras"
        temporary.write_text("half")
        raise RuntimeError
    with pytest.raises(FileNotFoundError), storage.atomic_path(path):
        pass  # nothing written
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("damaged", [b"", b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000, b"{}{}"])
def test_a_damaged_file_is_named(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "state.json"
    assert read_json(path) is None
    path.write_bytes(damaged)
    with pytest.raises(JobError, match=r"state\.json"):
        read_json(path)


def test_free_space(tmp_path: Path) -> None:
    storage.require_free_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(JobError, match=r"needs 1,000,000,000,000 MB"):
        storage.require_free_space(tmp_path, 10**18)


@pytest.mark.parametrize(("done", "total", "fraction"), [(1, 4, 0.25), (7, 5, 1), (-1, 5, 0), (3, 0, 0)])
def test_fraction(done: float, total: float, fraction: float) -> None:
    assert JobState("running", done, total).fraction == fraction


def test_log_tail(tmp_path: Path) -> None:
    assert Job(tmp_path).tail_log(3) == ""
    (tmp_path / "log.txt").write_bytes(b"\xff\n" + b"\n".join(b"%d" % i for i in range(100_000)))
    assert Job(tmp_path).tail_log(2) == "99998\n99999"
    assert Job(tmp_path).tail_log(0) == ""


# ------------------------------------------------------------------ properties

words = st.text(st.characters())  # with lone surrogates, as odd file names have them
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
odd = values | st.floats() | st.sampled_from(["running", "done", 0, 1, -1, 2**40, os.getpid()])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(words, values, max_size=5))
def test_json_comes_back_as_it_went(value: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        storage.write_json(Path(name, "a.json"), value)
        assert read_json(Path(name, "a.json")) == value
        assert os.listdir(name) == ["a.json"]


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("status", "pid", "process_started_at", "error"), odd)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("done", "total", "message", "updated_at", "seconds_left"), odd)),
)
def test_nonsense_in_the_folder_harms_nobody(state: dict[str, object], progress: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name, "state.json").write_text(json.dumps(state))
        Path(name, "progress.json").write_text(json.dumps(progress))
        seen = open_job(Path(name)).read_state()
        assert 0 <= seen.fraction <= 1
        assert seen.seconds_left is None or seen.is_running
        assert open_job(Path(name)).stop(grace_seconds=0).status == seen.status
        assert [job.folder.name for job in list_jobs(Path(name).parent) if job.folder == Path(name).resolve()]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 50)), min_size=1, max_size=12), st.floats(1, 60))
def test_progress_says_the_last_word_and_never_guesses(steps: list[tuple[float, float]], total: float) -> None:
    clock = 100.0
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setattr(time, "monotonic", lambda: clock)
        with job_context(Path(name)) as report:
            for seconds, done in steps:
                clock += seconds
                report.progress(done, total, "text")
                left = (read_json(Path(name, "progress.json")) or {}).get("seconds_left")
                assert left is None or (clock >= 102 and left >= 0)
        state = open_job(Path(name)).read_state()
        assert (state.done, state.total) == (steps[-1][1], total)


def test_time_left_of_a_resumed_job_counts_from_where_it_began(tmp_path: Path) -> None:
    clock = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock)
        with job_context(tmp_path) as report:
            for done in range(50, 61):
                report.progress(done, 100, "")
                clock += 1
            assert (read_json(tmp_path / "progress.json") or {})["seconds_left"] == pytest.approx(40)


def test_a_rest_tells_nothing_of_the_time_left(tmp_path: Path) -> None:
    """Ten seconds a step, and an hour of rest within the third one."""
    clock = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock)
        with job_context(tmp_path) as report:
            for done in (0, 1, 2):
                report.progress(done, 10)
                clock += 10
            for _ in range(60):
                report.progress(2.5, 10, "paused", counts_time=False)
                clock += 60
            assert (read_json(tmp_path / "progress.json") or {})["seconds_left"] == pytest.approx(90)
            for done in (3, 4):
                report.progress(done, 10)
                clock += 10
            assert (read_json(tmp_path / "progress.json") or {})["seconds_left"] == pytest.approx(60)
