"""Jobs with real child processes, signals and kills: the folder must be right whatever happens to a process."""

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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion import storage
from emotion.errors import DataError, JobError
from emotion.jobs import job as jobs
from emotion.jobs.job import Job, JobState, create_job_folder, list_jobs, open_job, start_job
from emotion.jobs.process_record import ProcessRecord
from emotion.jobs.reporter import job_context
from emotion.storage import read_json, write_atomic
from tests.waiting import wait_until

ROOT = Path(jobs.__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")

PREAMBLE = """
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
WORKER_THAT_IGNORES_SIGTERM = """
worker_code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
worker = subprocess.Popen([sys.executable, "-c", worker_code], stdout=subprocess.PIPE)
worker.stdout.readline()
(folder / "worker.pid").write_text(str(worker.pid))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = create_job_folder(tmp_path, "a test")
    yield folder
    Job(folder).stop(grace_seconds=0)


def run(code: str, folder: Path) -> Job:
    """Start a job that runs `code` after `PREAMBLE`."""
    return start_job([str(folder)], folder, command=(sys.executable, "-c", PREAMBLE + code))


def wait_for_end(job: Job) -> JobState:
    wait_until(lambda: not job.read_state().is_running)
    return job.read_state()


def pid_of(folder: Path, name: str = "state.json") -> int:
    return (read_json(folder / name) or {})["pid"] if name == "state.json" else int((folder / name).read_text())


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ------------------------------------------------------------------ progress and end


def test_job_reports_progress_and_ends_as_done(folder: Path) -> None:
    job = run(
        "with job_context(folder) as report:\n"
        "    print('hello')\n"
        "    for i in range(3): report.progress(i + 1, 4, f'{i + 1} of 4')\n"
        "    while not (folder / 'go').exists(): time.sleep(0.01)\n"
        "    report.progress(4, 4, 'all')\n",
        folder,
    )
    assert job.read_state().is_running
    wait_until(lambda: job.read_state().done)
    assert job.read_state().seconds_left is None
    (folder / "go").touch()
    state = wait_for_end(job)
    assert (state.status, state.done, state.total, state.message, state.error) == ("done", 4, 4, "all", None)
    assert state.fraction == 1
    assert job.tail_log(1) == "hello"
    assert job.label == "a test"
    assert open_job(folder) == job
    pid = pid_of(folder)
    wait_until(lambda: not psutil.pid_exists(pid))  # no zombie remains


@pytest.mark.slow
def test_parent_never_overwrites_done(folder: Path) -> None:
    for _ in range(5):
        assert wait_for_end(run("with job_context(folder): pass", folder)).status == "done"


@pytest.mark.slow
def test_package_is_importable_from_any_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert wait_for_end(run("with job_context(folder): pass", folder)).status == "done"


def test_emotion_error_becomes_the_message_of_the_state(folder: Path) -> None:
    state = wait_for_end(run("with job_context(folder): raise DataError('No rows: choose another file.')", folder))
    assert (state.status, state.error) == ("failed", "No rows: choose another file.")


@pytest.mark.slow
def test_defect_fails_with_one_sentence_and_a_logged_traceback(folder: Path) -> None:
    job = run("with job_context(folder): {}['missing']", folder)
    state = wait_for_end(job)
    assert state.status == "failed"
    assert state.error is not None
    assert "KeyError" in state.error
    assert "\n" not in state.error
    wait_until(lambda: "KeyError: 'missing'" in job.tail_log(5))
    assert "Traceback" in job.tail_log(50)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "state"), [("sys.exit(0)", "done"), ("sys.exit(3)", "failed")])
def test_exit_code_decides_the_status(folder: Path, how: str, state: str) -> None:
    assert wait_for_end(run(f"with job_context(folder): {how}", folder)).status == state


@pytest.mark.slow
def test_crash_before_job_context_is_interrupted(folder: Path) -> None:
    job = run("import nothing_of_that_name", folder)
    assert wait_for_end(job).status == "interrupted"
    assert "nothing_of_that_name" in job.tail_log(1)


# ------------------------------------------------------------------ stop


def test_stop_keeps_finished_steps(folder: Path) -> None:
    job = run(STEPS, folder)
    wait_until(lambda: (folder / "steps.txt").exists() and job.read_state().done)
    began = time.monotonic()
    state = job.stop()
    assert time.monotonic() - began < 5
    assert (state.status, state.error) == ("stopped", None)
    assert state.done == len((folder / "steps.txt").read_text().splitlines())
    assert not (folder / "stop").exists()
    assert job.stop().status == "stopped"  # a second stop changes nothing


