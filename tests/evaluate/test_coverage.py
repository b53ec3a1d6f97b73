"""What the page and the metrics say of intervals and probabilities."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from starsight.evaluate.coverage import expected_calibration_error, measure_coverage
from starsight.intervals import ClusterBootstrap
from starsight.model.calibration import Calibration
from starsight.model.predictor import Predictions
from starsight.pages import _environment

TRUE = np.array([1.0, 3.0, 5.0, 5.0, 5.0, 4.0])
PREDICTIONS = Predictions(
    stars=np.array([2.9, 3.1, 4.5, 4.8, 4.9, 4.7]),
    low=np.array([2.0, 2.1, 4.0, 4.4, 4.8, 4.2]),
    high=np.array([3.8, 4.1, 5.0, 5.0, 5.0, 5.0]),
)
CALIBRATION = Calibration(coverage=0.9, edges=(), half_widths=(0.9,), n_reviews=1500, chose_the_epoch=False)
BOOTSTRAP = ClusterBootstrap(["a", "a", "b", "c", "d", "e"], draws=200, seed=0)
SCALED = CALIBRATION.model_copy(update={"temperature": 2.0})
DISTRIBUTION = np.random.default_rng(0).dirichlet(np.ones(5), 6)


def measure(predictions=PREDICTIONS, calibration=CALIBRATION):
    return measure_coverage(TRUE, predictions, calibration, BOOTSTRAP)


def measure_distribution():
    scaled = SCALED.scaled(DISTRIBUTION)
    return measure(replace(PREDICTIONS, distribution=DISTRIBUTION, probabilities=scaled), SCALED)


def test_coverage_is_counted_overall_and_for_each_true_star():
    metrics = measure().metrics
    assert metrics["interval_coverage"] == pytest.approx(4 / 6)
    assert metrics["interval_coverage_low"] < 4 / 6 < metrics["interval_coverage_high"]
    assert metrics["interval_coverage_stated"] == 0.9
    assert metrics["interval_width"] == pytest.approx((1.8 + 2.0 + 1.0 + 0.6 + 0.2 + 0.8) / 6)
    shares = {star: metrics.get(f"interval_coverage_stars_{star}") for star in (1, 2, 3, 4, 5)}
    assert shares == {1: 0.0, 2: None, 3: 1.0, 4: 0.0, 5: 1.0}
    assert metrics["interval_coverage_stars_5_n"] == 3
    assert not [name for name in metrics if name.startswith("ece")]
    assert json.dumps(metrics, allow_nan=False)


def test_the_ends_belong_to_the_interval():
    assert measure(Predictions(TRUE, TRUE, TRUE)).metrics["interval_coverage"] == 1


def test_predictions_are_grouped_by_size_with_their_true_means():
    generator = np.random.default_rng(1)
    stars = generator.uniform(1, 5, 1000)
    true = np.clip(np.round(stars), 1, 5)
    bootstrap = ClusterBootstrap([None] * 1000, draws=100, seed=0)
    coverage = measure_coverage(true, Predictions(stars, stars - 0.25, stars + 0.25), CALIBRATION, bootstrap)
    table = coverage.by_prediction
    assert list(table["n_reviews"]) == [100] * 10
    assert table["stars_pred"].is_monotonic_increasing
    np.testing.assert_allclose(table["stars_true"], table["stars_pred"], atol=0.25)
    np.testing.assert_allclose(table["width"], 0.5)
    assert table["coverage"].mean() == pytest.approx(coverage.metrics["interval_coverage"])
    assert [series.name for series in coverage.chart.series] == ["true", "predicted"]
    assert len(coverage.chart.series[0].marks) == 10


def test_the_calibration_error_of_probabilities_that_are_right_is_small_and_of_boasts_is_what_they_boast():
    generator = np.random.default_rng(2)
    probabilities = generator.dirichlet([1, 1, 2, 4, 8], 50_000)
    true = 1.0 + (probabilities.cumsum(axis=1) < generator.random((50_000, 1))).sum(axis=1)
    stars = probabilities @ np.arange(1.0, 6.0)
    assert expected_calibration_error(true, stars, probabilities) < 0.01
    sure_of_five = np.tile([0.0, 0.0, 0.0, 0.0, 1.0], (50_000, 1))
    error = expected_calibration_error(true, np.full(50_000, 5.0), sure_of_five)
    assert error == pytest.approx(1 - (true == 5).mean())


def test_the_calibration_error_asks_about_the_rounded_star():
    # the mean of these is 3, which has no probability; the two likeliest stars are not asked about
    probabilities = np.array([[0.5, 0.0, 0.0, 0.0, 0.5]])
    assert expected_calibration_error(np.array([3.0]), np.array([3.0]), probabilities) == 1
    assert expected_calibration_error(np.array([5.0]), np.array([3.0]), probabilities) == 0


def test_probabilities_are_measured_before_and_after_scaling():
    metrics = measure_distribution().metrics
    assert metrics["temperature"] == 2
    for name, probabilities in (("ece_before", DISTRIBUTION), ("ece_after", SCALED.scaled(DISTRIBUTION))):
        assert metrics[name] == expected_calibration_error(TRUE, PREDICTIONS.stars, probabilities)
    assert metrics["ece_before"] != metrics["ece_after"]


def as_text(coverage):
    page = _environment().from_string(
        "{% from 'coverage.html' import coverage_section %}{{ coverage_section(coverage) }}"
    )
    return re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>|<[^>]+>", " ", page.render(coverage=coverage), flags=re.DOTALL))


def test_the_page_says_in_words_how_often_intervals_hold():
    text = as_text(measure())
    assert "hold the reviewer’s stars 90 times in 100. On the test reviews 66.7 % of the intervals do" in text
    assert "Measured on 1,500 validation reviews that were used for nothing else" in text
    assert "temperature" not in text


def test_the_page_says_where_the_reviews_had_chosen_the_epoch():
    text = as_text(measure(calibration=CALIBRATION.model_copy(update={"chose_the_epoch": True})))
    assert "the intervals were measured on the 1,500 that chose the epoch" in text


def test_the_page_of_a_distribution_tells_of_its_probabilities():
    assert "after scaling by a temperature of 2.00" in as_text(measure_distribution())
