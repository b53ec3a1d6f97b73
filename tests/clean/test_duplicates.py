import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.clean.duplicates import (
    DROP_REASONS,
    MIN_OWN_LETTERS,
    UNDATED,
    Index,
    choose,
    compared,
    disputed,
    exact_copies,
    hash64,
    join_clusters,
    repeated,
)
from starsight.clean.words import letters

LONG = "I wore this to a spring wedding in the hills and danced in it until the band went home at three."


def index(*rows):
    """Rows of (review_id, day or None, stars, what is said); "" is an empty review."""
    return Index(
        key=np.array([hash64(said) for *_, said in rows], dtype=np.uint64),
        id_hash=np.array([hash64(review_id) for review_id, *_ in rows], dtype=np.uint64),
        seconds=np.array([UNDATED if day is None else day for _, day, *_ in rows], dtype=np.uint32),
        stars=np.array([stars for *_, stars, _ in rows], dtype=np.float32),
        empty=np.array([said == "" for *_, said in rows], dtype=bool),
        split=np.zeros(len(rows), dtype=np.int8),
    )


def copies_of(*rows):
    """For each review its first exact copy."""
    return exact_copies(index(*rows).key, index(*rows).empty)


def verdicts(*rows, near=()):
    """For each review why it is dropped (None where it is kept), and the id of the one that stands for it."""
    ids = [review_id for review_id, *_ in rows]
    exact = copies_of(*rows)
    cluster = join_clusters(exact, np.array(near, dtype=np.int64).reshape(-1, 2))
    verdict = choose(index(*rows), cluster, exact, lambda wanted: [ids[row] for row in wanted])
    reasons = [DROP_REASONS[place] if place >= 0 else None for place in verdict.reason]
    return list(zip(reasons, [ids[row] for row in verdict.stands_for], strict=True))


@pytest.mark.parametrize(
    ("one", "other"),
    [("Loved it!!", "loved  it"), ("STRASSE", "straße"), ("Очень хорошо.", "очень хорошо"), ("❤️!", "❤!")],
)
def test_case_spaces_and_signs_make_no_difference(one, other):
    assert letters(one) == letters(other) or not any(map(str.isalnum, one))


def test_texts_without_letters_are_compared_by_their_signs():
    assert letters("👍") != letters("👎")
    assert letters("!!!") != letters("???")


def test_vowel_signs_of_other_scripts_are_letters():
    assert letters("कि") != letters("का")


def test_a_long_text_is_compared_without_its_summary():
    assert len(letters(LONG)) >= MIN_OWN_LETTERS
    assert compared(LONG, f"Lovely\n{LONG}") == LONG


def test_a_short_text_is_compared_with_its_summary():
    assert compared("True to size", "Lovely\nTrue to size") == "Lovely\nTrue to size"


def test_numbers_of_texts_never_change():
    assert f"{hash64('lovelytruetosize'):016x}" == "b2a7663e9b0aac7d"


def test_the_earliest_is_kept_and_the_undated_comes_last():
    rows = ("a", None, 5, "x"), ("b", 2, 5, "x"), ("c", 1, 5, "x"), ("d", 9, 5, "y")
    assert verdicts(*rows) == [("exact", "c"), ("exact", "c"), (None, "c"), (None, "d")]


def test_ties_in_time_go_by_review_id_in_any_order_of_rows():
    rows = ("b", 1, 5, "x"), ("a", 1, 5, "x")
    assert verdicts(*rows) == [("exact", "a"), (None, "a")]
    assert verdicts(*rows[::-1]) == [(None, "a"), ("exact", "a")]


def test_near_copies_join_whole_groups_of_exact_ones():
    rows = ("a", 3, 5, "x"), ("b", 4, 5, "x"), ("c", 1, 5, "y"), ("d", 2, 5, "y"), ("e", 9, 5, "z")
    assert verdicts(*rows, near=[(1, 3)]) == [
        ("near", "c"),
        ("near", "c"),
        (None, "c"),
        ("exact", "c"),
        (None, "e"),
    ]


def test_near_copies_of_near_copies_are_in_one_cluster():
    cluster = join_clusters(np.arange(6), np.array([[4, 5], [1, 4], [2, 3]]))
    assert cluster.tolist() == [0, 1, 2, 2, 1, 1]


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15),
    st.lists(st.integers(0, 3), min_size=12, max_size=12),
)
def test_clusters_are_the_connected_groups(pairs, said):
    exact = copies_of(*((str(row), 1, 5, f"said {key}") for row, key in enumerate(said)))
    cluster = join_clusters(exact, np.array(pairs, dtype=np.int64).reshape(-1, 2))
    expected = list(range(12))  # union-find by repetition: everybody takes the smallest label of whom they touch
    edges = [*pairs, *enumerate(exact)]
    for _ in range(12):
        for one, other in edges:
            expected[one] = expected[other] = min(expected[one], expected[other])
    assert cluster.tolist() == expected


def test_an_id_that_returns_with_another_text_is_dropped():
    rows = ("a", 1, 5, "x"), ("a", 2, 1, "y"), ("b", 3, 4, "y")
    assert verdicts(*rows) == [(None, "a"), ("same_id", "a"), (None, "b")]


def test_an_id_that_returns_with_the_same_text_is_a_copy():
    assert verdicts(("a", 1, 5, "x"), ("a", 1, 5, "x")) == [(None, "a"), ("exact", "a")]


def test_an_empty_review_is_no_copy_of_another_empty_one():
    assert verdicts(("a", 1, 5, ""), ("b", 1, 1, "")) == [("empty", "a"), ("empty", "b")]


def test_clusters_that_disagree_about_stars_are_told():
    rows = ("a", 1, 5, "x"), ("b", 2, 1, "x"), ("c", 3, 1, "x"), ("d", 1, 2, "y"), ("e", 1, 2, "y")
    assert disputed(index(*rows), copies_of(*rows)).tolist() == [True] * 3 + [False] * 2


def test_no_reviews_have_no_copies():
    assert verdicts() == []


@given(st.lists(st.integers(0, 20)))
def test_repeated_values_are_those_that_pandas_finds(values):
    array = np.array(values, dtype=np.uint64)
    assert repeated(array).tolist() == pd.Series(array).duplicated(keep=False).tolist()
