"""DataFrame -> alt.Chart, one function per chart; nothing is computed here but places and words."""

from emotion.charts.faces import group_bar, live_lines, scores_bar
from emotion.charts.films import CAST_CLICK, cast_over_time, film_ribbons, people_bars
from emotion.charts.learning import detectors_dots, learning_curves
from emotion.charts.style import ink, named

__all__ = [
    "CAST_CLICK", "cast_over_time", "detectors_dots", "film_ribbons", "group_bar", "ink", "learning_curves",
    "live_lines", "named", "people_bars", "scores_bar",
]  # fmt: skip