@pytest.mark.slow
@posix
def test_stop_ends_grandchildren_that_ignore_signals(folder: Path) -> None:
    job = run(WORKER_THAT_IGNORES_SIGTERM + STEPS, folder)
    wait_until(lambda: job.read_state().done)
    worker = pid_of(folder, "worker.pid")
    assert not has_ended(worker)
    assert job.stop().status == "stopped"
    assert has_ended(worker)


@pytest.mark.slow
def test_job_that_ignores_the_stop_is_killed_after_the_grace_time(folder: Path) -> None:
    job = run("with job_context(folder) as report:\n    report.progress(1, 2)\n    time.sleep(60)", folder)
    wait_until(lambda: job.read_state().done)
    pid = pid_of(folder)
    state = job.stop(grace_seconds=0.3)
    assert (state.status, state.done) == ("stopped", 1)
    assert has_ended(pid)


@pytest.mark.slow
def test_stop_before_job_context_ends_the_job(folder: Path) -> None:
    job = run("time.sleep(60)", folder)
    assert job.stop(grace_seconds=0.5).status == "stopped"


@pytest.mark.slow
@posix
def test_error_after_a_stop_request_counts_as_stopped(folder: Path) -> None:
    job = run(
        "with job_context(folder) as report:\n"
        "    report.progress(1, 2)\n"
        "    while not report._check_stop(): time.sleep(0.01)\n"
        "    raise BrokenPipeError('a worker is gone')",
        folder,
    )
    wait_until(lambda: job.read_state().done)
    state = job.stop()
    assert state.status == "stopped"
    assert state.error is not None  # the error is still recorded


@pytest.mark.slow
@posix
def test_forked_worker_ends_on_the_signal(folder: Path) -> None:
    job = run(
        "with job_context(folder) as report:\n"
        "    reader, writer = os.pipe()\n"
        "    worker = os.fork()\n"
        "    if not worker: os.write(writer, b'!'), time.sleep(60)\n"
        "    os.read(reader, 1)\n"  # Python loses signals during a fork
        "    os.kill(worker, signal.SIGTERM)\n"
        "    assert os.WTERMSIG(os.waitpid(worker, 0)[1]) == signal.SIGTERM\n"
        "    assert not report.stop_requested\n",
        folder,
    )
    assert wait_for_end(job).status == "done"


# ------------------------------------------------------------------ crashes and reused pids


@pytest.mark.slow
@posix
def test_killed_job_is_interrupted_and_a_restart_ends_its_orphans(folder: Path) -> None:
    job = run(WORKER_THAT_IGNORES_SIGTERM + STEPS, folder)
    wait_until(lambda: job.read_state().done)
    worker = pid_of(folder, "worker.pid")
    os.kill(pid_of(folder), signal.SIGKILL)
    state = wait_for_end(job)
    assert state.status == "interrupted"
    assert state.done >= 1
    assert state.error
    assert not has_ended(worker)
    (folder / ".0a1b2c3d.part.keras").touch()  # as after a kill during a write
    again = run("with job_context(folder): pass", folder)
    assert has_ended(worker)
    assert wait_for_end(again).status == "done"
    assert not list(folder.glob(".*.part*"))


@pytest.mark.slow
def test_stop_of_an_interrupted_job_changes_nothing(folder: Path) -> None:
    job = run("os._exit(9)", folder)
    assert wait_for_end(job).status == "interrupted"
    assert job.stop().status == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("status", ["running", "done"])
def test_process_with_a_reused_pid_is_never_signaled(folder: Path, status: str) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    other = subprocess.Popen(sleep, start_new_session=True)
    try:
        long_ago = psutil.Process(other.pid).create_time() - 3600
        record = {"status": status, "pid": other.pid, "process_started_at": long_ago, "error": None}
        storage.write_json(folder / "state.json", record)
        expected = "interrupted" if status == "running" else "done"
        assert open_job(folder).read_state().status == expected
        assert open_job(folder).stop(grace_seconds=0).status == expected
        assert (
            wait_for_end(run("with job_context(folder): pass", folder)).status == "done"
        )  # a restart does not signal it either
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.1)
    finally:
        other.kill()
        other.wait()


