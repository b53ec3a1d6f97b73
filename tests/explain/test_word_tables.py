import numpy as np
import pytest

from starsight.explain.tables import word_statistics, words_by_attention, words_lowering, words_raising
from starsight.explain.words import TokenScores, find_words, merge_words

EFFECT = {"great": 0.5, "awful": -0.5}


def explain(text, generator):
    spans = find_words(text)
    words = [text[start:end].lower() for start, end in spans]
    weights = np.array([3.0 if word in EFFECT else 1.0 for word in words])
    contributions = np.array([EFFECT.get(word, 0) for word in words]) + generator.normal(0, 0.05, len(words))
    return merge_words(text, TokenScores(np.array(spans), weights / weights.sum(), contributions))


@pytest.fixture(scope="module")
def statistics():
    generator = np.random.default_rng(0)
    texts = ["Great dress, great!", "an awful dress.", "a dress", "great, not AWFUL", "rare dress"]
    return word_statistics(
        [explain(text, generator) for text in texts * 10 if text != "rare dress"] + [explain("rare", generator)], 10
    )


def test_words_are_counted_whatever_their_case_and_without_punctuation(statistics):
    counts = statistics.set_index("word")[["n_reviews", "n"]]
    assert counts.loc["great"].tolist() == [20, 30]
    assert counts.loc["awful"].tolist() == [20, 20]
    assert not {",", ".", "!"} & set(statistics["word"])


def test_rare_words_stay_out(statistics):
    assert "rare" not in set(statistics["word"])


def test_words_that_draw_attention_come_first(statistics):
    assert set(words_by_attention(statistics)["word"][:2]) == {"great", "awful"}
    assert statistics.set_index("word").loc["great", "relative_weight"] > 1


def test_raising_and_lowering_words_are_told_apart(statistics):
    assert words_raising(statistics)["word"][0] == "great"
    assert words_lowering(statistics)["word"][0] == "awful"
    assert (words_raising(statistics)["contribution_low"] > 0).all()
    assert (words_lowering(statistics)["contribution_high"] < 0).all()


def test_the_interval_is_students_over_reviews():
    texts = ["good", "good good", "good"]
    values = [[0.1], [0.2, 0.4], [0.5]]  # means 0.1, 0.3, 0.5
    reviews = [
        merge_words(text, TokenScores(np.array(find_words(text)), np.full(len(v), 1 / len(v)), np.array(v)))
        for text, v in zip(texts, values, strict=True)
    ]
    row = word_statistics(reviews, 2).iloc[0]
    margin = 4.302653 * 0.2 / 3**0.5  # t of 0.975 with 2 degrees of freedom
    assert row["contribution"] == pytest.approx(0.3)
    assert row["contribution_low"] == pytest.approx(0.3 - margin, rel=1e-5)
    assert row["contribution_high"] == pytest.approx(0.3 + margin, rel=1e-5)


def test_no_reviews_give_empty_tables_with_their_columns():
    empty = word_statistics([], 2)
    assert len(empty) == 0
    assert {"word", "n_reviews", "weight_low", "relative_weight", "contribution_high"} <= set(empty.columns)


def test_a_word_in_a_single_review_has_no_interval():
    with pytest.raises(ValueError, match="fewer than 2 reviews has no interval; found min_reviews 1"):
        word_statistics([], 1)
