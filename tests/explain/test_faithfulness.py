import numpy as np
import pytest

from starsight.explain.faithfulness import comprehensiveness, measure_faithfulness, remove_words, top_words
from starsight.explain.words import TokenScores, find_words, merge_words

EFFECT = {"great": 1.0, "awful": -2.0}


def predict(texts):
    return np.array([3 + sum(EFFECT.get(word, 0) for word in text.split()) for text in texts])


def explain(text, truth=True):
    spans = find_words(text)
    effects = np.array([EFFECT.get(text[start:end], 0.0) for start, end in spans])
    weights = (np.abs(effects) if truth else (effects == 0)) + 0.01
    return merge_words(text, TokenScores(np.array(spans), weights / weights.sum(), effects))


def test_removing_a_word_leaves_no_doubled_blank():
    text = "a great dress, great!"
    words = explain(text)
    assert remove_words(text, words, np.array([1])) == "a dress, great!"
    assert remove_words(text, words, np.array([0])) == "great dress, great!"
    assert remove_words(text, words, np.array([4])) == "a great dress, !"
    assert remove_words(text, words, np.array([], dtype=int)) == text


def test_the_top_tenth_is_at_least_one_word_and_never_punctuation():
    words = explain("!! one two")
    assert top_words(np.array([9.0, 8.0, 1.0, 2.0]), words, 0.1).tolist() == [3]
    assert top_words(np.array([9.0, 8.0, 1.0, 2.0]), words, 1.0).tolist() == [2, 3]


def test_a_tenth_of_ten_words_is_one_and_of_eleven_two():
    for n, n_top in ((10, 1), (11, 2), (20, 2), (30, 3)):
        words = explain(" ".join(["word"] * n))
        assert len(top_words(np.arange(n, dtype=float), words, 0.1)) == n_top


def test_words_that_were_not_read_are_not_drawn():
    words = merge_words("one two", TokenScores(np.array([[0, 3]]), np.ones(1), np.ones(1)))
    assert top_words(np.array([0.0, 1.0]), words, 1.0).tolist() == [0]


def test_comprehensiveness_is_how_far_the_rating_moves():
    texts = ["a great dress", "an awful dress", "a dress", "?!"]
    words = [explain(text) for text in texts]
    moved = comprehensiveness(texts, words, [review.weights for review in words], predict, predict(texts))
    assert moved.tolist() == [1, 2, 0, 0]


@pytest.fixture(scope="module")
def texts():
    return ["one two three four great five six seven", "awful one two three four five six"] * 20


def test_true_explanations_beat_random_words(texts):
    report = measure_faithfulness(texts, [explain(text) for text in texts], predict, seed=0, draws=200)
    assert report["attention_comprehensiveness_10"] == report["contribution_comprehensiveness_10"] == 1.5
    assert report["attention_minus_random_comprehensiveness_10_low"] > 0
    assert report["n_faithfulness_reviews"] == 40


def test_attention_on_idle_words_does_not_beat_random_words(texts):
    report = measure_faithfulness(texts, [explain(text, truth=False) for text in texts], predict, seed=0, draws=200)
    assert report["attention_comprehensiveness_10"] == 0
    assert report["attention_minus_random_comprehensiveness_10_low"] <= 0


def test_the_share_is_in_the_name_and_the_seed_decides(texts):
    words = [explain(text) for text in texts]
    first, again = (measure_faithfulness(texts, words, predict, seed=4, draws=100, share=0.2) for _ in range(2))
    assert first == again
    assert "random_comprehensiveness_20_high" in first
