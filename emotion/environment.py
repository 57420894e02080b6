"""Environment variables for the packages that this program loads: they report nothing and write nothing at home.

A package reads its variable once, while it is loaded, so `emotion` imports this module before all others; jobs and
other child processes inherit the values. A variable that is set already keeps its value.
"""

from __future__ import annotations

import os
from typing import Final

from emotion.storage import PROJECT_ROOT

ENV_DEFAULTS: Final = {
    # Otherwise ONNX Runtime looks up a telemetry server and writes a device id to the home folder.
    "ORT_DISABLE_TELEMETRY": "1",
    # Settings of Keras and the ImageNet weights that it fetches when asked to; its default is in the home folder.
    "KERAS_HOME": str(PROJECT_ROOT / "data" / "keras"),
}

for _name, _value in ENV_DEFAULTS.items():
    os.environ.setdefault(_name, _value)
