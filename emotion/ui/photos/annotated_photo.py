"""An analyzed photo without selection; for pages that start before the chart library is imported."""

from __future__ import annotations

from emotion.faces import Face
from emotion.formatting import format_pair
from emotion.ui import components, session
from emotion.ui.photos import photo_cache


def show_annotated_photo(content: bytes, name: str, *, key: str, alt_text: str) -> tuple[Face, ...]:
    """Analyze a photo and show it without selection.

    Args:
        content: The bytes of the file.
        name: Name of the photo in error messages.
        key: Key of the component.
        alt_text: What the image is; the counts of the expressions are appended.

    Returns:
        Its faces.
    """
    settings = session.get_settings()
    analysis = photo_cache.analyze_photo(content, name)
    faces = analysis.apply_min_confidence(settings.analyzer_settings.min_confidence)
    components.show_annotated_image(
        analysis,
        faces,
        key=key,
        alt_text=format_pair(alt_text, components.format_counts(faces)),
        anonymize=settings.anonymize,
    )
    return faces
