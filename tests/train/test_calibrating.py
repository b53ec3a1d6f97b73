"""Intervals hold as often as they say on reviews that nobody has seen, whatever the errors look like."""

import numpy as np
import pytest

from starsight.model.calibration import Calibration, at_temperature
from starsight.train.calibration import (
    MAX_GROUPS,
    MIN_GROUP_REVIEWS,
    calibrate,
    fit_temperature,
    group_edges,
    half_width,
)

SEED = 5


def calibrated(stars_true, stars, coverage=0.9, distribution=None):
    return calibrate(stars_true, stars, distribution, coverage=coverage, chose_the_epoch=False)


def draw_reviews(n, generator, too_high=0.0):
    """Whole stars, mostly fives, around predictions that are the less sure the lower they are; some surprise anyone."""
    stars = 5.0 - generator.gamma(1.2, 0.6, n)
    noise = generator.normal(size=n) * (0.3 + 0.45 * np.clip(5 - stars, 0, 3))
    surprise = (generator.random(n) < 0.1) * generator.integers(0, 3, n)
    return np.clip(np.round(stars + noise) - surprise, 1, 5), stars + too_high


def held(calibration, stars_true, stars):
    low, high = calibration.intervals(stars)
    return (low <= stars_true) & (stars_true <= high)


# 0.6 puts half of the predictions above 5: cut there, they would be one tie, and 93 % and more would be covered
@pytest.mark.parametrize("too_high", [0.0, 0.6])
@pytest.mark.parametrize(("n", "coverage"), [(200, 0.9), (2000, 0.9), (2000, 0.8)])
def test_intervals_hold_as_often_as_they_say_on_new_whole_stars(n, coverage, too_high):
    generator = np.random.default_rng(SEED)
    shares = []
    for _ in range(200):
        calibration = calibrated(*draw_reviews(n, generator, too_high), coverage)
        shares.append(held(calibration, *draw_reviews(2000, generator, too_high)).mean())
    assert coverage - 0.005 <= np.mean(shares) <= coverage + 0.02
    by_chance = (coverage * (1 - coverage) * (1 / n + 1 / 2000)) ** 0.5
    assert np.std(shares) == pytest.approx(by_chance, rel=0.2)


def test_nine_in_ten_of_all_calibrations_on_2000_reviews_cover_88_to_92_percent():
    generator = np.random.default_rng(SEED)
    shares = [
        held(calibrated(*draw_reviews(2000, generator)), *draw_reviews(4000, generator)).mean() for _ in range(200)
    ]
    assert np.mean([0.88 <= share <= 0.92 for share in shares]) >= 0.9


def test_intervals_hold_for_low_predictions_as_for_high_ones_and_are_wider_there():
    generator = np.random.default_rng(SEED)
    calibration = calibrated(*draw_reviews(20_000, generator))
    stars_true, stars = draw_reviews(20_000, generator)
    low, high = calibration.intervals(stars)
    sure, unsure = stars > np.quantile(stars, 0.7), stars < np.quantile(stars, 0.1)
    for rows in (sure, unsure):
        assert held(calibration, stars_true, stars)[rows].mean() == pytest.approx(0.9, abs=0.03)
    assert (high - low)[unsure].mean() > 2 * (high - low)[sure].mean()


@pytest.mark.parametrize("constant", [4.1, 5.0, 5.7, 1.0])
def test_a_model_that_says_the_same_of_all_covers_at_least_what_it_states(constant):
    generator = np.random.default_rng(SEED)
    stars_true = generator.choice([1.0, 4.0, 5.0], size=3000, p=[0.05, 0.35, 0.6])
    calibration = calibrated(stars_true, np.full(3000, constant))
    assert calibration.edges == ()
    # the calibration and new reviews are rated in other batches: the last digits differ
    wobble = constant + generator.uniform(-1e-5, 1e-5, 3000)
    assert held(calibration, generator.permutation(stars_true), wobble).mean() >= 0.9


def test_sure_fives_have_an_interval_of_one_point():
    stars_true = np.r_[np.full(950, 5.0), np.full(50, 4.0)]
    calibration = calibrated(stars_true, np.linspace(5.001, 5.4, 1000)[np.random.default_rng(SEED).permutation(1000)])
    low, high = calibration.intervals(np.array([5.3]))
    assert low == high == 5.0


@pytest.mark.parametrize("n", [0, 1, 8])
def test_too_few_reviews_to_say_give_the_whole_scale(n):
    calibration = calibrated(np.full(n, 4.0), np.full(n, 4.0))
    low, high = calibration.intervals(np.array([0.2, 4.0, 7.0]))
    assert (low == 1).all()
    assert (high == 5).all()


