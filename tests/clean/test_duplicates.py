import pandas as pd
import pytest

from starsight.clean.duplicates import OWN_WORDS, drop_duplicates, find_clusters, letters

LONG = "I wore this to a spring wedding in the hills and danced in it until the band went home at three."


def reviews(*rows):
    """Rows of (review_id, day of January 2020 or None, stars, cluster)."""
    table = pd.DataFrame(rows, columns=["review_id", "day", "stars", "cluster"])
    days = [None if pd.isna(day) else f"2020-01-{int(day):02}" for day in table.pop("day")]
    return table.assign(time=pd.to_datetime(pd.Series(days, dtype="str"), utc=True))


def clusters(*pairs):
    """Clusters of (summary, text) pairs."""
    texts = pd.Series([text for _, text in pairs], dtype="str")
    wholes = pd.Series([f"{summary}\n{text}" for summary, text in pairs], dtype="str")
    return find_clusters(texts, wholes).tolist()


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


def test_a_long_text_is_a_copy_whatever_its_summary():
    assert len(letters(LONG)) >= OWN_WORDS
    first, second = clusters(("Lovely", LONG), ("Perfect", LONG.upper()))
    assert first == second


def test_a_short_text_is_a_copy_only_with_its_summary():
    same, same_again, other = clusters(
        ("Lovely", "True to size"), ("lovely!", "True to size."), ("Meh", "True to size")
    )
    assert same == same_again != other


def test_cluster_names_never_change():
    assert clusters(("Lovely", "True to size")) == ["b2a7663e9b0aac7d"]


def test_the_earliest_is_kept_and_the_undated_comes_last():
    unique = drop_duplicates(reviews(("a", None, 5, "x"), ("b", 2, 5, "x"), ("c", 1, 5, "x"), ("d", 9, 5, "y")))
    assert unique.kept["review_id"].tolist() == ["c", "d"]
    assert unique.dropped[["review_id", "reason", "kept_review_id"]].to_numpy().tolist() == [
        ["a", "duplicate", "c"],
        ["b", "duplicate", "c"],
    ]


def test_ties_in_time_go_by_review_id_in_any_order_of_rows():
    table = reviews(("b", 1, 5, "x"), ("a", 1, 5, "x"))
    for order in (table, table[::-1]):
        assert drop_duplicates(order).kept["review_id"].tolist() == ["a"]


def test_an_id_that_returns_with_another_text_is_dropped():
    unique = drop_duplicates(reviews(("a", 1, 5, "x"), ("a", 2, 1, "y"), ("b", 3, 4, "y")))
    assert unique.kept["review_id"].tolist() == ["a", "b"]
    assert unique.dropped[["reason", "kept_review_id", "cluster"]].to_numpy().tolist() == [["same_id", "a", "y"]]


def test_an_id_that_returns_with_the_same_text_is_a_duplicate():
    unique = drop_duplicates(reviews(("a", 1, 5, "x"), ("a", 1, 5, "x")))
    assert len(unique.kept) == 1
    assert unique.dropped["reason"].tolist() == ["duplicate"]


def test_copies_that_disagree_about_stars_are_counted_by_cluster():
    unique = drop_duplicates(reviews(("a", 1, 5, "x"), ("b", 2, 1, "x"), ("c", 3, 1, "x"), ("d", 1, 2, "y")))
    assert unique.stars_conflicts == 1


def test_reviews_that_all_differ_are_all_kept():
    unique = drop_duplicates(reviews(("a", 1, 5, "x"), ("b", 1, 5, "y")))
    assert len(unique.kept) == 2
    assert unique.dropped.empty


def test_no_reviews_give_no_reviews():
    unique = drop_duplicates(reviews(("a", 1, 5, "x")).iloc[:0])
    assert len(unique.kept) == len(unique.dropped) == unique.stars_conflicts == 0
