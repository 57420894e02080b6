"""The order of the numbers that a features network gives for a face."""

from __future__ import annotations

from typing import Final

from emotion.movements import MOVEMENTS, NUM_POINTS

# The output "values": x and y of each point in sides of the crop, yaw, pitch and roll in degrees, movements 0 to 1.
POINTS: Final = slice(0, 2 * NUM_POINTS)
POSE: Final = slice(2 * NUM_POINTS, 2 * NUM_POINTS + 3)
MOVES: Final = slice(2 * NUM_POINTS + 3, 2 * NUM_POINTS + 3 + len(MOVEMENTS))
NUM_VALUES: Final = MOVES.stop
# The output "log_errors": logarithms of the expected absolute errors in the same units, one for each point.
POINT_ERRORS: Final = slice(0, NUM_POINTS)
POSE_ERRORS: Final = slice(NUM_POINTS, NUM_POINTS + 3)
MOVE_ERRORS: Final = slice(NUM_POINTS + 3, NUM_POINTS + 3 + len(MOVEMENTS))
NUM_ERRORS: Final = MOVE_ERRORS.stop
VALUES_OUTPUT, ERRORS_OUTPUT, FACE_OUTPUT = "values", "log_errors", "face"
