import math

import numpy as np
import pytest
from scipy import stats

from starsight.evaluate.resampled import nadeau_bengio
from starsight.intervals import Estimate


def test_the_test_gives_the_answer_worked_out_by_hand():
    # mean 2, S² = 1, variance (1/3 + 1/2) = 5/6, t = 2 / sqrt(5/6) with 2 degrees of freedom, whose distribution
    # function is (1 + t / sqrt(2 + t²)) / 2, so that the quantile of 97.5 % is 0.95 · sqrt(2 / (1 - 0.95²))
    found = nadeau_bengio([1.0, 2.0, 3.0], n_train=20, n_test=10)
    t = 2 / math.sqrt(5 / 6)
    quantile = 0.95 * math.sqrt(2 / (1 - 0.95**2))
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t**2))
    assert found.estimate.value == 2
    assert found.estimate.high == pytest.approx(2 + quantile * math.sqrt(5 / 6))
    assert found.estimate.low == pytest.approx(2 - quantile * math.sqrt(5 / 6))


def test_the_interval_leaves_out_zero_exactly_where_the_p_value_is_below_5_percent():
    for shift in np.linspace(0, 2, 41):
        found = nadeau_bengio(np.array([-0.4, 0.1, 0.5, -0.2]) + shift, n_train=300, n_test=100)
        assert (found.estimate.sign != 0) == (found.p < 0.05)


def test_folds_that_all_say_the_same_are_certain_of_it():
    assert nadeau_bengio([0.25, 0.25], 90, 10).named("gap") == {
        "gap": 0.25,
        "gap_low": 0.25,
        "gap_high": 0.25,
        "gap_p": 0.0,
    }
    same = nadeau_bengio([0.0, 0.0], 90, 10)
    assert (same.estimate, same.p) == (Estimate(0, 0, 0), 1.0)


@pytest.mark.parametrize("values", [[], [0.1], [[0.1, 0.2]]])
def test_fewer_than_two_folds_say_nothing(values):
    with pytest.raises(ValueError, match="two folds or more"):
        nadeau_bengio(values, 90, 10)


def test_two_equal_models_are_called_different_in_5_of_100_cross_validations_at_most():
    """Two models that see one feature each, equally good, on 100 rows in ten folds, 2,000 times over."""
    generator = np.random.default_rng(7)
    n_draws, n, k = 2000, 100, 10
    features = generator.normal(size=(2, n_draws, n))
    truth = features.sum(axis=0) + generator.normal(size=(n_draws, n))
    fold_of = np.arange(n) % k
    errors = np.empty((2, n_draws, k))
    for fold in range(k):
        learnt, held_out = fold_of != fold, fold_of == fold
        for model, feature in enumerate(features):
            slope = (feature * truth)[:, learnt].sum(axis=1) / np.square(feature)[:, learnt].sum(axis=1)
            misses = truth[:, held_out] - slope[:, None] * feature[:, held_out]
            errors[model, :, fold] = np.square(misses).mean(axis=1)
    differences = errors[0] - errors[1]
    corrected = np.mean([nadeau_bengio(each, n - n // k, n // k).p < 0.05 for each in differences])
    naive = np.mean(stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05)
    assert corrected <= 0.05
    assert naive > corrected


def test_a_real_difference_is_found():
    generator = np.random.default_rng(7)
    found = [nadeau_bengio(generator.normal(-0.05, 0.02, size=10), 2700, 300) for _ in range(100)]
    assert np.mean([each.estimate.high < 0 for each in found]) > 0.9
