"""Fuse the score of the detector with the face probability of the classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_MAX_LOGIT: Final = 6.0  # limits the influence of a single saturated score
# Fraction of the threshold that the mean of both scores must reach, and the minimum face probability of the classifier.
# At a threshold of 0.6, they exclude 10 of the 21 false boxes and 27 of the 497 faces of at least 20 pixels on 790
# photos (held-out ones and training ones without faces).
_MIN_MEAN_RATIO: Final = 3 / 4
_MIN_FACE_PROB: Final = 0.05
# Fraction of the threshold that the score of a box must reach to be passed to the classifier.
_PROPOSAL_RATIO: Final = 1 / 3


@dataclass(frozen=True)
class ScoreFusion:
    """Logistic regression over the logits of both scores, limited by the mean of both scores.

    The limit prevents a high score from overriding a very low one.

    Attributes:
        detector_weight: Weight of the logit of the detector's score; with 0, the result is the face probability.
        classifier_weight: Weight of the logit of the classifier's face probability.
        bias: Constant term of the regression.
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
        """Return the minimum score of a detection to pass to the classifier for a fused score of `threshold`."""
        return threshold * _PROPOSAL_RATIO if self.detector_weight else threshold


def logit(probability: float) -> float:
    """Return log(p / (1 - p)), limited to -6 to 6."""
    edge = 1 / (1 + math.exp(_MAX_LOGIT))
    probability = min(1 - edge, max(edge, probability))
    return math.log(probability / (1 - probability))
