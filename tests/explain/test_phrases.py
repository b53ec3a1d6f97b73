import re

import numpy as np
import pandas as pd
import pytest

from starsight.explain.phrases import CHECKED_REVIEWS, COLUMNS, check_by_removal, phrase_statistics, telling_phrases
from starsight.explain.words import ExplainedReview, TokenScores, find_words, merge_words

EFFECT = {"good": 0.4, "not": -0.1, "fun": 0.3}


def rate(text):
    """Words add up, but "not good" is turned round: it takes 0.8 stars away that "not" and "good" have given."""
    words = [text[start:end].lower() for start, end in find_words(text)]
    return 3 + sum(EFFECT.get(word, 0.0) for word in words) - 0.8 * len(re.findall("not good", text.lower()))


def predict(texts):
    return np.array([rate(text) for text in texts])


def explain(text, noise):
    spans = find_words(text)
    words = [text[start:end].lower() for start, end in spans]
    denied = [
        word in ("not", "good") and "not good" in (" ".join(words[i : i + 2]), " ".join(words[max(i - 1, 0) : i + 1]))
        for i, word in enumerate(words)
    ]
    contributions = [EFFECT.get(word, 0.0) - 0.4 * turned for word, turned in zip(words, denied, strict=True)]
    contributions += noise.normal(0, 0.02, len(words))
    scores = TokenScores(np.array(spans), np.full(len(words), 1 / len(words)), contributions)
    return ExplainedReview(text, 3.0, rate(text), 3.0, merge_words(text, scores))


TEXTS = [
    "It is not good for me", "a good fit, fun party", "it is not for me", "a good and fun dress",
    "Not good\nFun party", "good, not fun", "fun party it was", "some fun to be had", "a party for me",
]  # fmt: skip


@pytest.fixture(scope="module")
def reviews():
    noise = np.random.default_rng(0)
    return [explain(text, noise) for text in TEXTS * 8]


def test_a_pair_that_says_more_than_its_words_is_found(reviews):
    row = telling_phrases(phrase_statistics(reviews, 8)).iloc[0]
    assert (row["phrase"], row["n_reviews"], row["n"]) == ("not good", 16, 16)
    assert row["contribution"] == pytest.approx(-0.5, abs=0.03)
    assert row["parts"] == pytest.approx(0.3, abs=0.03)
    assert row["excess"] == pytest.approx(-0.8, abs=0.05)
    assert row["excess_low"] < row["excess"] < row["excess_high"] < -0.7


def test_pairs_that_say_what_their_words_say_are_not_named(reviews):
    statistics = phrase_statistics(reviews, 8)
    assert "fun party" in set(statistics["phrase"])
    assert "fun party" not in set(telling_phrases(statistics)["phrase"])


def test_the_error_of_a_pair_counts_what_its_words_do_elsewhere():
    noise = np.random.default_rng(1)
    few = phrase_statistics([explain(text, noise) for text in ["not good"] * 20 + ["good day", "not day"] * 2], 2)
    many = phrase_statistics([explain(text, noise) for text in ["not good"] * 20 + ["good day", "not day"] * 20], 2)
    widths = [table["excess_high"][0] - table["excess_low"][0] for table in (few, many)]
    assert widths[0] > widths[1]


def test_neither_a_comma_nor_a_line_makes_neighbours(reviews):
    found = set(phrase_statistics(reviews, 2)["phrase"])
    assert "fun party" in found
    assert not {"fit fun", "good not", "good fun"} & found


def test_a_pair_whose_words_never_stand_apart_is_no_phrase():
    noise = np.random.default_rng(0)
    reviews = [explain(text, noise) for text in ("vera wang dress", "a vera wang", "dress me", "a fun dress") * 3]
    assert "vera wang" not in set(phrase_statistics(reviews, 2)["phrase"])


def test_a_doubled_word_is_compared_with_the_single_one():
    noise = np.random.default_rng(0)
    texts = ["so so", "so it is", "it is so"] * 5
    row = phrase_statistics([explain(text, noise) for text in texts], 5).set_index("phrase").loc["so so"]
    assert (row["n_reviews"], row["n"]) == (5, 5)
    assert row["excess"] == pytest.approx(0, abs=0.05)


def test_reviewers_are_the_clusters(reviews):
    one_each = phrase_statistics(reviews, 8, pd.DataFrame({"user_id": [f"u{i}" for i in range(len(reviews))]}))
    assert one_each.equals(phrase_statistics(reviews, 8))
    few = phrase_statistics(reviews, 8, pd.DataFrame({"user_id": [f"u{i % 5}" for i in range(len(reviews))]}))
    assert few.set_index("phrase").loc["not good", "n_reviewers"] == 5
    assert phrase_statistics(reviews, 8, pd.DataFrame({"user_id": ["u"] * len(reviews)})).empty


def test_the_model_itself_misses_the_pair_more_than_its_words(reviews):
    phrases = telling_phrases(phrase_statistics(reviews, 8))
    row = check_by_removal(phrases, reviews, predict, seed=0).iloc[0]
    # together they take 0.5 stars; "good" alone gives 0.4, "not" alone takes 0.1
    assert row["removal_excess"] == pytest.approx(-0.5 - (0.4 - 0.1))
    assert row["n_removal_reviews"] == CHECKED_REVIEWS


def test_no_reviews_and_no_phrases_give_empty_tables():
    statistics = phrase_statistics([], 2)
    assert list(statistics.columns) == list(COLUMNS)
    assert len(check_by_removal(telling_phrases(statistics), [], predict, seed=0)) == 0
