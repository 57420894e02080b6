"""Version, folders of the installation and of the workspace, and environment variables for imported packages.

`emotion` imports this module before all others: a package reads its environment variable once, when it is imported.
Jobs and other child processes inherit the values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from emotion.storage import PROJECT_ROOT

VERSION: Final = "2.0.0"  # the build of the package reads it here
WORKSPACE_VAR: Final = "EMOTION_WORKSPACE"
PUBLIC_VAR: Final = "EMOTION_PUBLIC"

# A wheel holds the models and the app within the package; in a checkout they are beside it.
_PACKAGE_FOLDER: Final = Path(__file__).resolve().parent
IS_INSTALLED: Final = (_PACKAGE_FOLDER / "_models").is_dir()
MODELS_FOLDER: Final = _PACKAGE_FOLDER / "_models" if IS_INSTALLED else PROJECT_ROOT / "models"
BUILTIN_CHECKSUMS: Final = MODELS_FOLDER / "SHA256SUMS"  # of the shipped networks
APP_FILE: Final = (_PACKAGE_FOLDER / "_app" if IS_INSTALLED else PROJECT_ROOT) / "app.py"


def get_workspace() -> Path:
    """Return the folder of runs, data and installed models.

    It is the one of EMOTION_WORKSPACE, else the checkout, else the user's data folder of the operating system.
    """
    if named := os.environ.get(WORKSPACE_VAR):
        return Path(named).absolute()
    if not IS_INSTALLED:
        return PROJECT_ROOT
    import platformdirs

    return platformdirs.user_data_path("emotion-studio", appauthor=False)


def is_public() -> bool:
    """Return whether the app is served to visitors who must not see each other's files nor folders of this machine."""
    return bool(os.environ.get(PUBLIC_VAR))


def set_workspace(folder: Path) -> None:
    """Use `folder` as the workspace of this process and its children.

    It has no effect on modules that are imported already, whose constants are folders of the workspace.
    """
    previous = get_workspace()
    os.environ[WORKSPACE_VAR] = str(folder.absolute())
    if os.environ.get("KERAS_HOME") == _get_keras_home(previous):
        os.environ["KERAS_HOME"] = _get_keras_home(get_workspace())


def _get_keras_home(workspace: Path) -> str:
    return str(workspace / "data" / "keras")


ENV_DEFAULTS: Final = {
    # Otherwise ONNX Runtime looks up a telemetry server and writes a device id to the home folder.
    "ORT_DISABLE_TELEMETRY": "1",
    # Settings of Keras and the ImageNet weights that it downloads; its default is in the home folder.
    "KERAS_HOME": _get_keras_home(get_workspace()),
}

for _name, _value in ENV_DEFAULTS.items():
    os.environ.setdefault(_name, _value)


def get_child_environment() -> dict[str, str]:
    """Return the environment of a child process that runs a module of the package, from any working folder."""
    python_path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
