"""A sample of what `make fuzz` tries, and proof that violations are detected."""

import sys
from pathlib import Path

import pytest

from tests.fuzz import monitor
from tests.fuzz.corpus import count_bombs, make_damaged_file, originals
from tests.fuzz.large_videos import FILMS, MAX_MEGABYTES, measure_analysis
from tests.fuzz.monitor import FuzzJob, FuzzResult, run_monitored

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="THE FUZZ TESTS DID NOT RUN: they read memory from /proc"),
]


def test_damaged_files_are_repeatable_and_different() -> None:
    files = [make_damaged_file("images", 1, index) for index in range(200)]
    assert files == [make_damaged_file("images", 1, index) for index in range(200)]
    first = count_bombs("images")
    assert files[first:] != [make_damaged_file("images", 2, index) for index in range(first, 200)]
    assert len({*files}) > 190
    assert len({*files} & {*originals("images")}) < 5


@pytest.mark.parametrize(("kind", "count"), [("images", 600), ("videos", 40)])
def test_a_sample_has_no_violation(kind: str, count: int) -> None:
    result = run_monitored(FuzzJob(kind, 7, 0, count))
    assert result.violations == []
    assert result.count == count
    assert min(result.num_decoded, result.num_refused) > 0.05 * count, "both outcomes occur"


def test_a_decoder_without_limits_has_violations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "TIMEOUT_FACTOR", 60)  # a bomb takes long on a busy machine, and is to be measured
    start = count_bombs("images") - 1  # one bomb, since Pillow spends minutes on all of them
    result = run_monitored(FuzzJob("images", 7, start, start + 15, "bare"))
    assert [line for line in result.violations if "large" in line]
    assert [line for line in result.violations if "Traceback" in line]
    assert result.count == 15


def test_the_analysis_of_a_4k_video_takes_bounded_memory(tmp_path: Path) -> None:
    """With images of full size in memory, it would take 1,200 MB."""
    (film,) = (film for film in FILMS if film.name == "4K")
    megabytes = measure_analysis(film.write(tmp_path))
    assert megabytes is not None
    assert 100 < megabytes < MAX_MEGABYTES


def test_crashes_and_timeouts_are_detected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "tests" / "fuzz"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "child.py").write_text(
        "import json, os, sys, time\n"
        "for index in range(int(sys.argv[3]), int(sys.argv[4])):\n"
        "    print(json.dumps({'begins': index}), flush=True)\n"
        "    if index == 1: os.abort()\n"
        "    if index == 3: time.sleep(60)\n"
        "    print(json.dumps({'outcome': 'decoded', 'seconds': 0, 'megabytes': 0}), flush=True)\n"
    )
    monkeypatch.setattr(monitor, "ROOT", tmp_path)
    monkeypatch.setattr(monitor, "MAX_SECONDS", {"images": 0.25})
    result = run_monitored(FuzzJob("images", 1, 0, 6))
    assert (result.num_decoded, len(result.violations)) == (4, 2)
    assert "1: the process died (-6)" in result.violations[0]
    assert "3: no answer after 1 s" in result.violations[1]


def test_slow_large_and_faulty_outcomes_are_violations() -> None:
    result = FuzzResult()
    for outcome, seconds, megabytes in (
        ("decoded", 1, 10),
        ("refused", 4.9, 299),
        ("decoded", 5.1, 1),
        ("refused", 1, 301),
        ("fault", 1, 1),
    ):
        result.add(result.count, "images", {"outcome": outcome, "seconds": seconds, "megabytes": megabytes})
    assert (result.num_decoded, result.num_refused, len(result.violations), result.count) == (1, 1, 3, 5)
    assert (result.max_seconds, result.max_megabytes) == (5.1, 301)
