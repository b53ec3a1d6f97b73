"""Stars to the model's scale and back: one place, so that training, serving and explaining agree."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Number = TypeVar("Number", float, Tensor, NDArray[np.float32])


@dataclass(frozen=True)
class StarScale:
    """The model's score is in spreads from the mean of the training stars: 0 is an average review.

    A head whose output starts near 0 then starts at the mean, instead of spending its first epochs on walking there.
    """

    mean: float
    """Mean of the training stars."""
    spread: float
    """Their standard deviation; 1 where all are the same."""

    @classmethod
    def fit(cls, stars: NDArray[np.floating]) -> "StarScale":
        """Measure the scale on training stars ``(reviews,)``."""
        return cls(mean=float(stars.mean()), spread=float(stars.std()) or 1.0)

    def to_score(self, stars: Number) -> Number:
        """Stars to the model's scale."""
        return (stars - self.mean) / self.spread

    def to_stars(self, score: Number) -> Number:
        """The model's scale to stars; not cut to 1-5, so that contributions still add up."""
        return score * self.spread + self.mean


STARS_AS_THEY_ARE = StarScale(mean=0.0, spread=1.0)
"""The head's output read directly as stars: the paper's model before fine-tuning."""
