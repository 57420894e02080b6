from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.cli import main
from emotion.errors import EmotionError, ResultFolderError
from emotion.jobs.job import create_job_folder
from emotion.jobs.process_record import ProcessRecord
from emotion.jobs.result_folder import (
    add_files,
    check_result_folder,
    claim_result_folder,
    clear_result,
    complete_result,
    create_result,
)
from emotion.jobs.result_manifest import (
    DATASET,
    MANIFEST_FILE,
    MODEL,
    SYNTHETIC_IMAGES,
    VIDEO,
    ResultManifest,
    read_manifest,
)
from emotion.jobs.result_replacement import replace_result, staging_folder
from tests.generation.making import write_generator

ROOT = Path(__file__).resolve().parents[2]


def files_in(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text()
        for p in folder.rglob("*")
        if p.is_file() and p.name != MANIFEST_FILE
    }


def make(folder: Path, text: str, *, overwrite: bool = False, kind: str = SYNTHETIC_IMAGES) -> None:
    with create_result(folder, kind, overwrite=overwrite) as path:
        (path / "sheet.png").write_text(text)
        (path / f"{text}-0.png").write_text(text)
        (path / "inner").mkdir(exist_ok=True)
        (path / "inner" / f"{text}-1.png").write_text(text)


def result_of(text: str) -> dict[str, str]:
    return {f"inner/{text}-1.png": text, f"{text}-0.png": text, "sheet.png": text}


@pytest.mark.parametrize("existing", [False, True])
def test_new_result_new_or_empty_folder_is_marked(tmp_path: Path, existing: bool) -> None:
    out = tmp_path / "a" / "out"
    if existing:
        out.mkdir(parents=True)
    make(out, "one")
    assert files_in(out) == result_of("one")
    manifest = read_manifest(out)
    assert manifest is not None
    assert (manifest.kind, manifest.is_complete, set(manifest.files)) == (SYNTHETIC_IMAGES, True, set(result_of("one")))
    assert [p.name for p in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("prepare", "overwrite", "message"),
    [
        (lambda out: (out / "sheet.png").write_text("mine"), True, "holds files that are no set of synthetic images"),
        (lambda out: (out / "notes.txt").write_text("mine"), True, "choose a new or an empty folder"),
        (lambda out: (out / "inner").mkdir(), True, "choose a new or an empty folder"),
        (lambda out: make(out, "one"), False, "already; choose another folder, or replace it with --overwrite"),
        (lambda out: make(out, "one", kind=MODEL), True, "holds a model, no set of synthetic images"),
        (
            lambda out: (make(out, "one"), (out / "inner" / "two-2.png").write_text("mine")),
            True,
            "holds inner/two-2.png, which is no part of its set of synthetic images",
        ),
        (lambda out: (make(out, "one"), (out / MANIFEST_FILE).write_text("{")), True, "damaged"),
        (lambda out: (make(out, "one"), (out / MANIFEST_FILE).write_text("{}")), True, "damaged"),
        (
            lambda out: (
                make(out, "one"),
                (out.with_name(".out.unfinished")).mkdir(),
                (out.with_name(".out.unfinished") / "x").write_text("mine"),
            ),
            True,
            ".out.unfinished holds files that are no set of synthetic images",
        ),
    ],
)
def test_new_result_other_folder_is_refused_untouched(
    tmp_path: Path, prepare: Callable[[Path], object], overwrite: bool, message: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    prepare(out)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    with pytest.raises(EmotionError, match=message) as caught:
        make(out, "two", overwrite=overwrite)
    assert str(caught.value).count("\n") == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_new_result_overwrite_replaces_the_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out, "one")
    make(out, "two", overwrite=True)
    assert files_in(out) == result_of("two")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("existing", ["no folder", "empty folder", "result"])
def test_new_result_after_an_error_folder_is_as_before(tmp_path: Path, existing: str) -> None:
    out = tmp_path / "out"
    if existing != "no folder":
        out.mkdir()
    if existing == "result":
        make(out, "one")
    with pytest.raises(FileNotFoundError):
        make(out, "no/file", overwrite=True)
    assert out.exists() == (existing != "no folder")
    assert not out.exists() or files_in(out) == (result_of("one") if existing == "result" else {})
    assert [p.name for p in tmp_path.iterdir()] == ["out"] * out.exists()


def test_unfinished_result_is_begun_again_without_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    ResultManifest(SYNTHETIC_IMAGES).write(out)
    (out / "old-1.png").write_text("half")
    make(out, "new")
    assert files_in(out) == result_of("new")
    ResultManifest(SYNTHETIC_IMAGES).write(out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ResultFolderError, match=r"holds notes\.txt"):
        make(out, "newer")
    assert files_in(out) == {**result_of("new"), "notes.txt": "mine"}


