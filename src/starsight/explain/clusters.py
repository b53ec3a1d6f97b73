"""How sure a mean over reviews is where some are by the same reviewer: those are not independent."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from starsight.explain.words import Floats, Ints
from starsight.intervals import TAILS, Estimate, number_clusters


def reviewers_of(test: pd.DataFrame | None, n_reviews: int) -> Ints:
    """The number of the reviewer of each review, ``(reviews,)``; where none is named, a review is by one of its own."""
    named = test is not None and "user_id" in test
    return number_clusters(list(test["user_id"]) if test is not None and named else [None] * n_reviews)


def clustered_errors(influences: Floats, groups: Ints, clusters: Ints, n_groups: int) -> tuple[Floats, Ints]:
    """Standard errors of means whose terms come in clusters (Liang and Zeger 1986, Longitudinal Data Analysis Using
    Generalized Linear Models; with the factor G / (G - 1) of Cameron and Miller 2015, section II.B).

    With one term a cluster it is the usual error of a mean. It serves a difference of means, too: terms of what is
    taken away enter with the other sign, so that what the means share is accounted for.

    Args:
        influences: ``(terms,)``, what each adds to its group's mean: (value - mean) / n.
        groups: ``(terms,)``, 0 to ``n_groups`` - 1.
        clusters: ``(terms,)``, 0 or more.
        n_groups: How many means there are.

    Returns:
        Errors ``(groups,)``, NaN with fewer than two clusters, and the clusters of each group ``(groups,)``.
    """
    n_clusters = int(clusters.max(initial=0)) + 1
    pairs, place = np.unique(groups.astype(np.int64) * n_clusters + clusters, return_inverse=True)
    sums, group_of = np.bincount(place, influences, len(pairs)), pairs // n_clusters
    counts = np.bincount(group_of, minlength=n_groups)
    squares = np.bincount(group_of, sums**2, n_groups)
    correction = np.divide(counts, counts - 1, out=np.full(n_groups, np.nan), where=counts > 1)
    return np.sqrt(correction * squares), counts.astype(np.int64)


def half_widths(errors: Floats, n_clusters: Ints) -> Floats:
    """From standard errors to half the width of 95 % intervals, by Student's t with one degree less than clusters. One
    mean in forty of what does nothing still lies above 0 by chance, and as many below."""
    return np.asarray(stats.t.ppf(TAILS[1], np.maximum(n_clusters - 1, 1)) * errors, dtype=np.float64)


def student_p(values: Floats, errors: Floats, n_clusters: Ints) -> Floats:
    """P values of no effect, 0 to 1, by the same t."""
    # where all terms are the same, what is left of the error is rounding
    ratios = np.abs(values) / np.maximum(errors, 1e-12)
    return np.asarray(2 * stats.t.sf(ratios, np.maximum(n_clusters - 1, 1)), dtype=np.float64)


def clustered_mean(values: Floats, clusters: Sequence[str | None]) -> tuple[Estimate, float]:
    """Mean of ``values`` ``(reviews,)`` with its 95 % interval, and the P value of a mean of 0; NaN for all but the
    mean where the reviews are of fewer than two clusters."""
    numbers, mean = number_clusters(clusters), float(values.mean())
    groups = np.zeros(len(values), dtype=np.int64)
    errors, n_clusters = clustered_errors((values - mean) / len(values), groups, numbers, 1)
    margin = float(half_widths(errors, n_clusters)[0])
    p = float(student_p(np.array([mean]), errors, n_clusters)[0])
    return Estimate(mean, mean - margin, mean + margin), p
