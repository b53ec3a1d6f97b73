import numpy as np
import pytest

from starsight.errors import DataError
from starsight.intervals import ClusterBootstrap, Estimate

GENERATOR_SEED = 3


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(GENERATOR_SEED).normal(size=1000)
    estimate = ClusterBootstrap([None] * 1000, draws=2000, seed=0).mean(values)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / 1000**0.5, rel=0.08)


def test_about_95_of_100_intervals_hold_the_true_value():
    generator = np.random.default_rng(GENERATOR_SEED)
    bootstrap = ClusterBootstrap([None] * 200, draws=400, seed=0)
    held = 0
    for _ in range(200):
        estimate = bootstrap.rmse(generator.normal(size=200))
        held += estimate.low <= 1 <= estimate.high
    assert 0.89 <= held / 200 <= 0.99


def test_reviews_of_one_reviewer_do_not_count_as_independent():
    generator = np.random.default_rng(GENERATOR_SEED)
    values = np.repeat(generator.normal(size=100), 10)  # ten reviews a reviewer, all alike
    clustered = ClusterBootstrap([f"u{i // 10}" for i in range(1000)], draws=1000, seed=0).mean(values)
    independent = ClusterBootstrap([None] * 1000, draws=1000, seed=0).mean(values)
    assert clustered.high - clustered.low > 2.5 * (independent.high - independent.low)


def test_a_missing_reviewer_is_a_reviewer_of_its_own():
    assert ClusterBootstrap(["a", None, "a", None, float("nan")], draws=10, seed=0).n_clusters == 4


def test_the_difference_on_the_same_draws_is_narrower_than_two_intervals_apart():
    generator = np.random.default_rng(GENERATOR_SEED)
    hard = generator.normal(size=500)  # what both find hard
    first, second = hard + 0.1 * generator.normal(size=500), hard + 0.1 * generator.normal(size=500)
    bootstrap = ClusterBootstrap([None] * 500, draws=1000, seed=0)
    for paired, single in (
        (bootstrap.mae_difference(first, second), bootstrap.mae(first)),
        (bootstrap.rmse_difference(first, second), bootstrap.rmse(first)),
    ):
        assert paired.high - paired.low < 0.5 * (single.high - single.low)


def test_a_method_does_not_differ_from_itself():
    errors = np.random.default_rng(GENERATOR_SEED).normal(size=50)
    bootstrap = ClusterBootstrap([None] * 50, draws=100, seed=0)
    assert bootstrap.mae_difference(errors, errors) == Estimate(0, 0, 0)
    assert bootstrap.rmse_difference(errors, errors).sign == 0


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    errors = np.random.default_rng(GENERATOR_SEED).normal(size=50)
    first, again, other = (ClusterBootstrap([None] * 50, draws=100, seed=seed).mae(errors) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_draws_in_several_chunks_are_all_counted():
    bootstrap = ClusterBootstrap(["a", "b", "b"], draws=300, seed=0)
    assert bootstrap.mean(np.array([0.0, 1.0, 1.0])) == Estimate(pytest.approx(2 / 3), 0, 1)


def test_one_reviewer_gives_no_interval():
    with pytest.raises(DataError, match="two reviewers or more; found 1"):
        ClusterBootstrap(["a", "a"], draws=10, seed=0)


def test_values_of_other_reviews_are_refused():
    with pytest.raises(ValueError, match=r"values of 2 reviews are needed; found the shape \(3,\)"):
        ClusterBootstrap([None, None], draws=10, seed=0).mean(np.zeros(3))


@pytest.mark.parametrize(("low", "high", "sign"), [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0)])
def test_an_estimate_is_certain_of_its_sign_only_where_its_interval_leaves_out_zero(low, high, sign):
    assert Estimate((low + high) / 2, low, high).sign == sign


def test_an_estimate_survives_the_way_through_flat_metrics():
    estimate = Estimate(0.2, 0.1, 0.3)
    assert Estimate.of(estimate.named("mae"), "mae") == estimate
