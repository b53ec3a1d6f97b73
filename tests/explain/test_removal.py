import numpy as np
import pytest
from known import BIAS, TEXTS, explained, known_predictor

from starsight.errors import ModelError
from starsight.explain import removal as module
from starsight.explain.removal import Removals, leave_one_out, remove_words
from starsight.explain.words import TokenScores, find_words, merge_words

NONE = np.array([], dtype=np.int64)


def words_of(text):
    spans = np.array(find_words(text))
    return merge_words(text, TokenScores(spans, np.ones(len(spans)), np.ones(len(spans))))


def test_removing_a_word_leaves_no_doubled_blank():
    text = "a great dress, great!"
    words = words_of(text)
    assert remove_words(text, words, np.array([1])) == "a dress, great!"
    assert remove_words(text, words, np.array([0])) == "great dress, great!"
    assert remove_words(text, words, np.array([4])) == "a great dress, !"
    assert remove_words(text, words, NONE) == text


def test_a_deleted_word_is_not_read_and_a_masked_one_is_hidden():
    predictor = known_predictor()
    reviews = explained(predictor, ["The dress is lovely"])
    (deleted,), (masked,) = (
        Removals(predictor, reviews, removal).rate([(0, np.array([3]))], "test") for removal in ("delete", "mask")
    )
    assert deleted == pytest.approx(predictor.rate_clean_texts(["The dress is "], cut=False)[0])
    whole = Removals(predictor, reviews, "mask").rate_whole()[0]
    assert masked == pytest.approx(whole - reviews[0].words.contributions[3], abs=1e-5)


def test_what_the_model_did_not_read_does_not_move_into_the_place_of_what_was_removed():
    predictor = known_predictor()
    reviews = explained(predictor, ["lovely dress " * 10 + "cheap broken " * 60])
    words = reviews[0].words
    assert not words.was_read[-1]
    kept = Removals(predictor, reviews, "delete").rate([(0, words.removable[2:])], "test")[0]
    assert kept == pytest.approx(predictor.rate_clean_texts(["lovely dress "], cut=False)[0], abs=1e-5)


def test_a_review_without_any_word_is_rated_by_the_bias_alone():
    predictor = known_predictor()
    reviews = explained(predictor, ["great dress"])
    assert Removals(predictor, reviews, "mask").rate([(0, np.array([0, 1]))], "test")[0] == pytest.approx(BIAS)


def test_each_shortened_review_is_rated_once(monkeypatch):
    predictor = known_predictor()
    removals = Removals(predictor, explained(predictor), "delete")
    rated = []
    original = module.rate
    monkeypatch.setattr(module, "rate", lambda regressor, reviews, *rest: (
        rated.append(len(reviews)), original(regressor, reviews, *rest))[1])  # fmt: skip
    asked = [(0, np.array([0])), (0, np.array([0])), (1, np.array([0])), (0, np.array([0, 1]))]
    first, again = removals.rate(asked, "test"), removals.rate(asked[::-1], "test")
    assert rated == [3]
    assert (first == again[::-1]).all()
    assert first[0] == first[1] != first[2]


def test_leaving_out_a_word_of_a_sum_takes_its_part():
    predictor = known_predictor()
    reviews = explained(predictor)
    for review, change in zip(reviews, leave_one_out(Removals(predictor, reviews, "mask")), strict=True):
        np.testing.assert_allclose(change, -review.words.contributions[review.words.removable], atol=1e-5)


def test_masking_without_a_mask_token_says_what_to_do():
    predictor = known_predictor()
    predictor.tokenizer.mask_token = None
    with pytest.raises(ModelError, match=r"no mask token; set explain\.removal to delete"):
        Removals(predictor, explained(predictor, TEXTS[:1]), "mask")
