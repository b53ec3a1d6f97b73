"""95 % intervals that know that one reviewer's reviews are alike.

A percentile bootstrap over clusters (Davison and Hinkley 1997, Bootstrap Methods and their Application, 3.8 and 5.3):
whole reviewers are drawn with replacement, so ten reviews by one person do not count as ten independent witnesses. All
methods are measured on the same draws; what two methods find hard in common cancels out of their difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from starsight.errors import DataError
from starsight.metrics import Stars

TAILS = (0.025, 0.975)
"""Quantiles of the draws at the ends of a 95 % interval."""

CHUNK_DRAWS = 128
"""Draws multiplied at a time, in float64: 128 x 4,000 clusters are 4 MB."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval, all in the same unit."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies above or below 0; 0 where chance alone may explain the value."""
        return int(self.low > 0) - int(self.high < 0)

    def named(self, name: str) -> dict[str, float]:
        """As flat metrics: ``name``, ``name_low``, ``name_high``."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    @classmethod
    def of(cls, metrics: Mapping[str, float], name: str) -> "Estimate":
        """The estimate of that name among flat metrics."""
        return cls(metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"])


class ClusterBootstrap:
    """Resamples of the clusters, drawn once and used for every method.

    Args:
        clusters: Whose review each one is, ``(reviews,)``; a missing id is a cluster of its own.
        draws: Resamples.
        seed: Same seed and clusters, same draws.

    Raises:
        DataError: fewer than two clusters, which say nothing about how others differ.
    """

    def __init__(self, clusters: Sequence[str | None], *, draws: int, seed: int) -> None:
        self._cluster_of = _number_clusters(clusters)
        self.n_reviews = len(self._cluster_of)
        self.n_clusters = int(self._cluster_of.max(initial=-1)) + 1
        if self.n_clusters < 2:
            raise DataError(f"an interval needs reviews by two reviewers or more; found {self.n_clusters}.")
        generator = np.random.default_rng(seed)
        # 16 bits hold any count met in practice (the largest of a draw is about 10) at a quarter of the memory
        self._counts = np.empty((draws, self.n_clusters), dtype=np.uint16)
        for draw in range(draws):
            drawn = generator.integers(self.n_clusters, size=self.n_clusters)
            self._counts[draw] = np.bincount(drawn, minlength=self.n_clusters)
        self._n_drawn = self._total(np.ones(self.n_reviews))

    def mean(self, values: Stars) -> Estimate:
        """Mean of ``values`` ``(reviews,)``."""
        return _estimate(values.mean(), self._means(values))

    def mae(self, errors: Stars) -> Estimate:
        """Mean absolute error of the signed ``errors`` ``(reviews,)``, in stars."""
        return self.mean(np.abs(errors))

    def rmse(self, errors: Stars) -> Estimate:
        """Root of the mean squared error of the signed ``errors`` ``(reviews,)``, in stars."""
        squares = np.square(errors)
        return _estimate(np.sqrt(squares.mean()), np.sqrt(self._means(squares)))

    def mae_difference(self, errors: Stars, rival: Stars) -> Estimate:
        """MAE of ``errors`` minus MAE of ``rival``, in stars: below 0 where the first method is closer."""
        return self.mean(np.abs(errors) - np.abs(rival))

    def rmse_difference(self, errors: Stars, rival: Stars) -> Estimate:
        """RMSE of ``errors`` minus RMSE of ``rival``, in stars, on the same draws."""
        squares, rival_squares = np.square(errors), np.square(rival)
        return _estimate(
            np.sqrt(squares.mean()) - np.sqrt(rival_squares.mean()),
            np.sqrt(self._means(squares)) - np.sqrt(self._means(rival_squares)),
        )

    def _means(self, values: Stars) -> Stars:
        """Mean of ``values`` in each draw, ``(draws,)``."""
        if values.shape != (self.n_reviews,):
            raise ValueError(f"values of {self.n_reviews} reviews are needed; found the shape {values.shape}")
        return self._total(values) / self._n_drawn

    def _total(self, values: Stars) -> Stars:
        """Sum of ``values`` in each draw, ``(draws,)``."""
        sums = np.bincount(self._cluster_of, weights=values, minlength=self.n_clusters)
        return np.concatenate([counts @ sums for counts in self._chunks()])

    def _chunks(self) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(self._counts), CHUNK_DRAWS):
            yield self._counts[start : start + CHUNK_DRAWS].astype(np.float64)


def _number_clusters(clusters: Sequence[str | None]) -> NDArray[np.int64]:
    """A number from 0 for each cluster, ``(reviews,)``."""
    codes, known = pd.factorize(np.array(clusters, dtype=object))
    missing = codes < 0
    codes[missing] = len(known) + np.arange(missing.sum())
    return codes.astype(np.int64)


def _estimate(value: float, draws: Stars) -> Estimate:
    low, high = np.quantile(draws, TAILS)
    return Estimate(float(value), float(low), float(high))