def test_nine_reviews_are_the_fewest_that_say_anything_of_nine_in_ten():
    assert half_width(np.arange(9.0), 0.9) == pytest.approx(8, abs=1e-3)
    assert half_width(np.arange(8.0), 0.9) is None


@pytest.mark.parametrize(("n", "coverage", "rank"), [(69, 0.9, 63), (99, 0.9, 90), (100, 0.9, 91), (19, 0.95, 19)])
def test_the_quantile_is_the_one_of_the_finite_sample(n, coverage, rank):
    distances = np.random.default_rng(SEED).permutation(np.arange(1.0, n + 1))
    assert half_width(distances, coverage) == pytest.approx(rank, abs=1e-3)


@pytest.mark.parametrize("n", [199, 200, 777, 2000, 5000])
def test_groups_are_large_enough_and_not_too_many(n):
    stars = np.random.default_rng(SEED).normal(4, 1, n)
    edges = group_edges(stars)
    counts = np.bincount(np.searchsorted(edges, stars, side="right"))
    assert counts.sum() == n
    assert 1 <= len(counts) <= MAX_GROUPS
    assert counts.min() >= MIN_GROUP_REVIEWS
    assert len(counts) == min(MAX_GROUPS, n // MIN_GROUP_REVIEWS)


@pytest.mark.parametrize("share", [0.03, 0.3, 0.9])
@pytest.mark.parametrize("at", [1.0, 4.0, 5.0])
def test_equal_predictions_are_in_one_group_and_no_group_is_too_small(share, at):
    generator = np.random.default_rng(SEED)
    stars = np.where(generator.random(2000) < share, at, generator.uniform(1, 5, 2000))
    counts = np.bincount(np.searchsorted(group_edges(stars), stars, side="right"))
    assert counts.min() >= MIN_GROUP_REVIEWS


def test_the_ends_lie_on_the_scale_and_around_the_prediction():
    generator = np.random.default_rng(SEED)
    calibration = calibrated(*draw_reviews(500, generator))
    stars = generator.uniform(-2, 8, 1000)
    low, high = calibration.intervals(stars)
    assert (low >= 1).all()
    assert (high <= 5).all()
    assert (low <= np.clip(stars, 1, 5)).all()
    assert (np.clip(stars, 1, 5) <= high).all()


def test_the_half_widths_are_those_of_mapie():
    regression = pytest.importorskip("mapie.regression")
    from sklearn.linear_model import LinearRegression

    generator = np.random.default_rng(SEED)
    stars_true, stars = draw_reviews(1000, generator)
    inside = stars < 5  # mapie knows no scale that ends
    stars_true, stars = stars_true[inside], stars[inside]
    as_it_is = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    calibration = calibrated(stars_true, stars)
    groups = calibration.groups(stars)
    for group, width in enumerate(calibration.half_widths):
        rows = groups == group
        rival = regression.SplitConformalRegressor(as_it_is, confidence_level=0.9, prefit=True)
        rival.conformalize(stars[rows, None], stars_true[rows])
        _, ends = rival.predict_interval([[3.0]])
        assert width == pytest.approx((ends[0, 1, 0] - ends[0, 0, 0]) / 2, abs=2e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found_again(temperature):
    generator = np.random.default_rng(SEED)
    logits = generator.normal(0, 2, (20_000, 5))
    true = at_temperature(np.exp(logits), 1.0)
    stars_true = 1.0 + (true.cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)
    sharper = at_temperature(true, 1 / temperature)
    assert fit_temperature(stars_true, sharper) == pytest.approx(temperature, rel=0.05)
    calibration = calibrated(stars_true, sharper @ np.arange(1.0, 6.0), distribution=sharper)
    np.testing.assert_allclose(calibration.scaled(sharper), true, atol=0.02)


def test_scaling_is_a_softmax_of_divided_logits_and_keeps_zeros_finite():
    logits = np.array([[0.0, 1.0, -2.0, 3.0, 0.5]])
    expected = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum()
    softmax = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(at_temperature(softmax, 1.7), expected)
    assert at_temperature(np.array([[0.0, 0.0, 0.0, 0.0, 1.0]]), 20.0).sum() == pytest.approx(1)


def test_a_model_of_one_number_has_no_temperature():
    calibration = calibrated(np.full(10, 4.0), np.full(10, 4.0))
    assert calibration.temperature is None
    assert isinstance(calibration, Calibration)
