"""Altair charts of pandas tables: one function per chart; values are computed elsewhere."""

from emotion.charts.collections import plot_counts_over_time, plot_expression_counts, plot_folder_expressions
from emotion.charts.export import export_chart
from emotion.charts.faces import plot_group_shares, plot_movements, plot_scores
from emotion.charts.generation import plot_generator_history, plot_intervals, plot_strip_predictions
from emotion.charts.runs import (
    CELL_SELECTION,
    plot_class_metrics,
    plot_confusion_matrix,
    plot_coverage,
    plot_reliability_diagram,
    plot_robustness,
    plot_run_curves,
)
from emotion.charts.sweeps import plot_best_so_far, plot_importance, plot_parallel_coordinates, plot_run_coordinates
from emotion.charts.training import (
    plot_accuracy_history,
    plot_detector_metrics,
    plot_learning_rate,
    plot_prediction_history,
    plot_training_curve,
)
from emotion.charts.video import TIME_SELECTION, plot_expressions_over_time, plot_people_shares, plot_video_timeline
from emotion.charts.video_movements import plot_movement_curves, plot_smiles
from emotion.charts.video_scores import plot_score_curves, plot_video_comparison

__all__ = [
    "CELL_SELECTION",
    "TIME_SELECTION",
    "export_chart",
    "plot_accuracy_history",
    "plot_best_so_far",
    "plot_class_metrics",
    "plot_confusion_matrix",
    "plot_counts_over_time",
    "plot_coverage",
    "plot_detector_metrics",
    "plot_expression_counts",
    "plot_expressions_over_time",
    "plot_folder_expressions",
    "plot_generator_history",
    "plot_group_shares",
    "plot_importance",
    "plot_intervals",
    "plot_learning_rate",
    "plot_movement_curves",
    "plot_movements",
    "plot_parallel_coordinates",
    "plot_people_shares",
    "plot_prediction_history",
    "plot_reliability_diagram",
    "plot_robustness",
    "plot_run_coordinates",
    "plot_run_curves",
    "plot_score_curves",
    "plot_scores",
    "plot_smiles",
    "plot_strip_predictions",
    "plot_training_curve",
    "plot_video_comparison",
    "plot_video_timeline",
]
