"""Connect to a Ray cluster, which reports nothing to its makers and opens no dashboard."""

from __future__ import annotations

import os
import socket
import sys
from types import ModuleType
from typing import Any, Final

from emotion.environment import IS_INSTALLED, WORKSPACE_VAR, get_workspace
from emotion.errors import JobError
from emotion.storage import PROJECT_ROOT

_LOCAL_ADDRESS: Final = "127.0.0.1"  # of a cluster that is started for one run: it opens no port to the network
_CLIENT_SCHEME: Final = "ray://"
_CONNECT_SECONDS: Final = 10.0
_OFF: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_RECORD_ACTOR_TASK_LOGGING": "0"}


def connect_cluster(address: str | None, num_cores: int | None) -> ModuleType:
    """Connect this process to a cluster; it is disconnected by `ray.shutdown()`.

    Args:
        address: "auto", HOST:PORT or ray://HOST:PORT; None starts a cluster on this machine.
        num_cores: Of a cluster that is started; None for all.

    Returns:
        The module ray.

    Raises:
        JobError: Ray is not installed, the cluster cannot be reached, or it has no core.
    """
    os.environ.update(_OFF)  # before Ray is imported, which reads them then
    try:
        import ray
    except ImportError as error:
        raise JobError(
            "The engine ray needs the package ray: install it with `pip install emotion-studio[cluster]`, or use the "
            "engine local."
        ) from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": _make_environment()}
    if address is None:
        options |= {"num_cpus": num_cores, "include_dashboard": False, "_node_ip_address": _LOCAL_ADDRESS}
        address = "local"
    try:
        _check_reachable(address)
        ray.init(address=address, **options)
    except Exception as error:
        # No list of types: connection errors of gRPC, timeouts and mismatched versions have no common class.
        raise JobError(
            f"No Ray cluster can be used at {address} ({first_line(error)}): start one with `ray start`, and install "
            "the same versions of Python and Ray on all machines."
        ) from error
    if ray.cluster_resources().get("CPU", 0) < 1:
        raise JobError(f"The cluster at {address} has no core: add a machine with `ray start`.")
    return ray


def _check_reachable(address: str) -> None:
    """Raise OSError where nothing listens at an address: Ray itself would try for minutes."""
    host, separator, port = address.removeprefix(_CLIENT_SCHEME).rpartition(":")
    if separator and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _make_environment() -> dict[str, Any]:
    """Return the environment of the actors: this checkout, where the package is not installed, and no telemetry."""
    variables = dict(_OFF)
    if not IS_INSTALLED:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
        variables[WORKSPACE_VAR] = str(get_workspace())
    if sys.flags.utf8_mode:
        variables["PYTHONUTF8"] = "1"
    return {"env_vars": variables}


def first_line(error: Exception) -> str:
    """Return the first line of the message of an error, without a full stop."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
