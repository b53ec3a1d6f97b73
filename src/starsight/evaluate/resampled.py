"""The corrected resampled t-test: what a few folds can say, though their training reviews overlap."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from starsight.intervals import TAILS, Difference


def nadeau_bengio(values: ArrayLike, n_train: float, n_test: float) -> Difference:
    """Mean of one value a fold, such as the difference of two models' errors, with interval and P value.

    Folds are not independent: what they learn from is largely the same. Hence the variance of the mean is taken to be
    ``(1/k + n_test/n_train) S²`` in place of ``S²/k``, where ``S²`` is the variance of the values, and the t
    distribution has ``k - 1`` degrees of freedom (Nadeau and Bengio 2003, Inference for the Generalization Error,
    section 4.2; for cross-validation Bouckaert and Frank 2004, Evaluating the Replicability of Significance Tests for
    Comparing Learning Algorithms, section 3.2).

    Args:
        values: ``(folds,)``.
        n_train: Reviews that a fold learns from.
        n_test: Reviews that a fold is measured on.

    Raises:
        ValueError: fewer than two folds.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"one value a fold is needed, of two folds or more; found the shape {values.shape}")
    k, mean = len(values), float(values.mean())
    error = float(np.sqrt((1 / k + n_test / n_train) * values.var(ddof=1)))
    low, high = (mean + float(stats.t.ppf(tail, k - 1)) * error for tail in TAILS)
    if error == 0:  # all folds say the same
        return Difference(mean, mean, mean, float(mean == 0))
    return Difference(mean, low, high, float(2 * stats.t.sf(abs(mean) / error, k - 1)))
