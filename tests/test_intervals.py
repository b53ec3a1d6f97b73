import time

import numpy as np
import pytest

from starsight.errors import DataError
from starsight.intervals import ClusterBootstrap, Difference, Estimate, holm, two_sided_p
from starsight.metrics import accuracy, macro_mae, mae, rmse, skill, spearman, within_one

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
        estimate = bootstrap.measure(rmse, np.zeros(200), generator.normal(size=200))
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
    truth = np.zeros(500)
    for metric in (mae, rmse):
        paired, single = bootstrap.difference(metric, truth, first, second), bootstrap.measure(metric, truth, first)
        assert paired.high - paired.low < 0.5 * (single.high - single.low)


def test_a_method_does_not_differ_from_itself():
    errors = np.random.default_rng(GENERATOR_SEED).normal(size=50)
    bootstrap = ClusterBootstrap([None] * 50, draws=100, seed=0)
    assert bootstrap.mae_difference(errors, errors) == Difference(0, 0, 0, p=1)
    assert bootstrap.difference(rmse, np.zeros(50), errors, errors).sign == 0


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    errors = np.random.default_rng(GENERATOR_SEED).normal(size=50)
    first, again, other = (ClusterBootstrap([None] * 50, draws=100, seed=seed).mean(errors) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_draws_in_several_chunks_are_all_counted():
    bootstrap = ClusterBootstrap(["a", "b", "b"], draws=300, seed=0)
    assert bootstrap.mean(np.array([0.0, 1.0, 1.0])) == Estimate(pytest.approx(2 / 3), 0, 1)


def test_the_mean_of_a_part_is_a_ratio_of_sums_in_each_draw():
    bootstrap = ClusterBootstrap(["a", "b", "b"], draws=300, seed=0)
    values, rows = np.array([4.0, 1.0, 7.0]), np.array([True, True, False])
    means = bootstrap.means_of_part(values, rows)
    # one draw holds a twice, or b twice, or both once: 4, 1 or their mean, whatever is outside the part
    assert set(means) == {4.0, 1.0, 2.5}
    alone = bootstrap.means_of_part(values, np.array([True, False, False]))
    assert (np.isnan(alone) == (means == 1.0)).all()
    assert set(alone[means != 1.0]) == {4.0}


def test_one_reviewer_gives_no_interval():
    with pytest.raises(DataError, match=r"two reviewers or more; found 1\. .*raise clean\.split\.test_share") as caught:
        ClusterBootstrap(["a", "a"], draws=10, seed=0)
    assert "\n" not in str(caught.value)


def test_values_of_other_reviews_are_refused():
    with pytest.raises(ValueError, match=r"values of 2 reviews are needed; found the shape \(3,\)"):
        ClusterBootstrap([None, None], draws=10, seed=0).mean(np.zeros(3))


@pytest.mark.parametrize(("low", "high", "sign"), [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0)])
def test_an_estimate_is_certain_of_its_sign_only_where_its_interval_leaves_out_zero(low, high, sign):
    assert Estimate((low + high) / 2, low, high).sign == sign


def test_an_estimate_survives_the_way_through_flat_metrics():
    estimate = Estimate(0.2, 0.1, 0.3)
    assert Estimate.of(estimate.named("mae"), "mae") == estimate


N, N_REVIEWERS = 400, 150
REVIEWER_OF = np.arange(N) % N_REVIEWERS
REVIEWERS = [f"u{i}" for i in REVIEWER_OF]


def ratings(seed=GENERATOR_SEED):
    """True stars, and predictions that follow them."""
    generator = np.random.default_rng(seed)
    true = generator.choice(5, N, p=[0.05, 0.05, 0.2, 0.3, 0.4]) + 1.0
    return true, true + generator.normal(size=N)


