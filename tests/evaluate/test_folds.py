import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniature import make_reviews

from starsight.errors import DataError
from starsight.evaluate.folds import deal_folds, group_reviews
from starsight.split import take


def reviews_of(users, clusters, stars=None):
    n = len(users)
    return pd.DataFrame(
        {
            "review_id": [f"r{i}" for i in range(n)],
            "user_id": pd.Series(users, dtype="str"),
            "cluster": pd.Series(clusters, dtype="str"),
            "stars": stars or [float(1 + i % 5) for i in range(n)],
            "text_clean": [f"text {i}" for i in range(n)],
        }
    )


def made_up(n, seed=0):
    reviews = make_reviews(n, seed)
    return reviews_of(reviews["user"], [f"c{i}" for i in range(n)], [float(star) for star in reviews["stars"]])


def sides_share(column, one, other):
    return set(one[column].dropna()) & set(other[column].dropna())


people = st.none() | st.integers(0, 12).map("u{}".format)
texts = st.none() | st.integers(0, 25).map("c{}".format)


@given(
    rows=st.lists(st.tuples(people, texts, st.integers(1, 5)), min_size=1, max_size=60),
    n=st.integers(2, 6),
    share=st.floats(0.01, 0.9),
)
def test_no_reviewer_and_no_duplicate_cluster_is_on_two_sides_and_every_review_is_rated_once(rows, n, share):
    users, clusters, stars = zip(*rows, strict=True)
    reviews = reviews_of(users, clusters, [float(star) for star in stars])
    try:
        folds = deal_folds(reviews, n)
    except DataError:
        assert len(np.unique(group_reviews(reviews))) < 10 * n  # refused only where there is little
        return
    rated = []
    for number in range(1, n + 1):
        fold = folds.fold(number, share)
        parts = [fold.train, fold.validation, fold.test]
        assert all(len(part) for part in parts)
        assert sorted(pd.concat(parts)["review_id"]) == sorted(reviews["review_id"])
        for i, one in enumerate(parts):
            for other in parts[i + 1 :]:
                assert not sides_share("user_id", one, other)
                assert not sides_share("cluster", one, other)
        rated += list(fold.test["review_id"])
    assert sorted(rated) == sorted(reviews["review_id"])


def test_links_reach_over_a_third_review():
    # a's other review, and b, who copied a, and c, who shares a text with b's other review
    reviews = reviews_of(["a", "a", "b", "b", "c", None, None], ["1", "2", "2", "3", "3", "4", "5"])
    assert list(group_reviews(reviews)) == [0, 0, 0, 0, 0, 1, 2]


def test_folds_are_alike_in_size_and_in_stars():
    folds = deal_folds(made_up(600), 5)
    tests = [folds.fold(number, 0.1).test for number in range(1, 6)]
    assert all(abs(len(test) - 120) <= 6 for test in tests)
    for star in range(1, 6):
        counts = [int((test["stars"] == star).sum()) for test in tests]
        assert max(counts) - min(counts) <= 6


def test_the_share_that_chooses_the_epoch_is_a_share_of_the_groups():
    fold = deal_folds(made_up(600), 5).fold(1, 0.25)
    n_groups = [part["user_id"].nunique() for part in (fold.validation, fold.train)]
    assert n_groups[0] / sum(n_groups) == pytest.approx(0.25, abs=0.01)


def test_the_same_reviews_are_dealt_alike_whatever_order_they_are_stored_in():
    reviews = made_up(300)
    folds = [
        deal_folds(take(each, 200), 4) for each in (reviews, reviews[::-1], reviews.sample(frac=1, random_state=1))
    ]
    assert len({each.rows for each in folds}) == 1


def test_other_folds_and_other_texts_carry_another_name():
    reviews = made_up(300)
    changed = reviews.assign(text_clean=["other", *reviews["text_clean"][1:]])
    names = [deal_folds(reviews, 4).rows, deal_folds(reviews, 5).rows, deal_folds(changed, 4).rows]
    assert len(set(names)) == 3


def test_stars_rarer_than_folds_are_dealt_without_a_warning(recwarn):
    reviews = made_up(60).assign(stars=[5.0] * 58 + [1.0, 2.0])
    assert deal_folds(reviews, 10).n == 10
    assert not recwarn.list


@pytest.mark.parametrize(
    ("reviews", "n"),
    [
        (reviews_of(["a"] * 40, [f"c{i}" for i in range(40)]), 2),
        (reviews_of(["a"] * 20 + ["b"] * 20, [f"c{i}" for i in range(40)]), 2),
        (reviews_of(["a", "b", "c"] * 5, [f"c{i}" for i in range(15)]), 10),
    ],
    ids=["one reviewer", "nobody left to choose the epoch", "fewer groups than folds"],
)
def test_too_few_groups_for_the_folds_are_one_line(reviews, n):
    with pytest.raises(DataError, match=rf"evaluate\.folds is {n}: \d+ reviews that fall into \d groups .* too few"):
        deal_folds(reviews, n)
