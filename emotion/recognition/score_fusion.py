"""Fuse the score of the detector and the face probability of the classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_MAX_LOGIT: Final = 6.0  # logit: beyond that a witness says nothing more
# Share of the least score that the mean of both scores must reach, and the classifier's score below which nothing is a
# face. At a least score of 0.6, they leave out 10 of the 21 false boxes and 27 of the 497 faces from 20 pixels on 790
# held-out and empty training photos.
_MIN_MEAN_RATIO: Final = 3 / 4
_MIN_FACE_PROB: Final = 0.05
_PROPOSAL_RATIO: Final = (
    1 / 3
)  # share of the least score of a face from which a box is worth a look of the second witness


@dataclass(frozen=True)
class ScoreFusion:
    """A logistic regression over both logits, limited by the mean of both scores.

    The limit keeps one certain score from overruling a very low one. With a `detector_weight` of 0 the face probability
    of the classifier is the result.
    """

    detector_weight: float = 0.0
    classifier_weight: float = 1.0
    bias: float = 0.0

    def fuse(self, detection_score: float, face_prob: float) -> float:
        """Fuse the detector's score and the classifier's face probability, both 0 to 1, into a score from 0 to 1."""
        if not self.detector_weight:
            return face_prob
        fused = 1 / (
            1
            + math.exp(
                -(self.detector_weight * logit(detection_score) + self.classifier_weight * logit(face_prob) + self.bias)
            )
        )
        return min(fused, (detection_score + face_prob) / 2 / _MIN_MEAN_RATIO) if face_prob >= _MIN_FACE_PROB else 0.0

    def min_proposal_score(self, threshold: float) -> float:
        """The detector's score from which a box may reach `threshold`."""
        return threshold * _PROPOSAL_RATIO if self.detector_weight else threshold


def logit(probability: float) -> float:
    """log(p / (1 - p)), at most 6 and at least -6."""
    edge = 1 / (1 + math.exp(_MAX_LOGIT))
    probability = min(1 - edge, max(edge, probability))
    return math.log(probability / (1 - probability))