def test_clear_leaves_files_of_others_and_their_folders(tmp_path: Path) -> None:
    for name in ("video_info.json", "thumbnails/1.jpg", "thumbnails/mine.txt", "highlights/1-2.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "empty").mkdir()
    clear_result(tmp_path, ResultManifest(VIDEO))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["empty", "mine.txt", "notes.txt", "thumbnails"]


def test_folder_in_use_elsewhere_is_refused(tmp_path: Path) -> None:
    claim_result_folder(tmp_path, VIDEO)
    manifest = json.loads((tmp_path / MANIFEST_FILE).read_text())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        import psutil

        owner = ProcessRecord("running", child.pid, psutil.Process(child.pid).create_time(), None)
        (tmp_path / MANIFEST_FILE).write_text(json.dumps({**manifest, "owner": owner._asdict()}))
        with pytest.raises(ResultFolderError, match="Another process is working"):
            check_result_folder(tmp_path, VIDEO)
    finally:
        child.communicate(b"\n")
    assert check_result_folder(tmp_path, VIDEO) == ResultManifest(VIDEO)


def test_claim_takes_what_was_made_for_a_job(tmp_path: Path) -> None:
    folder = create_job_folder(tmp_path, "a job")
    claim_result_folder(folder, VIDEO)
    claim_result_folder(folder, VIDEO)
    with pytest.raises(ResultFolderError, match="holds a video analysis, no data set"):
        claim_result_folder(folder, DATASET)


@pytest.mark.parametrize("name", ["out", "out/source.png", "link/source.png"])
def test_input_inside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path / "out", "one")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(ResultFolderError, match="is an input and lies in"):
        check_result_folder(tmp_path / "out", SYNTHETIC_IMAGES, inputs=[tmp_path / name])


def test_current_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "one")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ResultFolderError, match="the current folder"):
        make(Path(), "two", overwrite=True)
    assert files_in(tmp_path) == result_of("one")


def test_added_files_belong_to_a_complete_result(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    add_files(tmp_path, ["a"])
    assert read_manifest(tmp_path) is None
    complete_result(tmp_path, ResultManifest(DATASET))
    add_files(tmp_path, ["b", "a"])
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert manifest.files == ("a", "b")


KILL_AT_EACH_STEP = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from emotion.jobs.result_folder import check_result_folder
from emotion.jobs.result_manifest import SYNTHETIC_IMAGES
from tests.jobs.test_result_folder import files_in, make, result_of

folder = Path(sys.argv[2])

def kill_after(call, remaining):
    def act(*arguments, **named):
        remaining[0] -= 1
        if remaining[0] == 0:
            os._exit(9)
        return call(*arguments, **named)
    return act

for step in range(1, 100):
    out = folder / str(step) / "out"
    make(out, "old")
    child = os.fork()
    if child == 0:
        remaining = [step]
        for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
            setattr(os, name, kill_after(getattr(os, name), remaining))
        make(out, "new", overwrite=True)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    check_result_folder(out, SYNTHETIC_IMAGES)
    found = files_in(out)
    assert found in (result_of("old"), result_of("new")), (step, found)
    make(out, "newer", overwrite=True)
    assert files_in(out) == result_of("newer")
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    if ended == 0:
        break
print(step)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="forks")
def test_kill_at_any_step_of_a_replacement_leaves_one_result_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILL_AT_EACH_STEP, str(ROOT), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 6


def test_failed_rename_brings_the_old_result_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    make(out, "one")
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if source == staging_folder(out):
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(ResultFolderError, match="Input/output error"):
        make(out, "two", overwrite=True)
    monkeypatch.undo()
    assert files_in(out) == result_of("one")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_put_in_place_needs_both(tmp_path: Path) -> None:
    make(tmp_path / "out", "one")
    with pytest.raises(ResultFolderError):
        replace_result(tmp_path / "out")
    assert files_in(tmp_path / "out") == result_of("one")


# ------------------------------------------------------------------ every command that writes a folder


@pytest.mark.parametrize(
    "command",
    [
        "analyze photo.png --out mine",
        "analyze video.mp4 --out mine",
        "analyze video.mp4 photo.png --out mine",
        "classifier train --data faces.npz --out mine",
        "classifier train --network mlp --data faces.npz --out mine",
        "detector train --data photos --out mine",
        "generator train --data faces.npz --out mine",
        "generator study model --data faces.npz --out mine",
        "generator sample --out mine --count 1",
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_commands_refuse_a_folder_of_others(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sample_file: Path,
    command: str,
    overwrite: bool,
) -> None:
    if overwrite and not command.startswith(("analyze", "generator sample")):
        pytest.skip("it has no --overwrite")
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(sample_file.read_bytes())
    Path("video.mp4").write_bytes(b"")
    Path("mine", "thumbnails").mkdir(parents=True)
    for name in ("thumbnails/mine.txt", "report.html", "faces.csv", "history.csv", "model.keras", "state.json"):
        Path("mine", name).write_text("mine")
    before = files_in(Path("mine"))
    write_generator(Path("model"))
    monkeypatch.setattr("emotion.media.video_reader.VideoReader.__enter__", lambda video: video)
    monkeypatch.setattr("emotion.media.video_reader.VideoReader.__init__", lambda *_: None)
    monkeypatch.setattr("emotion.media.video_reader.VideoReader.__exit__", lambda *_: None)
    monkeypatch.setattr("emotion.media.video_reader.VideoReader.info", None, raising=False)
    arguments = command.split() + ["--overwrite"] * overwrite
    assert main.main(arguments) == 1
    caught = capsys.readouterr()
    assert "holds files that are no " in caught.err
    assert (caught.out, caught.err.count("\n")) == ("", 1)
    assert files_in(Path("mine")) == before
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
