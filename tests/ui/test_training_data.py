from emotion.datasets.label_sets import LABEL_SETS
from emotion.ui.training.data import format_label_mapping


def test_label_mapping_is_described() -> None:
    assert format_label_mapping(LABEL_SETS["own"], None).endswith("those of the data set\\.")
    assert format_label_mapping(LABEL_SETS["four"], None).count("happy") == 1
    assert "votes" in format_label_mapping(LABEL_SETS["ferplus"], None)
