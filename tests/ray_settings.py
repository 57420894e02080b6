"""The settings of Ray in tests: no statistics, and a cluster that takes commands only from those who know its token.

Ray reads them when it is imported, so all tests of a process have the same ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

RAY_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}


@pytest.fixture(scope="module", autouse=True)
def ray_settings() -> Iterator[None]:
    """Let this process use the clusters of these tests; import it into the modules that need it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in RAY_SETTINGS.items():
            patch.setenv(name, value)
        yield
