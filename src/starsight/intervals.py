"""95 % intervals and P values that know that one reviewer's reviews are alike.

A percentile bootstrap over clusters (Davison and Hinkley 1997, Bootstrap Methods and their Application, 3.8 and 5.3):
whole reviewers are drawn with replacement, so ten reviews by one person do not count as ten independent witnesses. All
methods are measured on the same draws; what two methods find hard in common cancels out of their difference.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from starsight.errors import DataError
from starsight.metrics import Metric, Stars, Terms, errors, mae, mean_of, with_count

TAILS = (0.025, 0.975)
"""Quantiles of the draws at the ends of a 95 % interval."""

FEW_CLUSTERS = 30
"""From fewer reviewers than this, intervals tend to be too narrow (Cameron, Gelbach and Miller 2008, Bootstrap-Based
Improvements for Inference with Clustered Errors)."""

WORST_DECILE = 0.9
"""Quantile of the reviewers' own MAE; WILDS reports the 10th percentile of their accuracy (Koh et al. 2021)."""
MIN_REVIEWS_EACH = 2
"""Reviews that a reviewer needs to have an MAE of their own: one review says nothing of a person."""
MIN_REPEAT_REVIEWERS = 10
"""Of those reviewers, for the worst tenth of them to be a person."""

LEVEL = 0.05
"""P values below it are called more than chance."""

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

    @staticmethod
    def of(metrics: Mapping[str, float], name: str) -> "Estimate":
        """The estimate of that name among flat metrics."""
        return Estimate(metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"])


@dataclass(frozen=True)
class Difference(Estimate):
    """How much larger one method's number is than another's, on the same reviews."""

    p: float
    """Two-sided P value of no difference, 0 to 1."""

    @property
    def estimate(self) -> Estimate:
        """Without the P value."""
        return Estimate(self.value, self.low, self.high)

    def named(self, name: str) -> dict[str, float]:
        """As flat metrics: those of an estimate and ``name_p``."""
        return super().named(name) | {f"{name}_p": self.p}


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
        self._seed = seed
        self._cluster_of = number_clusters(clusters)
        self.n_reviews = len(self._cluster_of)
        self._cluster_sizes = np.bincount(self._cluster_of)
        self.n_clusters = len(self._cluster_sizes)
        if self.n_clusters < 2:
            raise DataError(
                f"an interval needs reviews by two reviewers or more; found {self.n_clusters}. Measure on more "
                "reviews: raise clean.split.test_share, or the section's own limit of reviews."
            )
        generator = np.random.default_rng(seed)
        # 16 bits hold any count met in practice (the largest of a draw is about 10) at a quarter of the memory
        self._counts = np.empty((draws, self.n_clusters), dtype=np.uint16)
        for draw in range(draws):
            drawn = generator.integers(self.n_clusters, size=self.n_clusters)
            self._counts[draw] = np.bincount(drawn, minlength=self.n_clusters)

    def measure(self, metric: Metric, stars_true: Stars, stars_pred: Stars) -> Estimate | None:
        """A metric of predictions; both ``(reviews,)``, in stars.

        Returns:
            None where the metric is not defined on these reviews, or on one of the draws: such reviews are too few, or
            too much the same, for an interval.
        """
        return _defined(*self._sampled(metric.terms(stars_true, stars_pred), metric.combine))

    def difference(self, metric: Metric, stars_true: Stars, stars_pred: Stars, rival_pred: Stars) -> Difference:
        """A metric of predictions minus that of a rival's, on the same draws: for an error, below 0 where the first is
        closer. The metric is one that is always defined."""
        value, draws = self._sampled(metric.terms(stars_true, stars_pred), metric.combine)
        rival_value, rival_draws = self._sampled(metric.terms(stars_true, rival_pred), metric.combine)
        estimate = _estimate(value - rival_value, draws - rival_draws)
        return Difference(estimate.value, estimate.low, estimate.high, two_sided_p(draws - rival_draws))

    def worst_decile(self, stars_true: Stars, stars_pred: Stars) -> Estimate | None:
        """MAE of the reviewer whom nine in ten reviewers fare better than, or as well, in stars.

        It is the 90th percentile of the reviewers' own MAE, among those of ``MIN_REVIEWS_EACH`` reviews or more.

        Returns:
            None where fewer than ``MIN_REPEAT_REVIEWERS`` of them are there, or a draw holds none.
        """
        mine = np.flatnonzero(self._cluster_sizes >= MIN_REVIEWS_EACH)
        if len(mine) < MIN_REPEAT_REVIEWERS:
            return None
        own_mae = self._by_cluster(np.abs(errors(stars_true, stars_pred))[:, None])[mine, 0] / self._cluster_sizes[mine]
        order = np.argsort(own_mae, kind="stable")
        own_mae, mine = own_mae[order], mine[order]
        draws = [_weighted_quantile(own_mae, counts[:, mine], WORST_DECILE) for counts in self._chunks()]
        value = _weighted_quantile(own_mae, np.ones((1, len(mine))), WORST_DECILE)
        return _defined(float(value[0]), np.concatenate(draws))

    @property
    def n_repeat_clusters(self) -> int:
        """Clusters of ``MIN_REVIEWS_EACH`` reviews or more."""
        return int((self._cluster_sizes >= MIN_REVIEWS_EACH).sum())

    def mean(self, values: Stars) -> Estimate:
        """Mean of ``values`` ``(reviews,)``."""
        if values.shape != (self.n_reviews,):
            raise ValueError(f"values of {self.n_reviews} reviews are needed; found the shape {values.shape}")
        return _estimate(*self._sampled(with_count(values), mean_of))

    def mean_over_seeds(self, values: Stars) -> Estimate:
        """Mean of ``values`` ``(seeds, reviews)``; each draw resamples the seeds too, as others give another mean."""
        means = [self._sampled(with_count(of_seed), mean_of) for of_seed in values]
        draws = np.stack([of_seed for _, of_seed in means])
        chosen = np.random.default_rng(self._seed).integers(len(draws), size=draws.shape)
        return _estimate(
            float(np.mean([mean for mean, _ in means])), np.take_along_axis(draws, chosen, axis=0).mean(axis=0)
        )

    def mae_difference(self, errors: Stars, rival: Stars) -> Difference:
        """MAE of the signed ``errors`` minus MAE of those of a ``rival``, each ``(reviews,)``, in stars."""
        return self.difference(mae, np.zeros(self.n_reviews), errors, rival)

    def _sampled(self, terms: Terms, combine: Callable[[Terms], NDArray[np.float64]]) -> tuple[float, Stars]:
        """What ``combine`` makes of the sums of ``terms`` ``(reviews, terms)`` over all reviews, and over each draw:
        ``(draws,)``."""
        if len(terms) != self.n_reviews:
            raise ValueError(f"terms of {self.n_reviews} reviews are needed; found {len(terms)}")
        by_cluster = self._by_cluster(terms)
        sums = np.concatenate([counts @ by_cluster for counts in self._chunks()])
        return float(combine(terms.sum(axis=0, keepdims=True))[0]), combine(sums)

    def _by_cluster(self, terms: Terms) -> Terms:
        """Sums of ``terms`` ``(reviews, terms)`` over the reviews of each cluster, ``(clusters, terms)``."""
        return np.column_stack(
            [np.bincount(self._cluster_of, weights=column, minlength=self.n_clusters) for column in terms.T]
        )

    def means_of_part(self, values: Stars, rows: NDArray[np.bool_]) -> Stars:
        """Mean of ``values`` over the ``rows`` of a part, both ``(reviews,)``, in each draw: ``(draws,)``.

        How many of its reviews a draw holds differs, so each is a ratio of two sums; NaN where it holds none.
        """
        with np.errstate(invalid="ignore"):
            return self._sampled(with_count(values) * rows[:, None], mean_of)[1]

    def _chunks(self) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(self._counts), CHUNK_DRAWS):
            yield self._counts[start : start + CHUNK_DRAWS].astype(np.float64)


