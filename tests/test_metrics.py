import numpy as np
import pytest

from starsight.metrics import errors, mae, rmse

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
