"""The three lists of packages say the same, and what they name can be installed without a compiler."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
EXACT = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def exact(file: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in EXACT.findall((ROOT / file).read_text())}


def ranges(file: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_the_tested_versions_lie_in_the_ranges(file: str) -> None:
    tested = exact("constraints.txt")
    for wanted in ranges(file):
        version = tested[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(Version(version), prereleases=True), f"{wanted}: {version}"


def test_the_locked_versions_are_the_tested_ones() -> None:
    locked, tested = exact("requirements.lock"), exact("constraints.txt")
    assert {canonicalize_name(wanted.name) for wanted in ranges("requirements.txt")} <= set(locked)
    assert {name: version for name, version in locked.items() if tested.get(name) != version} == {}, "make lock"


def test_every_locked_file_has_a_hash() -> None:
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text().split("\n", 2)[2])
    assert len(blocks) == len(exact("requirements.lock"))
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_image_gets_what_the_app_needs_and_nothing_else() -> None:
    """No engine runs here; this reads the recipe as `docker build` would."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert {word for word, _ in steps} == {
        "FROM",
        "ENV",
        "WORKDIR",
        "RUN",
        "COPY",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "CMD",
    }
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {what.split()[0] for word, what in steps if word == "COPY"}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    order = [word for word, _ in steps]
    assert order.index("USER") < order.index("CMD"), "it does not run as root"
    assert {"app.py", "pages", "emotion", "models"} <= copied
