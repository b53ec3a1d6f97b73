"""What a model must beat to be worth its cost: the best constants, and linear regression on simpler features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from starsight.errors import DataError
from starsight.metrics import Metric, Stars, mae, rmse
from starsight.progress import Bar, progress
from starsight.records import MAX_STARS, MIN_STARS, WHOLE_STARS

WORD_PATTERN = r"(?u)\b\w+(?:['’]\w+)?\b|[!?]"
"""Words, didn't as one, and the two marks that carry feeling: each lowered the validation error."""

TOLERANCE = 1e-3
"""Relative, of the conjugate gradients: at 1e-4 the errors are the same to the fourth decimal, at half the speed."""


@dataclass(frozen=True)
class RidgePredictions:
    """What ridge predicts for the test reviews, and how it was chosen."""

    stars_pred: Stars
    """``(reviews,)``, in stars, of the regression with the least MAE on validation."""
    stars_pred_rmse: Stars
    """``(reviews,)``, in stars, of the regression with the least RMSE on validation."""
    alpha: float
    """Strength with the least MAE."""
    alpha_rmse: float
    """Strength with the least RMSE."""


def best_constant(metric: Metric, train_stars: Stars) -> float:
    """The best that can be said of a review without reading it, in stars: the median, the mean or the whole star that
    does best on the training reviews ``(reviews,)``; the median where the metric is not defined for constants."""
    candidates = [float(np.median(train_stars)), float(np.mean(train_stars)), *map(float, WHOLE_STARS)]
    values = np.array([metric(train_stars, np.full(len(train_stars), each)) for each in candidates])
    if np.isnan(values).all():
        return candidates[0]
    return candidates[int(np.nanargmax(values) if metric.higher_is_better else np.nanargmin(values))]


def true_stars(reviews: pd.DataFrame) -> Stars:
    """Those that the reviewers gave, ``(reviews,)``."""
    return reviews["stars"].to_numpy(dtype=np.float64)


def ridge_on_reviews(
    train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, alphas: Sequence[float]
) -> RidgePredictions:
    """``ridge_predictions`` for clean reviews, by their ``text_clean`` and ``stars``."""
    return ridge_predictions(
        list(train["text_clean"]),
        true_stars(train),
        list(validation["text_clean"]),
        true_stars(validation),
        list(test["text_clean"]),
        alphas,
    )


def ridge_predictions(
    train_texts: Sequence[str],
    train_stars: Stars,
    validation_texts: Sequence[str],
    validation_stars: Stars,
    test_texts: Sequence[str],
    alphas: Sequence[float],
) -> RidgePredictions:
    """Predict stars by ridge regression on TF-IDF weights of words and pairs of words.

    The rival is given its best for each metric: the strength is chosen on validation for MAE and for RMSE apart.

    Args:
        train_texts: Reviews to learn from.
        train_stars: ``(reviews,)``, in stars.
        validation_texts: Reviews to choose the strength on.
        validation_stars: ``(reviews,)``, in stars.
        test_texts: Reviews to predict.
        alphas: Strengths to try, each a penalty on the squared weights.

    Raises:
        DataError: no word stands in two of the training reviews.
    """
    with progress("ridge on word counts", total=len(alphas) + 3, unit="steps") as bar:
        words = TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=WORD_PATTERN, dtype=np.float32
        )
        try:
            train = words.fit_transform(train_texts)
        except ValueError:  # its words are about pruning and vocabularies
            raise DataError(
                f"no word stands in two of the {len(train_texts):,} training reviews: there is nothing to learn from "
                "their words. Are they texts? Raise finetune.max_train_reviews, or bring more reviews."
            ) from None
        bar.update()
        validation = words.transform(validation_texts)
        bar.update()
        test = words.transform(test_texts)
        bar.update()
        ridges = [Ridge(alpha=alpha, solver="sparse_cg", tol=TOLERANCE) for alpha in alphas]
        return _best_ridge(ridges, train, train_stars, validation, validation_stars, test, bar)


def ridge_on_states(
    train_states: NDArray[np.float32],
    train_stars: Stars,
    validation_states: NDArray[np.float32],
    validation_stars: Stars,
    test_states: NDArray[np.float32],
    alphas: Sequence[float],
) -> RidgePredictions:
    """Predict stars by ridge regression on a network's states ``(reviews, width)``, each standardised on the training
    reviews; else as ``ridge_predictions``."""
    with progress("ridge on states", total=len(alphas), unit="steps") as bar:
        scaler = StandardScaler().fit(train_states)
        train, validation, test = map(scaler.transform, (train_states, validation_states, test_states))
        ridges = [Ridge(alpha=alpha) for alpha in alphas]
        return _best_ridge(ridges, train, train_stars, validation, validation_stars, test, bar)


def _best_ridge(
    ridges: Sequence[Ridge],
    train: Any,
    train_stars: Stars,
    validation: Any,
    validation_stars: Stars,
    test: Any,
    bar: Bar,
) -> RidgePredictions:
    """What the regression that does best on validation predicts for the test reviews, for each of the two errors."""
    scores: list[tuple[float, float]] = []
    predictions: list[Stars] = []
    for ridge in ridges:
        ridge.fit(train, train_stars)
        on_validation = _clip(ridge.predict(validation))
        scores.append((mae(validation_stars, on_validation), rmse(validation_stars, on_validation)))
        predictions.append(_clip(ridge.predict(test)))
        bar.update()
    least_mae, least_rmse = np.argmin(scores, axis=0)
    return RidgePredictions(
        stars_pred=predictions[least_mae],
        stars_pred_rmse=predictions[least_rmse],
        alpha=ridges[least_mae].alpha,
        alpha_rmse=ridges[least_rmse].alpha,
    )


def _clip(stars: Stars) -> Stars:
    return np.clip(np.asarray(stars, dtype=np.float64), MIN_STARS, MAX_STARS)
