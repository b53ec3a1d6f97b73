"""How good predictions are: the only place with the formulas of the errors.

Each metric follows from sums over the reviews. So one matrix product gives its value on thousands of resamples, which
is how ``intervals`` finds out how sure it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from starsight.records import MAX_STARS, MIN_STARS, WHOLE_STARS, whole_stars

Stars = NDArray[np.float64]
"""Ratings or differences of ratings, ``(reviews,)``, in stars."""

Terms = NDArray[np.float64]
"""What a metric adds up: a row a review, ``(reviews, terms)``, or the sums of several samples, ``(samples, terms)``."""

NO_VARIANCE = 1e-12
"""A variance below this, in stars or in shares of the ranks, squared, is rounding: all values are the same."""


@dataclass(frozen=True)
class Metric:
    """A measure of predictions, called with true and predicted stars, each ``(reviews,)``.

    The call returns NaN where the measure is not defined, and raises ``ValueError`` where there are no reviews, or not
    one prediction a review.
    """

    name: str
    """Ends the names of its values, such as ``test_mae``."""
    terms: Callable[[Stars, Stars], Terms]
    """Terms ``(reviews, terms)`` of true and predicted stars."""
    combine: Callable[[Terms], NDArray[np.float64]]
    """Sums ``(samples, terms)`` to values ``(samples,)``; NaN where it is not defined."""
    squared: bool = False
    """Whether it measures squared errors, so that a rival may be given another answer to it than to the others."""
    higher_is_better: bool = False

    def __call__(self, stars_true: Stars, stars_pred: Stars) -> float:
        """Measure predictions; both ``(reviews,)``, in stars."""
        return float(self.combine(self.terms(stars_true, stars_pred).sum(axis=0, keepdims=True))[0])


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


def with_count(values: NDArray[np.float64] | NDArray[np.bool_]) -> Terms:
    """Terms of a mean: ``values`` ``(reviews,)`` and, for each review, 1."""
    return np.column_stack([values, np.ones(len(values))])


def mean_of(sums: Terms) -> NDArray[np.float64]:
    """Means ``(samples,)`` from the sums of ``with_count``."""
    means: NDArray[np.float64] = sums[:, 0] / sums[:, 1]
    return means


def _stars_apart(stars_true: Stars, stars_pred: Stars) -> Stars:
    """Whole stars between prediction and truth, both to the nearest of 1 to 5, ``(reviews,)``."""
    errors(stars_true, stars_pred)
    nearest = [np.clip(whole_stars(stars), MIN_STARS, MAX_STARS) for stars in (stars_true, stars_pred)]
    apart: Stars = np.abs(nearest[1] - nearest[0])
    return apart


def _absolute_errors_by_star(stars_true: Stars, stars_pred: Stars) -> Terms:
    """Absolute errors, then ones, each in the column of its true star: ``(reviews, 2 * stars)``."""
    absolute = np.abs(errors(stars_true, stars_pred))[:, None]
    in_star = np.clip(whole_stars(stars_true), MIN_STARS, MAX_STARS)[:, None] == np.array(WHOLE_STARS)
    return np.hstack([absolute * in_star, in_star])


def _mean_over_stars(sums: Terms) -> NDArray[np.float64]:
    """Mean of the errors of the stars that are there."""
    absolute, counts = np.split(sums, 2, axis=1)
    there = counts > 0
    by_star = np.divide(absolute, counts, out=np.zeros_like(absolute), where=there)
    means: NDArray[np.float64] = by_star.sum(axis=1) / there.sum(axis=1)
    return means


def _skill_terms(stars_true: Stars, stars_pred: Stars) -> Terms:
    squares = np.square(errors(stars_true, stars_pred))
    centred = stars_true - np.mean(stars_true)  # the variance of small numbers is exact
    return np.column_stack([with_count(squares), centred, np.square(centred)])


def _skill(sums: Terms) -> NDArray[np.float64]:
    squares, centred, centred_squares = (sums[:, column] / sums[:, 1] for column in (0, 2, 3))
    return 1 - squares / _defined(centred_squares - centred**2)


def _rank_terms(stars_true: Stars, stars_pred: Stars) -> Terms:
    """Ranks among all the reviews as shares, 0 in the middle, ties sharing theirs; their squares and products."""
    errors(stars_true, stars_pred)
    of_true, of_pred = ((rankdata(stars) - (len(stars) + 1) / 2) / len(stars) for stars in (stars_true, stars_pred))
    return np.column_stack([with_count(of_true), of_pred, of_true**2, of_pred**2, of_true * of_pred])


def _correlation(sums: Terms) -> NDArray[np.float64]:
    of_true, of_pred, true_squares, pred_squares, products = (
        sums[:, column] / sums[:, 1] for column in (0, 2, 3, 4, 5)
    )
    spread = _defined(true_squares - of_true**2) * _defined(pred_squares - of_pred**2)
    return (products - of_true * of_pred) / np.sqrt(spread)


def _defined(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variances, NaN where all values are the same."""
    return np.where(variances > NO_VARIANCE, variances, np.nan)


mae = Metric("mae", lambda true, pred: with_count(np.abs(errors(true, pred))), mean_of)
"""Mean absolute error, in stars. The constant that makes it least is the median of the true stars."""

rmse = Metric(
    "rmse",
    lambda true, pred: with_count(np.square(errors(true, pred))),
    lambda sums: np.sqrt(mean_of(sums)),
    squared=True,
)
"""Root of the mean squared error, in stars. The constant that makes it least is the mean of the true stars."""

accuracy = Metric(
    "accuracy", lambda true, pred: with_count(_stars_apart(true, pred) == 0), mean_of, higher_is_better=True
)
"""Share of the reviews whose prediction, to the nearest whole star, is the star that was given."""

within_one = Metric(
    "within_one", lambda true, pred: with_count(_stars_apart(true, pred) <= 1), mean_of, higher_is_better=True
)
"""Share of the reviews whose prediction, to the nearest whole star, is at most one star away."""

macro_mae = Metric("macro_mae", _absolute_errors_by_star, _mean_over_stars)
"""Mean over the true stars of the MAE of each, in stars: every star counts the same, however rare (Baccianella, Esuli
and Sebastiani 2009, Evaluation Measures for Ordinal Regression). A star without a review is not in the mean."""

skill = Metric("skill", _skill_terms, _skill, squared=True, higher_is_better=True)
"""1 - MSE / variance of the true stars: 1 is perfect, 0 is no better than their mean, below 0 is worse. Not defined
where all true stars are the same. It is the mean squared error skill score of Murphy 1988 against the sample's mean."""

spearman = Metric("spearman", _rank_terms, _correlation, higher_is_better=True)
"""Spearman's rank correlation, -1 to 1. On a resample it is the correlation of the ranks among all the reviews: nothing
is ranked anew. Not defined where all predictions, or all true stars, are the same."""

METRICS = (mae, rmse, macro_mae, skill, accuracy, within_one, spearman)
"""All of them."""
