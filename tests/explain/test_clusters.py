import numpy as np
import pandas as pd
import pytest
from scipy import stats

from starsight.explain.clusters import clustered_errors, clustered_mean, half_widths, reviewers_of, student_p

VALUES = np.array([0.2, -0.1, 0.4, 0.9, 0.3])


def test_with_a_review_each_it_is_students_interval_and_test():
    estimate, p = clustered_mean(VALUES, [None] * 5)
    expected = stats.ttest_1samp(VALUES, 0)
    assert [estimate.low, estimate.high] == pytest.approx(list(expected.confidence_interval(0.95)))
    assert p == pytest.approx(expected.pvalue)


def test_reviewers_who_repeat_themselves_add_nothing():
    once, p_once = clustered_mean(VALUES, list("abcde"))
    thrice, p_thrice = clustered_mean(np.repeat(VALUES, 3), list("aaabbbcccdddeee"))
    assert (thrice.low, thrice.high, p_thrice) == pytest.approx((once.low, once.high, p_once))


def test_a_difference_of_means_on_the_same_reviews_is_a_paired_one():
    others = np.array([0.1, -0.3, 0.5, 0.2, 0.2])
    influences = np.concatenate([(VALUES - VALUES.mean()) / 5, -(others - others.mean()) / 5])
    clusters = np.tile(np.arange(5), 2)
    errors, n_clusters = clustered_errors(influences, np.zeros(10, dtype=np.int64), clusters, 1)
    p = student_p(np.array([VALUES.mean() - others.mean()]), errors, n_clusters)
    assert p[0] == pytest.approx(stats.ttest_rel(VALUES, others).pvalue)


def test_groups_are_measured_apart():
    groups, clusters = np.array([1, 0, 1, 0, 1]), np.arange(5)
    means = np.array([VALUES[groups == group].mean() for group in (0, 1)])
    influences = (VALUES - means[groups]) / np.bincount(groups)[groups]
    errors, n_clusters = clustered_errors(influences, groups, clusters, 2)
    assert errors == pytest.approx([stats.sem(VALUES[groups == 0]), stats.sem(VALUES[groups == 1])])
    assert n_clusters.tolist() == [2, 3]


def test_one_cluster_has_no_error():
    estimate, p = clustered_mean(VALUES, ["a"] * 5)
    assert estimate.value == pytest.approx(0.34)
    assert np.isnan([estimate.low, estimate.high, p]).all()


def test_nothing_has_no_groups():
    nothing = np.zeros(0, dtype=np.int64)
    errors, n_clusters = clustered_errors(np.zeros(0), nothing, nothing, 0)
    assert len(half_widths(errors, n_clusters)) == 0


def test_unnamed_reviewers_are_people_of_their_own():
    assert len(set(reviewers_of(pd.DataFrame({"user_id": ["a", None, "a", None]}), 4))) == 3
    assert len(set(reviewers_of(pd.DataFrame({"stars": [1, 2]}), 2))) == 2
    assert len(set(reviewers_of(None, 3))) == 3
