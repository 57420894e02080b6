"""One odd run folder harms only itself: all others are listed, and its own files are shown as damaged."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from emotion.training import run_listing, tables
from emotion.training.run_listing import RunSummary, list_runs, load_run
from tests.hostile import INF, NAN, Harm, displace, garble, loop, put, write
from tests.pages.runs_making import make_run

RECORDS = ("config.json", "card.json", "report.json")
DAMAGE: dict[str, Harm] = {
    **{words: harm for name in RECORDS for words, harm in (garble(name) | displace(name)).items()},
    "epochs are NaN": put("config.json", epochs=NAN),
    "epochs are infinite": put("config.json", epochs=INF),
    "epochs are text": put("config.json", epochs="many"),
    "epochs are negative": put("config.json", epochs=-1),
    "epochs are huge": put("config.json", epochs=10**30),
    "epochs have too many digits": write("config.json", '{"epochs": ' + "9" * 10_000 + "}"),
    "network is a number": put("config.json", network=7),
    "network is a list": put("config.json", network=["mlp"]),
    "network is long": put("config.json", network="m" * 100_000),
    "labels are a number": put("config.json", label_names=3),
    "labels are numbers": put("config.json", label_names=[1, NAN]),
    "label set is a list": put("config.json", label_set=[]),
    "kind is an object": put("config.json", kind={}),
    "minutes are NaN": put("report.json", train_minutes=NAN),
    "minutes are infinite": put("report.json", train_minutes=INF),
    "minutes are text": put("report.json", train_minutes="long"),
    "minutes are huge": put("report.json", train_minutes=1e300),
    "detectors are a number": put("report.json", detectors=5),
    "end to end are texts": put("report.json", end_to_end=["a"]),
    "source is a list": put("card.json", source_run=["a"]),
    "date is a number": put("card.json", created=1e300),
    "files are a list": put("card.json", files=[1]),
}
FILES = ("history.csv", "steps.csv", "job.json", "state.json", "progress.json", "log.txt")
ODD: dict[str, Harm] = {  # what has a harmless value in place of the odd one
    **{words: harm for name in FILES for words, harm in displace(name).items()},
    "history has NaN": write("history.csv", "epoch,seconds,val_accuracy\nnan,1,0.5\n1,nan,nan\n"),
    "history has infinities": write("history.csv", "epoch,seconds,val_accuracy\ninf,1,0.5\n1,inf,inf\n2,1e308,1e308\n"),
    "history has text": write("history.csv", "epoch,seconds,val_accuracy\nsoon,later,good\n"),
    "history has huge epochs": write("history.csv", "epoch,seconds,val_accuracy\n1e300,1,0.5\n-3,1,0.5\n"),
    "history has long times": write("history.csv", "epoch,seconds,val_accuracy\n1,1e307,0.5\n2,1e307,0.6\n"),
    "history is no text": write("history.csv", b"\xff\xfe\x00\n\n\n"),
    "created is NaN": put("job.json", created=NAN),
    "created is infinite": put("job.json", created=INF),
    "created is in the year 9999999": put("job.json", created=1e14),
    "created is text": put("job.json", created="yesterday"),
    "created is negative": put("job.json", created=-1e12),
    "card is of the year 1": put("card.json", created="0001-01-01T00:00:00"),
    "label cannot be encoded": write("job.json", '{"label": "\\udcff\\u0000"}'),
    "label is long": put("job.json", label="x" * 1_000_000),
    "label is a number": put("job.json", label=5),
    "state has a huge process": put("state.json", status="running", pid=10**30, process_started_at=1.0),
    "state has an infinite time": put("state.json", status="running", pid=1, process_started_at=INF),
    "state has text": put("state.json", status="running", pid="me", process_started_at="now"),
    "progress has NaN": put("progress.json", done=NAN, total=INF, message=["\ud800"]),
}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with a good run, and with a second one that a test harms."""
    for name in ("good", "harmed"):
        make_run(tmp_path / "runs" / name, epochs=2, planned=2, job="done", has_predictions=False)
    return tmp_path / "runs"


def show(run: RunSummary) -> str:
    """Make what lists and pages make of a run."""
    assert run.name.isprintable()
    assert json.loads(run_listing.to_json(run))["folder"]
    table = tables.runs_table({run.name: run})
    assert len(table) == 1
    assert tables.format_run_card(run.name, run, None).encode()
    tables.diff_settings({"a": {"network": run.network, **run.config}, "b": {}})
    for metric in ("accuracy", "loss", "learning_rate"):
        tables.curves_table({run.name: run.load_history()}, metric, 0.0)
    return table.to_json() or ""


def list_harmed(runs: Path, harm: Harm) -> RunSummary:
    """Harm a run, and return it as it is listed beside the good one."""
    harm(runs / "harmed")
    found = {run.folder.name: run for run in list_runs(runs, runs / "none")}
    assert (found["good"].state, found["good"].best_accuracy, found["good"].is_damaged) == ("done", 0.2, False)
    for run in found.values():
        show(run)
    return found["harmed"]


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_named_and_the_other_runs_are_listed(runs: Path, harm: Harm) -> None:
    run = list_harmed(runs, harm)
    assert (run.is_damaged, run.state) == (True, "damaged")
    assert run.error is not None
    assert str(runs / "harmed") in run.error


@pytest.mark.parametrize("harm", ODD.values(), ids=ODD)
def test_an_odd_value_is_left_out(runs: Path, harm: Harm) -> None:
    run = list_harmed(runs, harm)
    assert not run.is_damaged
    run_listing.active_runs(runs)


@pytest.mark.skipif(sys.platform == "win32", reason="there every name can be decoded")
def test_a_folder_whose_name_cannot_be_decoded_is_listed(runs: Path) -> None:
    odd = os.fsencode(runs) + b"/\xff\xfe run"
    os.rename(runs / "harmed", odd)
    os.unlink(odd + b"/job.json")
    run = load_run(Path(os.fsdecode(odd)))
    assert run is not None
    assert run.name.encode() == b"run"
    show(run)


def test_things_that_are_no_runs_are_left_out(runs: Path) -> None:
    (runs / "a file").write_text("x")
    loop(runs / "a link to itself")
    (runs / "a link to nothing").symlink_to(runs / "nothing")
    (runs / "empty").mkdir()
    assert {run.folder.name for run in list_runs(runs, runs / "none")} == {"good", "harmed"}