@posix
def test_zombie_counts_as_ended(folder: Path) -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""])  # its parent does not wait for it
    started = psutil.Process(zombie.pid).create_time()
    storage.write_json(folder / "state.json", {"status": "running", "pid": zombie.pid, "process_started_at": started})
    wait_until(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
    assert open_job(folder).read_state().status == "interrupted"
    zombie.wait()


def test_end_between_reading_record_and_process_is_no_interruption(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_meanwhile(owner: ProcessRecord) -> None:
        owner._replace(status="done").write(folder)

    ProcessRecord.from_current_process("running").write(folder)
    monkeypatch.setattr(ProcessRecord, "find_process", end_meanwhile)
    assert open_job(folder).read_state().status == "done"


@pytest.mark.slow
def test_one_folder_runs_one_job_at_a_time(folder: Path) -> None:
    def attempt(_: int) -> Job | None:
        try:
            return run(STEPS, folder)
        except JobError:
            return None

    with ThreadPoolExecutor(8) as pool:
        started = [job for job in pool.map(attempt, range(8)) if job]
    assert len(started) == 1
    wait_until(lambda: started[0].read_state().done)
    with pytest.raises(JobError, match="is working in"), job_context(folder):
        raise AssertionError
    assert started[0].read_state().is_running
    assert started[0].stop().status == "stopped"


def test_job_that_cannot_start_is_refused(folder: Path) -> None:
    with pytest.raises(JobError, match="missing"):
        start_job([], folder / "nowhere")
    with pytest.raises(JobError, match="cannot be run"):
        start_job([], folder, command=["no-such-program-anywhere"])
    with pytest.raises(JobError, match="no job"):
        open_job(folder)


# ------------------------------------------------------------------ in a terminal


def run_in_terminal(code: str, folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, str(folder)], env=environment, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
@posix
def test_ctrl_c_in_a_terminal_stops_after_a_step(tmp_path: Path) -> None:
    child = run_in_terminal(STEPS, tmp_path / "new")
    wait_until(lambda: (tmp_path / "new" / "steps.txt").exists())
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 0
    assert open_job(tmp_path / "new").read_state().status == "stopped"


@pytest.mark.slow
@posix
def test_stop_of_a_job_in_a_terminal_spares_its_process_group(folder: Path) -> None:
    (folder / "stop").touch()  # an old stop file must not end the new job
    child = run_in_terminal(WORKER_THAT_IGNORES_SIGTERM + STEPS, folder)
    wait_until(lambda: (folder / "state.json").exists() and open_job(folder).read_state().done)
    assert os.getpgid(child.pid) == os.getpgid(0)  # this test is in the group
    assert open_job(folder).stop().status == "stopped"
    assert has_ended(pid_of(folder, "worker.pid"))
    child.wait(10)


@pytest.mark.slow
def test_defect_in_a_terminal_is_logged(folder: Path) -> None:
    assert run_in_terminal("with job_context(folder): {}['missing']", folder).wait(20) == 1
    assert open_job(folder).read_state().status == "failed"
    assert "KeyError: 'missing'" in open_job(folder).tail_log(3)


def test_job_context_works_outside_the_main_thread(tmp_path: Path) -> None:
    def work() -> None:
        with job_context(tmp_path) as report:
            report.progress(1, 1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert open_job(tmp_path).read_state().status == "done"


@pytest.mark.slow
def test_only_one_of_many_processes_owns_a_folder(folder: Path) -> None:
    """Without a system lock, several of twelve concurrent processes own the folder."""
    code = (
        "import sys, time; from pathlib import Path; from emotion.errors import JobError\n"
        "from emotion.jobs.reporter import job_context\n"
        f"folder = Path({str(folder)!r})\n"
        "print(flush=True)\n"
        "while not (folder / 'go').exists(): time.sleep(0.001)\n"
        "try:\n"
        " with job_context(folder):\n"
        "  (folder / 'inside').touch(exist_ok=False); time.sleep(0.1); (folder / 'inside').unlink()\n"
        "except JobError: sys.exit(3)\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
        )
        for _ in range(12)
    ]
    for child in children:  # until all of them have imported the package
        assert child.stdout is not None
        child.stdout.readline()
    (folder / "go").touch()
    exit_codes = [child.wait() for child in children]
    assert set(exit_codes) <= {0, 3}
    assert 0 in exit_codes


def test_job_context_lets_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(DataError), job_context(tmp_path):
        raise DataError("Empty.")
    assert open_job(tmp_path).read_state() == JobState("failed", error="Empty.")


# ------------------------------------------------------------------ files and folders


def test_concurrent_job_folders_have_different_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    monkeypatch.setattr(jobs.secrets, "choice", lambda letters: rng.choice(letters[:3]))  # 81 names per second
    barrier = threading.Barrier(50)

    def make(_: int) -> Path:
        barrier.wait()
        return create_job_folder(tmp_path / "runs", "../../the same = name\udcff")

    with ThreadPoolExecutor(50) as pool:
        folders = list(pool.map(make, range(50)))
    assert len(set(folders)) == 50
    assert all(f.parent == tmp_path / "runs" and (f / "job.json").is_file() for f in folders)
    assert Job(folders[0]).label == "../../the same = name", "a name that cannot be encoded would end a page"


def test_jobs_are_listed_newest_first(tmp_path: Path) -> None:
    folders = [create_job_folder(tmp_path, str(i)) for i in range(4)]
    for folder in folders[:3]:
        with job_context(folder):
            pass
    (folders[2] / "state.json").write_text("{ damaged")
    (tmp_path / "a file").touch()
    assert [job.label for job in list_jobs(tmp_path)] == ["2", "1", "0"]
    assert [job.read_state().status for job in list_jobs(tmp_path)] == ["interrupted", "done", "done"]
    assert list_jobs(tmp_path / "missing") == []


@pytest.mark.slow
@posix
def test_kill_during_a_write_leaves_a_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    loop = (
        "import sys; from pathlib import Path; from emotion.storage import write_json; n = 0\n"
        "while True: n += 1; write_json(Path(sys.argv[1]), {'n': n, 'rows': [n] * (n % 7 * 10_000)})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(8):
        path.unlink(missing_ok=True)
        child = subprocess.Popen([sys.executable, "-c", loop, str(path)], env=environment)
        wait_until(path.exists)
        wait_until(lambda: any(tmp_path.glob(".*.part*")))  # in the middle of a write
        child.kill()
        child.wait()
        value = read_json(path)
        assert value is not None
        assert value["rows"] == [value["n"]] * (value["n"] % 7 * 10_000)


def test_error_during_a_write_keeps_the_old_file(tmp_path: Path) -> None:
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
def test_error_names_the_damaged_file(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "state.json"
    assert read_json(path) is None
    path.write_bytes(damaged)
    with pytest.raises(JobError, match=r"state\.json"):
        read_json(path)


def test_folder_lock_excludes_other_holders_and_leaves_no_file(tmp_path: Path) -> None:
    num_inside, max_inside = 0, 0

    def hold() -> None:
        nonlocal num_inside, max_inside
        for _ in range(10):
            with storage.folder_lock(tmp_path):
                num_inside += 1
                max_inside = max(max_inside, num_inside)
                assert [path.name for path in tmp_path.iterdir()] == [storage.LOCK_FILE]
                num_inside -= 1

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(hold) for _ in range(4)]:
            future.result()
    assert max_inside == 1
    assert not list(tmp_path.iterdir())


def test_missing_free_space_is_refused(tmp_path: Path) -> None:
    storage.require_free_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(JobError, match=r"needs 1,000,000,000,000 MB"):
        storage.require_free_space(tmp_path, 10**18)


@pytest.mark.parametrize(("done", "total", "fraction"), [(1, 4, 0.25), (7, 5, 1), (-1, 5, 0), (3, 0, 0)])
def test_fraction_is_between_0_and_1(done: float, total: float, fraction: float) -> None:
    assert JobState("running", done, total).fraction == fraction


def test_tail_log_returns_the_last_lines(tmp_path: Path) -> None:
    assert Job(tmp_path).tail_log(3) == ""
    (tmp_path / "log.txt").write_bytes(b"\xff\n" + b"\n".join(b"%d" % i for i in range(100_000)))
    assert Job(tmp_path).tail_log(2) == "99998\n99999"
    assert Job(tmp_path).tail_log(0) == ""


# ------------------------------------------------------------------ properties

texts = st.text(st.characters())  # with lone surrogates, as odd file names have them
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
odd = values | st.floats() | st.sampled_from(["running", "done", 0, 1, -1, 2**40, os.getpid()])


@given(st.dictionaries(texts, values, max_size=5))
def test_json_round_trip_preserves_the_value(value: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        storage.write_json(Path(name, "a.json"), value)
        assert read_json(Path(name, "a.json")) == value
        assert os.listdir(name) == ["a.json"]


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("status", "pid", "process_started_at", "error"), odd)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("done", "total", "message", "updated_at", "seconds_left"), odd)),
)
def test_invalid_job_files_never_raise(state: dict[str, object], progress: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name, "state.json").write_text(json.dumps(state))
        Path(name, "progress.json").write_text(json.dumps(progress))
        state_read = open_job(Path(name)).read_state()
        assert 0 <= state_read.fraction <= 1
        assert state_read.seconds_left is None or state_read.is_running
        assert open_job(Path(name)).stop(grace_seconds=0).status == state_read.status
        assert [job.folder.name for job in list_jobs(Path(name).parent) if job.folder == Path(name).resolve()]


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 50)), min_size=1, max_size=12), st.floats(1, 60))
def test_last_progress_is_written_without_a_premature_estimate(steps: list[tuple[float, float]], total: float) -> None:
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


def test_time_left_of_a_resumed_job_counts_from_its_start(tmp_path: Path) -> None:
    clock = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: clock)
        with job_context(tmp_path) as report:
            for done in range(50, 61):
                report.progress(done, 100, "")
                clock += 1
            assert (read_json(tmp_path / "progress.json") or {})["seconds_left"] == pytest.approx(40)


def test_pause_does_not_count_for_the_time_left(tmp_path: Path) -> None:
    """Ten seconds per step, and an hour of pause within the third one."""
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
