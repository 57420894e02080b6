from __future__ import annotations

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from emotion.storage import PROJECT_ROOT
from tools.audit_dependencies import LOCK_FILE, read_lock
from tools.list_licenses import TABLE_FILE, Row, find_libraries, format_table, read_row

NOTICES = (PROJECT_ROOT / "THIRD_PARTY.md").read_text()


def test_the_page_lists_every_locked_package() -> None:
    rows = re.findall(r"^\| ([\w.-]+) \| (\S+) \| (.+?) \|", TABLE_FILE.read_text(), re.MULTILINE)
    listed = {name: version for name, version, _ in rows if name not in ("package", "---")}
    assert listed == read_lock(LOCK_FILE.read_text()), "make licenses"


def test_a_license_is_what_the_package_states() -> None:
    assert read_row("click", "8.5.1").license == "BSD-3-Clause"  # in a license expression
    assert read_row("certifi", "1").license == "Mozilla Public License 2.0 (MPL 2.0)"  # in a classifier
    assert read_row("no-such-package", "1").license == "installed on other systems only"


def test_libraries_are_named_without_hash_and_version() -> None:
    files = ["av.libs/libx264-d6533a8d.so.165", "a.libs/libb.so", "a/libc.so", "a.libs/libx264-00000000.so.1", "a.py"]
    assert find_libraries(files) == ("b", "x264")


def test_a_package_is_a_row() -> None:
    table = format_table([Row("av", "18", "BSD-3-Clause", ("x264", "x265"))])
    assert table.endswith("| av | 18 | BSD-3-Clause | x264, x265 |\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the notices are about the wheels for Linux")
def test_the_notices_name_what_the_wheels_carry() -> None:
    carriers = {
        name
        for name, version in read_lock(LOCK_FILE.read_text()).items()
        if {"x264", "x265"} & set(read_row(name, version).libraries)
    }
    assert carriers == {"av", "pillow-heif"}
    for name in carriers:
        (row,) = re.findall(rf"^\| `{name}` .*\n(?:\| +\|.*\n)*", NOTICES, re.MULTILINE)
        assert "**x265**" in row
        assert "**GPL 2" in row


@pytest.mark.skipif(sys.platform != "linux", reason="the notices are about the wheels for Linux")
@pytest.mark.parametrize(
    ("name", "built_as", "noted"),
    [
        ("av", b"LGPL version 3 or later", "built as LGPL 3 or later"),
        ("opencv-python-headless", b"LGPL version 2.1 or later", "built as LGPL 2.1 or later"),
    ],
)
def test_the_notices_name_the_license_that_ffmpeg_states(name: str, built_as: bytes, noted: str) -> None:
    (codec,) = [file for file in distribution(name).files or () if Path(file).name.startswith("libavcodec")]
    assert b"libavcodec license: " + built_as in Path(str(codec.locate())).read_bytes()
    assert re.search(rf"^\| `{name}` .*{noted}", NOTICES, re.MULTILINE)
