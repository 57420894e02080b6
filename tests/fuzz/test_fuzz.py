"""A sample of what `make fuzz` tries, and that what it looks for would be found."""

import sys
from pathlib import Path

import pytest

from tests.fuzz import watch as fuzz_watch
from tests.fuzz.corpus import bombs, originals, spoiled
from tests.fuzz.watch import Tried, watch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="THE FUZZ TESTS DID NOT RUN: they measure memory as Linux tells it"
    ),
]


def test_the_same_number_is_the_same_file_and_seldom_whole() -> None:
    files = [spoiled("images", 1, number) for number in range(200)]
    assert files == [spoiled("images", 1, number) for number in range(200)]
    assert files[len(bombs("images")) :] != [spoiled("images", 2, n) for n in range(len(bombs("images")), 200)]
    assert len({*files}) > 190
    assert len({*files} & {*originals("images")}) < 5


@pytest.mark.parametrize(("kind", "count"), [("images", 600), ("films", 40)])
def test_a_sample(kind: str, count: int) -> None:
    tried = watch(kind, 7, 0, count)
    assert tried.failed == []
    assert tried.count == count
    assert min(tried.read, tried.refused) > 0.05 * count, "both are met"


def test_the_control_fails() -> None:
    """A decoder without limits takes in the bombs, and dies of what it does not expect."""
    tried = watch("images", 7, 0, 40, how="bare")
    assert [line for line in tried.failed if "large" in line]
    assert [line for line in tried.failed if "Traceback" in line]
    assert tried.count == 40


def test_death_and_silence_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = tmp_path / "tests" / "fuzz"
    code.mkdir(parents=True)
    (code / "__init__.py").touch()
    (code / "child.py").write_text(
        "import json, os, sys, time\n"
        "for n in range(int(sys.argv[3]), int(sys.argv[4])):\n"
        "    print(json.dumps({'begins': n}), flush=True)\n"
        "    if n == 1: os.abort()\n"
        "    if n == 3: time.sleep(60)\n"
        "    print(json.dumps({'became': 'read', 'seconds': 0, 'megabytes': 0}), flush=True)\n"
    )
    monkeypatch.setattr(fuzz_watch, "ROOT", tmp_path)
    monkeypatch.setattr(fuzz_watch, "SECONDS", {"images": 0.25})
    tried = watch("images", 1, 0, 6)
    assert (tried.read, len(tried.failed)) == (4, 2)
    assert "1: the process died (-6)" in tried.failed[0]
    assert "3: no answer after 1 s" in tried.failed[1]


def test_what_counts_as_failed() -> None:
    tried = Tried()
    for became, seconds, megabytes in (
        ("read", 1, 10),
        ("refused", 4.9, 299),
        ("read", 5.1, 1),
        ("refused", 1, 301),
        ("fault", 1, 1),
    ):
        tried.add(tried.count, "images", {"became": became, "seconds": seconds, "megabytes": megabytes})
    assert (tried.read, tried.refused, len(tried.failed), tried.count) == (1, 1, 3, 5)
    assert (tried.slowest, tried.largest) == (5.1, 301)
