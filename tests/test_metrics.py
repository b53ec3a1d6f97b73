import numpy as np
import pytest
from scipy.stats import spearmanr

from starsight.metrics import accuracy, errors, macro_mae, mae, rmse, skill, spearman, within_one

TRUE = np.array([5.0, 4.0, 1.0, 3.0])
PRED = np.array([4.0, 4.0, 3.0, 2.0])


def test_mae_and_rmse_match_the_sum_done_by_hand():
    assert mae(TRUE, PRED) == pytest.approx((1 + 0 + 2 + 1) / 4)
    assert rmse(TRUE, PRED) == pytest.approx(((1 + 0 + 4 + 1) / 4) ** 0.5)


def test_an_error_is_above_zero_where_the_prediction_is_too_high():
    assert errors(TRUE, PRED).tolist() == [-1, 0, 2, -1]


def test_the_median_has_the_least_mae_and_the_mean_the_least_rmse():
    median, mean = np.full(4, np.median(TRUE)), np.full(4, TRUE.mean())
    for shift in (-0.6, 0.6):
        assert mae(TRUE, median) <= mae(TRUE, median + shift)
        assert rmse(TRUE, mean) < rmse(TRUE, mean + shift)


def test_predictions_for_other_reviews_are_refused():
    with pytest.raises(ValueError, match=r"one prediction a review is needed; found \(3,\) for \(4,\)"):
        mae(TRUE, PRED[:3])


def test_a_column_is_not_taken_for_a_list_of_predictions():
    with pytest.raises(ValueError, match="one prediction a review"):
        rmse(TRUE, PRED[:, None])


def test_no_reviews_are_no_error_of_zero():
    with pytest.raises(ValueError, match="no reviews to measure on"):
        mae(np.zeros(0), np.zeros(0))


def test_a_rating_is_right_where_the_nearest_whole_star_is_the_one_that_was_given():
    true, pred = np.array([5.0, 5.0, 3.0, 1.0, 1.0]), np.array([4.6, 4.4, 3.5, 1.2, 4.0])
    assert accuracy(true, pred) == pytest.approx(2 / 5)
    assert within_one(true, pred) == pytest.approx(4 / 5)


def test_a_prediction_beyond_the_scale_counts_as_the_last_star_of_it():
    assert accuracy(np.array([1.0, 5.0]), np.array([-3.0, 9.0])) == 1


def test_every_star_counts_the_same_in_macro_mae_however_rare():
    true, pred = np.array([5.0, 5.0, 5.0, 1.0]), np.array([5.0, 5.0, 5.0, 3.0])
    assert mae(true, pred) == pytest.approx(0.5)
    assert macro_mae(true, pred) == pytest.approx((0 + 2) / 2)


def test_skill_is_one_for_the_truth_zero_for_its_mean_and_follows_the_formula():
    assert skill(TRUE, TRUE) == 1
    assert skill(TRUE, np.full(4, TRUE.mean())) == pytest.approx(0)
    assert skill(TRUE, PRED) == pytest.approx(1 - rmse(TRUE, PRED) ** 2 / TRUE.var())


def test_spearman_is_that_of_scipy_ties_included():
    generator = np.random.default_rng(0)
    true = generator.integers(1, 6, 300).astype(float)
    pred = np.round(true + generator.normal(size=300), 1)
    assert spearman(true, pred) == pytest.approx(spearmanr(true, pred).statistic, abs=1e-12)


@pytest.mark.parametrize("stars", [3.0, 4.1, 1 / 3])
def test_what_is_not_defined_is_nan_and_no_number_made_of_rounding(stars):
    constant = np.full(7, stars)
    assert np.isnan(skill(constant, np.arange(7.0)))
    assert np.isnan(spearman(constant, np.arange(7.0)))
    assert np.isnan(spearman(np.arange(7.0), constant))


@pytest.mark.parametrize("metric", [accuracy, within_one, macro_mae, skill, spearman])
def test_every_metric_refuses_predictions_for_other_reviews(metric):
    with pytest.raises(ValueError, match="one prediction a review"):
        metric(TRUE, PRED[:3])
