"""Reasons why a label is uncertain: English text in results and files, translated where a page shows it."""

from __future__ import annotations

import re
from typing import Final

from emotion.expressions import translate_label
from emotion.translation.messages import gettext as _
from emotion.translation.messages import gettext_noop

HARDLY_A_FACE: Final = gettext_noop("hardly a face")
SMALL: Final = gettext_noop("small: {width} pixels wide")
TURNED: Final = gettext_noop("turned to the side")
DARK: Final = gettext_noop("dark")
BLURRED: Final = gettext_noop("blurred")
RIVALS: Final = gettext_noop("between {first} and {second}")
LOW_CONFIDENCE: Final = gettext_noop("low confidence")
NOT_CLASSIFIED: Final = gettext_noop("not classified yet")


def translate_reason(reason: str) -> str:
    """Return a reason, as `Face.uncertainty_reason` has it, in the language of the page."""
    for template in (SMALL, RIVALS):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(template))
        if match := re.fullmatch(pattern, reason):
            values = {name: translate_label(value) for name, value in match.groupdict().items()}
            return _(template).format(**values)
    return _(reason)
