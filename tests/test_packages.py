"""The lists of dependencies agree, and the container image holds what the app needs."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def pinned_versions(file: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in PINNED.findall((ROOT / file).read_text())}


def read_ranges(file: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_tested_versions_are_within_the_ranges(file: str) -> None:
    tested = pinned_versions("constraints.txt")
    for requirement in read_ranges(file):
        version = tested[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(Version(version), prereleases=True), f"{requirement}: {version}"


def test_the_package_requires_the_same_ranges() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    cluster = extras.pop("cluster")  # only the tests need it
    assert {str(Requirement(text)) for text in cluster} <= {str(r) for r in read_ranges("requirements-dev.txt")}
    required = [*project["dependencies"], *chain(*extras.values())]
    assert {str(Requirement(text)) for text in required} == {str(r) for r in read_ranges("requirements.txt")}
    assert len(required) == len(set(required))


def test_locked_versions_are_the_tested_ones() -> None:
    locked, tested = pinned_versions("requirements.lock"), pinned_versions("constraints.txt")
    assert {canonicalize_name(requirement.name) for requirement in read_ranges("requirements.txt")} <= set(locked)
    assert {name: version for name, version in locked.items() if tested.get(name) != version} == {}, "make lock"


def test_every_locked_file_has_a_hash() -> None:
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text().split("\n", 2)[2])
    assert len(blocks) == len(pinned_versions("requirements.lock"))
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_container_image_holds_what_the_app_needs_and_nothing_else() -> None:
    """Read the Dockerfile as `docker build` does; no container engine is needed."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert {word for word, _ in steps} == {
        "ARG",
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
    assert order.index("USER") < order.index("CMD"), "the app must not run as root"
    assert {"app.py", "pages", "emotion", "models"} <= copied
