"""Tones of HDR videos: reference values of ITU-R BT.2100, BT.2390 and BT.2408."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.media.containers.tone_mapping import HLG, PQ, is_high_dynamic_range, map_tones

# Encoded values of 8 bits: black, a face in the shade (20 nits), in the light (60 nits), reference white, 1000 nits.
ENCODED = {PQ: [0, 91, 117, 148, 192], HLG: [0, 87, 136, 191, 255]}


def gray(*values: int) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)[None, :, None].repeat(3, 2)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_faces_keep_their_brightness_and_lights_are_compressed(transfer: int) -> None:
    black, shade, light, white, peak = map_tones(gray(*ENCODED[transfer]), transfer)[0, :, 0].tolist()
    assert black == 0
    assert shade == pytest.approx(255 * (20 / 203) ** (1 / 2.4), abs=4)
    assert light == pytest.approx(255 * (60 / 203) ** (1 / 2.4), abs=4)
    assert 215 < white < 240
    assert peak == 255


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_tones_rise_and_gray_stays_gray(transfer: int) -> None:
    mapped = map_tones(gray(*range(256)), transfer)[0].astype(int)
    assert (np.diff(mapped[:, 0]) >= 0).all()
    assert np.ptp(mapped, axis=1).max() <= 1


def test_colors_of_the_wide_gamut_become_more_saturated() -> None:
    red, green, blue = map_tones(np.array([[[120, 90, 90]]], np.uint8), PQ)[0, 0].tolist()
    plain = map_tones(gray(120, 90), PQ)[0, :, 0].tolist()
    assert red > plain[0]
    assert max(green, blue) < plain[1]


def test_other_transfers_are_left_alone() -> None:
    assert [transfer for transfer in range(20) if is_high_dynamic_range(transfer)] == [PQ, HLG]
