from typing import Any

import pytest

from emotion.ui.datasets import agreement


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"selection": {"agreement": [{"row": 2, "column": 8}]}}, (2, 8)),
        ({"selection": {"agreement": [{"row": 7, "column": 0}]}}, None),
        ({"selection": {"agreement": [{"row": 0, "column": -1}]}}, None),
        ({"selection": {"agreement": [{"row": "x", "column": 1}]}}, None),
        ({"selection": {"agreement": [{}]}}, None),
        ({"selection": {"agreement": []}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_click_in_the_agreement_matrix_selects_its_cell(
    selection: Any, chosen: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"data_agreement": selection}
    monkeypatch.setattr(agreement, "state", state)
    agreement._on_cell_click()
    assert (state.get("data_agreement_label"), state.get("data_agreement_majority")) == (chosen or (None, None))
