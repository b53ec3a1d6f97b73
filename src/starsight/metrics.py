"""How far predictions are from the truth, in stars: the only place with the formulas of the errors."""

import numpy as np
from numpy.typing import NDArray

Stars = NDArray[np.float64]
"""Ratings or differences of ratings, ``(reviews,)``, in stars."""


def errors(stars_true: Stars, stars_pred: Stars) -> Stars:
    """Signed errors ``(reviews,)``, in stars: above 0 where the prediction is too high.

    Raises:
        ValueError: no reviews, or not one prediction a review.
    """
    stars_true, stars_pred = np.asarray(stars_true, dtype=float), np.asarray(stars_pred, dtype=float)
    if stars_true.ndim != 1 or stars_true.shape != stars_pred.shape:
        raise ValueError(f"one prediction a review is needed; found {stars_pred.shape} for {stars_true.shape} reviews")
    if not len(stars_true):
        raise ValueError("there are no reviews to measure on")
    return stars_pred - stars_true


def mae(stars_true: Stars, stars_pred: Stars) -> float:
    """Mean absolute error, in stars. The constant that makes it least is the median of the true stars."""
    return float(np.abs(errors(stars_true, stars_pred)).mean())


def rmse(stars_true: Stars, stars_pred: Stars) -> float:
    """Root of the mean squared error, in stars. The constant that makes it least is the mean of the true stars."""
    return float(np.sqrt(np.square(errors(stars_true, stars_pred)).mean()))
