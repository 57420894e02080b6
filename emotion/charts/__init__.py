"""DataFrame -> alt.Chart, one function per chart; nothing is computed here but places and words."""

from emotion.charts.export import chart_file
from emotion.charts.faces import group_bar, live_lines, scores_bar
from emotion.charts.generation import intervals, learning_lines, seen_along
from emotion.charts.runs import (  # fmt: skip
    CELL_CLICK,
    class_dots,
    confusion_heat,
    coverage_curve,
    reliability_curve,
    run_curves,
    stress_curve,
)
from emotion.charts.training import (  # fmt: skip
    answers_over_epochs,
    detectors_dots,
    learning_curves,
    lesson_curve,
    rate_curve,
)
from emotion.charts.video import CAST_CLICK, cast_over_time, film_ribbons, people_bars

__all__ = [
    "CAST_CLICK",
    "CELL_CLICK",
    "answers_over_epochs",
    "cast_over_time",
    "chart_file",
    "class_dots",
    "confusion_heat",
    "coverage_curve",
    "detectors_dots",
    "film_ribbons",
    "group_bar",
    "intervals",
    "learning_curves",
    "learning_lines",
    "lesson_curve",
    "live_lines",
    "people_bars",
    "rate_curve",
    "reliability_curve",
    "run_curves",
    "scores_bar",
    "seen_along",
    "stress_curve",
]  # fmt: skip
