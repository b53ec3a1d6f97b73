"""Whether intervals hold as often as they say, and whether predictions mean what they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from starsight.evaluate.charts import Chart, make_chart
from starsight.intervals import ClusterBootstrap, Estimate
from starsight.metrics import Stars
from starsight.model.calibration import Calibration
from starsight.model.predictor import Predictions
from starsight.records import WHOLE_STARS, whole_stars

N_CONFIDENCES: Final = 15
"""Groups behind the expected calibration error, as in Guo et al. 2017."""
N_PREDICTIONS: Final = 10
"""Groups of predicted stars on the page."""


@dataclass(frozen=True)
class Coverage:
    """What the test reviews say of the intervals, and of the predictions that they are around."""

    metrics: dict[str, float]
    """Flat; see ``measure_coverage``."""
    by_star: pd.DataFrame
    """One row a whole number of true stars: ``stars``, ``n_reviews``, ``coverage`` and ``width`` (mean, in stars)."""
    by_prediction: pd.DataFrame
    """One row a tenth of the reviews, by predicted stars: ``stars_pred`` and ``stars_true`` (means), and as above."""
    calibration: Calibration

    @property
    def estimate(self) -> Estimate:
        """Share of the intervals that hold the reviewer's stars."""
        return Estimate.of(self.metrics, "interval_coverage")

    @property
    def chart(self) -> Chart:
        """Predicted and true stars: where the lines part, predictions of that size are too high or too low."""
        return make_chart(
            "True stars, by predicted stars",
            "predicted stars",
            [f"{stars:.2f}" for stars in self.by_prediction["stars_pred"]],
            {"true": list(self.by_prediction["stars_true"]), "predicted": list(self.by_prediction["stars_pred"])},
        )


def measure_coverage(
    stars_true: Stars, predictions: Predictions, calibration: Calibration, bootstrap: ClusterBootstrap
) -> Coverage:
    """Count how many intervals hold the true stars ``(reviews,)``, overall and for whom.

    Args:
        stars_true: ``(reviews,)``, in stars.
        predictions: Of the same reviews.
        calibration: What the predictions' intervals were made with.
        bootstrap: Draws over the reviewers of the same reviews.

    Returns:
        Among them, as metrics: ``interval_coverage`` with ``_low`` and ``_high``, ``interval_coverage_stated``,
        ``interval_width`` (mean, in stars), ``interval_coverage_stars_<k>`` and ``..._n`` of the reviews that gave
        ``k`` stars; where there are probabilities, ``ece_before`` and ``ece_after`` scaling, and ``temperature``.
    """
    held = (predictions.low <= stars_true) & (stars_true <= predictions.high)
    table = pd.DataFrame(
        {
            "stars_true": stars_true,
            "stars_pred": predictions.stars,
            "held": held,
            "width": predictions.high - predictions.low,
        }
    )
    by_star = _summary(table.assign(stars=whole_stars(stars_true)), "stars").drop(columns=["stars_true", "stars_pred"])
    metrics = bootstrap.mean(held.astype(np.float64)).named("interval_coverage") | {
        "interval_coverage_stated": calibration.coverage,
        "interval_width": float(table["width"].mean()),
    }
    for star, coverage, n_reviews in zip(by_star["stars"], by_star["coverage"], by_star["n_reviews"], strict=True):
        metrics |= {f"interval_coverage_stars_{star}": coverage, f"interval_coverage_stars_{star}_n": n_reviews}
    metrics |= _measure_probabilities(stars_true, predictions, calibration)
    places = np.empty(len(table), dtype=np.int64)
    places[np.argsort(predictions.stars, kind="stable")] = np.arange(len(table)) * N_PREDICTIONS // len(table)
    by_prediction = _summary(table.assign(tenth=places), "tenth").drop(columns="tenth")
    return Coverage(metrics, by_star, by_prediction, calibration)


def calibration_table(coverage: Coverage | None) -> pd.DataFrame:
    """``Coverage.by_prediction`` for plots; only its header where there are no intervals."""
    columns = ["stars_pred", "stars_true", "n_reviews", "coverage", "width"]
    return coverage.by_prediction[columns] if coverage else pd.DataFrame(columns=columns)


def expected_calibration_error(stars_true: Stars, stars_pred: Stars, probabilities: NDArray[np.float64]) -> float:
    """How far, on average, the probability of the rounded star is from how often it is the true one; 0 to 1.

    Guo et al. 2017, eq. 3, over 15 groups of reviews of like probability, of the same size each: theirs are of the same
    width, and nearly empty where a model is seldom unsure (Nixon et al. 2019).

    Args:
        stars_true: ``(reviews,)``, rounded to whole stars here.
        stars_pred: ``(reviews,)``, rounded in the same way: the star that is asked about, at any temperature.
        probabilities: ``(reviews, 5)``.
    """
    star = whole_stars(stars_pred)
    confidence = probabilities[np.arange(len(star)), star - WHOLE_STARS[0]]
    gap = (star == whole_stars(stars_true)) - confidence
    groups = np.array_split(np.argsort(confidence, kind="stable"), min(N_CONFIDENCES, len(star)))
    return float(sum(abs(gap[rows].sum()) for rows in groups) / len(star))


def _measure_probabilities(
    stars_true: Stars, predictions: Predictions, calibration: Calibration
) -> Mapping[str, float]:
    if predictions.distribution is None or predictions.probabilities is None or calibration.temperature is None:
        return {}
    return {
        "ece_before": expected_calibration_error(stars_true, predictions.stars, predictions.distribution),
        "ece_after": expected_calibration_error(stars_true, predictions.stars, predictions.probabilities),
        "temperature": calibration.temperature,
    }


def _summary(table: pd.DataFrame, by: str) -> pd.DataFrame:
    return table.groupby(by, as_index=False).agg(
        stars_pred=("stars_pred", "mean"),
        stars_true=("stars_true", "mean"),
        n_reviews=("held", "size"),
        coverage=("held", "mean"),
        width=("width", "mean"),
    )
