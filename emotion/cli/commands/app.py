"""The command `emotion app`: start the Streamlit app."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Sequence

import click

from emotion.cli.click_extensions import StudioCommand
from emotion.environment import APP_FILE
from emotion.errors import EmotionError


@click.command(cls=StudioCommand, context_settings={"ignore_unknown_options": True})
@click.argument("streamlit_options", nargs=-1, type=click.UNPROCESSED)
def app(streamlit_options: tuple[str, ...]) -> None:
    """Start the app in the browser.

    STREAMLIT_OPTIONS are passed on, as in `emotion app --server.port 8502`.
    """
    run_app(streamlit_options)


def run_app(streamlit_options: Sequence[str]) -> None:
    """Run the Streamlit server until it is interrupted.

    Raises:
        EmotionError: Streamlit is not installed.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise EmotionError("The app needs Streamlit; install it by pip install 'emotion-studio[app]'.")
    sys.argv = ["streamlit", "run", str(APP_FILE), *streamlit_options]
    runpy.run_module("emotion.ui.server", run_name="__main__", alter_sys=True)
