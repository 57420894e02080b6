"""The videos of the visitor whose page is run."""

from __future__ import annotations

from emotion.environment import is_public
from emotion.errors import EmotionError
from emotion.translation.messages import gettext as _
from emotion.ui.visitors import identity
from emotion.video import library
from emotion.video.space import VideoSpace, VisitorQuota


def get_video_space() -> VideoSpace:
    """Return the videos that this visitor may see: all on a private server, their own on a public one.

    Raises:
        EmotionError: The browser sent no id.
    """
    if not is_public():
        return VideoSpace(library.VIDEOS_FOLDER)
    key = identity.get_key()
    if not key:
        raise EmotionError(
            _(
                "This browser sent no cookie, and without one your videos cannot be kept apart from those of others: "
                "allow cookies for this site and load the page again. The server must be started by `emotion app`."
            )
        )
    return VideoSpace(library.VIDEOS_FOLDER, key, VisitorQuota.from_environment())
