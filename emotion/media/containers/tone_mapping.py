"""Convert frames with a high dynamic range (PQ and HLG in BT.2020) to the range and the colors of a screen.

A gray value that a screen shows at reference white keeps its brightness up to the knee; what is brighter is compressed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

# FFmpeg's numbers of transfer characteristics.
PQ: Final = 16
HLG: Final = 18

_PEAK_NITS: Final = 1000.0  # of the screens on which most videos are graded; brighter values are clipped
_WHITE_NITS: Final = 203.0  # reference white of both, ITU-R BT.2408
_PQ_MAX_NITS: Final = 10_000.0
_PQ_M1, _PQ_M2 = 2610 / 16384, 2523 / 32  # ITU-R BT.2100, table 4
_PQ_C1, _PQ_C2, _PQ_C3 = 3424 / 4096, 2413 / 128, 2392 / 128
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073  # ITU-R BT.2100, table 5
_HLG_SYSTEM_GAMMA: Final = 1.2  # on a screen of 1000 nits
_SCREEN_GAMMA: Final = 2.4  # ITU-R BT.1886

# ITU-R BT.2087. Applied to encoded values: exact for gray, and within 1% for skin, at a fifth of the time.
_BT2020_TO_BT709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def is_high_dynamic_range(transfer: int) -> bool:
    """Return whether frames of that transfer characteristic need `map_tones`."""
    return transfer in (PQ, HLG)


def map_tones(image: NDArray[np.uint8], transfer: int) -> NDArray[np.uint8]:
    """Convert a frame to the range and the primaries of BT.709.

    Args:
        image: RGB uint8 (H, W, 3), encoded by `transfer` with the primaries of BT.2020.
        transfer: `PQ` or `HLG`.

    Returns:
        RGB uint8 (H, W, 3).
    """
    mapped = cv2.LUT(image, _build_curve(transfer))
    return cv2.transform(mapped, _BT2020_TO_BT709, dst=mapped)  # type: ignore[return-value]


@lru_cache
def _build_curve(transfer: int) -> NDArray[np.uint8]:
    """Return the screen values, uint8 (256,), of encoded values of 8 bits."""
    encoded = np.linspace(0, 1, 256)
    nits = _decode_pq(encoded) if transfer == PQ else _decode_hlg(encoded)
    screen = np.clip(_compress(nits) / _WHITE_NITS, 0, 1) ** (1 / _SCREEN_GAMMA)
    return np.rint(255 * screen).astype(np.uint8)


def _compress(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map 0 to `_PEAK_NITS` to 0 to `_WHITE_NITS` by the knee of ITU-R BT.2390, section 5.4.1."""
    peak, white = (float(_encode_pq(np.array(value))) for value in (_PEAK_NITS, _WHITE_NITS))
    values = np.clip(_encode_pq(nits) / peak, 0, 1)
    maximum = white / peak
    knee = 1.5 * maximum - 0.5
    t = np.clip((values - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * maximum
    return _decode_pq(np.where(values < knee, values, spline) * peak)


def _decode_pq(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    power = encoded ** (1 / _PQ_M2)
    return _PQ_MAX_NITS * (np.maximum(power - _PQ_C1, 0) / (_PQ_C2 - _PQ_C3 * power)) ** (1 / _PQ_M1)


def _encode_pq(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    power = (nits / _PQ_MAX_NITS) ** _PQ_M1
    return ((_PQ_C1 + _PQ_C2 * power) / (1 + _PQ_C3 * power)) ** _PQ_M2


def _decode_hlg(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    scene = np.where(encoded <= 0.5, encoded**2 / 3, (np.exp((encoded - _HLG_C) / _HLG_A) + _HLG_B) / 12)
    return _PEAK_NITS * scene**_HLG_SYSTEM_GAMMA