def two_sided_p(draws: Stars) -> float:
    """P value of a difference of 0, from its values on resamples ``(draws,)``.

    Twice the share of the draws on the rarer side of 0, at most 1: the bootstrap's own probability of the null
    hypothesis (Liu and Singh 1997, Notions of Limiting P Values Based on Data Depth and Bootstrap), and the level at
    which the percentile interval reaches 0, so that the two never contradict each other but by one draw. The value
    itself counts as one more draw (Davison and Hinkley 1997, eq. 4.11), so that P is never 0.
    """
    rarer = min((draws <= 0).sum(), (draws >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(draws) + 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values of several comparisons, each raised so that the chance of even one false alarm stays at the level that
    it is held against (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure)."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def _weighted_quantile(values: Stars, weights: NDArray[np.float64], share: float) -> Stars:
    """The least of the ascending ``values`` with at least ``share`` of the weight at or below it, for each row of
    ``weights`` ``(samples, values)``: ``(samples,)``, NaN where nothing has any weight."""
    reached = weights.cumsum(axis=1)
    total = reached[:, -1:]
    place = (reached < share * total - 1e-9).sum(axis=1)  # the weights are whole numbers; 0.9 is no exact one
    return np.where(total[:, 0] > 0, values[np.minimum(place, len(values) - 1)], np.nan)


def number_clusters(clusters: Sequence[str | None]) -> NDArray[np.int64]:
    """A number from 0 for each cluster, ``(reviews,)``."""
    codes, known = pd.factorize(np.array(clusters, dtype=object))
    missing = codes < 0
    codes[missing] = len(known) + np.arange(missing.sum())
    return codes.astype(np.int64)


def _defined(value: float, draws: Stars) -> Estimate | None:
    """The estimate, unless the value or that of a draw is not defined."""
    return _estimate(value, draws) if np.isfinite(value) and np.isfinite(draws).all() else None


def _estimate(value: float, draws: Stars) -> Estimate:
    low, high = np.quantile(draws, TAILS)
    return Estimate(float(value), float(low), float(high))
