"""The app with a demo of few frames and a short mirror game: python -m tests.browser.light_app [STREAMLIT OPTION ...].

Browser, server and test share the processors, and a demo of 30 frames per second takes most of two of them.
"""

from __future__ import annotations

import sys
import time

from emotion.cli.commands.app import run_app
from emotion.demo.camera import SyntheticFacesCamera
from emotion.live import game
from emotion.media.image_array import ImageArray

FRAME_SECONDS = 0.1  # of the demo, which skips frames where they take long to draw
NUM_ROUNDS = 1  # of nine seconds each


class SlowCamera(SyntheticFacesCamera):
    """Takes its time for each frame."""

    def frame_at(self, timestamp: float) -> ImageArray:
        time.sleep(FRAME_SECONDS)
        return super().frame_at(timestamp)


if __name__ == "__main__":
    from emotion.demo import camera

    # Not the modules of the page: streamlit-webrtc has to be imported in a run of a page.
    camera.SyntheticFacesCamera = SlowCamera
    assert hasattr(game, "NUM_ROUNDS")
    game.NUM_ROUNDS = NUM_ROUNDS
    run_app(sys.argv[1:])
