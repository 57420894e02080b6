"""A process with a low priority."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

LOWER = """
import psutil
from emotion.jobs.process_resources import lower_priority
lower_priority()
print(psutil.Process().nice())
"""
LOWEST_NICENESS = 19


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are classes there")
def test_the_process_yields_to_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", LOWER], cwd=ROOT, capture_output=True, text=True, check=True)
    own = psutil.Process().nice()
    assert int(done.stdout) > own or own == LOWEST_NICENESS
