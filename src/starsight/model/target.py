"""Stars to the model's scale and back: one place, so that training, serving and explaining agree."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from starsight.records import MAX_STARS, MIN_STARS, WHOLE_STARS

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
    shares: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)
    """Shares of 1 to 5 stars among them, none of them 0: where a head of five outputs starts."""

    @classmethod
    def fit(cls, stars: NDArray[np.floating]) -> "StarScale":
        """Measure the scale on training stars ``(reviews,)``; each share counts one review more than there is."""
        counts = spread_stars(torch.tensor(stars, dtype=torch.float64)).sum(dim=0) + 1
        shares = tuple((counts / counts.sum()).tolist())
        return cls(mean=float(stars.mean()), spread=float(stars.std()) or 1.0, shares=shares)

    def to_score(self, stars: Number) -> Number:
        """Stars to the model's scale."""
        return (stars - self.mean) / self.spread

    def to_stars(self, score: Number) -> Number:
        """The model's scale to stars; not cut to 1-5, so that contributions still add up."""
        return score * self.spread + self.mean


STARS_AS_THEY_ARE = StarScale(mean=0.0, spread=1.0)
"""The head's output read directly as stars: the paper's model before fine-tuning."""


def spread_stars(stars: Tensor) -> Tensor:
    """Stars ``(batch,)`` as shares of 1 to 5 stars ``(batch, 5)`` with the same mean: 3.5 is half a 3 and half a 4.

    Stars below 1 or above 5 count as 1 or 5.
    """
    return (1 - (stars.clamp(MIN_STARS, MAX_STARS)[:, None] - stars.new_tensor(WHOLE_STARS)).abs()).clamp(min=0)