def resampled(measure, draws, seed=0):
    """The ends of an interval, by copying the reviews of each drawn reviewer, one draw after another."""
    generator = np.random.default_rng(seed)
    reviews = [np.flatnonzero(i == REVIEWER_OF) for i in range(N_REVIEWERS)]
    values = [
        measure(np.concatenate([reviews[i] for i in generator.integers(N_REVIEWERS, size=N_REVIEWERS)]))
        for _ in range(draws)
    ]
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize("metric", [mae, rmse, accuracy, within_one, macro_mae, skill])
def test_an_interval_is_that_of_the_reviews_really_resampled(metric):
    true, pred = ratings()
    estimate = ClusterBootstrap(REVIEWERS, draws=300, seed=0).measure(metric, true, pred)
    assert estimate.value == pytest.approx(metric(true, pred))
    low, high = resampled(lambda rows: metric(true[rows], pred[rows]), draws=300)
    assert (estimate.low, estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_the_interval_of_spearman_is_nearly_that_of_ranks_taken_anew_in_every_draw():
    true, pred = ratings()
    estimate = ClusterBootstrap(REVIEWERS, draws=500, seed=0).measure(spearman, true, pred)
    low, high = resampled(lambda rows: spearman(true[rows], pred[rows]), draws=500)
    assert (estimate.low, estimate.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_the_worst_decile_is_that_of_the_reviewers_really_resampled():
    true, pred = ratings()
    estimate = ClusterBootstrap(REVIEWERS, draws=300, seed=0).worst_decile(true, pred)
    own = np.bincount(REVIEWER_OF, weights=np.abs(pred - true)) / np.bincount(REVIEWER_OF)
    assert estimate.value == pytest.approx(np.quantile(own, 0.9, method="inverted_cdf"))
    assert (own > estimate.value).mean() == pytest.approx(0.1)
    generator = np.random.default_rng(0)
    draws = [
        np.quantile(own[generator.integers(N_REVIEWERS, size=N_REVIEWERS)], 0.9, method="inverted_cdf")
        for _ in range(300)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (estimate.low, estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_a_reviewer_with_one_review_is_no_worst_reviewer_and_too_few_of_the_others_give_none():
    true, pred = np.full(40, 3.0), np.full(40, 3.0)
    pred[20:] = 5.0  # reviewers of one review, all rated badly
    reviewers = [*(f"u{i // 2}" for i in range(20)), *[None] * 20]
    bootstrap = ClusterBootstrap(reviewers, draws=100, seed=0)
    assert bootstrap.n_repeat_clusters == 10
    assert bootstrap.worst_decile(true, pred).value == 0
    assert ClusterBootstrap([*reviewers[2:], None], draws=100, seed=0).worst_decile(true[1:], pred[1:]) is None


def test_a_metric_that_is_not_defined_on_every_draw_has_no_estimate():
    bootstrap = ClusterBootstrap([None] * 8, draws=200, seed=0)
    true = np.array([5.0] * 7 + [1.0])  # a third of the draws hold no 1 at all
    assert bootstrap.measure(skill, true, np.arange(8.0)) is None
    assert bootstrap.measure(spearman, true, np.arange(8.0)) is None
    assert bootstrap.measure(spearman, np.arange(8.0), np.full(8, 4.0)) is None
    assert bootstrap.measure(macro_mae, true, np.arange(8.0)) is not None


def test_p_counts_the_draws_on_the_rarer_side_twice_and_itself_once():
    assert two_sided_p(np.array([-1.0] * 97 + [1.0] * 2)) == pytest.approx(2 * 3 / 100)
    assert two_sided_p(np.full(99, -0.5)) == pytest.approx(2 * 1 / 100)
    assert two_sided_p(np.zeros(99)) == 1


def test_two_equally_good_methods_differ_significantly_about_once_in_twenty_times():
    bootstrap = ClusterBootstrap([None] * 200, draws=400, seed=0)
    generator = np.random.default_rng(GENERATOR_SEED)
    ps = [bootstrap.mae_difference(*generator.normal(size=(2, 200))).p for _ in range(400)]
    assert 0.02 <= np.mean(np.array(ps) <= 0.05) <= 0.09
    assert np.mean(ps) == pytest.approx(0.5, abs=0.06)


def test_p_is_below_one_in_twenty_where_the_interval_leaves_out_zero_and_only_there():
    bootstrap = ClusterBootstrap([None] * 100, draws=2000, seed=0)
    generator = np.random.default_rng(GENERATOR_SEED)
    for _ in range(100):
        gap = bootstrap.mae_difference(*generator.normal(size=(2, 100)) * [[1.0], [1.2]])
        assert bool(gap.sign) == (gap.p <= 0.05) or abs(gap.p - 0.05) < 0.003


def test_holm_multiplies_the_smallest_p_by_their_number_and_never_turns_their_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_four_thousand_reviews_are_measured_in_a_second_or_two():
    generator = np.random.default_rng(GENERATOR_SEED)
    true = generator.integers(1, 6, 4000).astype(float)
    bootstrap = ClusterBootstrap([f"u{i}" for i in generator.integers(4000, size=4000)], draws=2000, seed=0)
    started = time.process_time()
    for metric in (mae, rmse, accuracy, within_one, macro_mae, skill, spearman):
        assert bootstrap.measure(metric, true, true + generator.normal(size=4000))
    assert bootstrap.worst_decile(true, true + generator.normal(size=4000))
    assert time.process_time() - started < 20  # about one second on a machine that does nothing else
