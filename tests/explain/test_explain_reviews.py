"""Explanations of whole reviews: base and contributions add up to the rating, word by word."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer

from starsight.explain.report import explain_model
from starsight.explain.reviews import explain_reviews, largest_gap
from starsight.model.predictor import Predictor
from starsight.params import ExplainParams
from starsight.tables import read_csv

TEXTS = [*make_reviews(30)["text"], "I didn't like it 👍", "", "great"]


@pytest.fixture(params=["bert", "t5", "gpt2"])
def predictor(request):
    tokenizer = tiny_tokenizer(request.param)
    return Predictor(tiny_regressor(request.param, tokenizer), tokenizer, {}, 64, CPU)


def test_base_and_contributions_add_up_to_the_rating(predictor):
    reviews = explain_reviews(predictor, TEXTS, [3.0] * len(TEXTS))
    assert largest_gap(reviews) < 1e-4
    np.testing.assert_allclose([r.stars_pred for r in reviews], predictor.rate_clean_texts(TEXTS), atol=1e-5)


def test_explanations_come_in_the_order_of_the_texts_and_attention_sums_to_one(predictor):
    reviews = explain_reviews(predictor, TEXTS, list(range(len(TEXTS))))
    assert [review.text for review in reviews] == TEXTS
    assert [review.stars_true for review in reviews] == list(range(len(TEXTS)))
    for review in reviews:
        assert review.words.weights.sum() + review.words.special_weight == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("cut", "last_is_read"), [("head", False), ("head_tail", True)])
def test_words_that_the_cut_took_are_known_as_unread(predictor, cut, last_is_read):
    text = "The dress is lovely . " * 40 + "returned"
    (review,) = explain_reviews(replace(predictor, cut=cut), [text], [3.0])
    read = review.words.was_read
    assert (read[0], read[len(read) // 2], read[-1]) == (True, False, last_is_read)
    assert (review.words.weights[~read] == 0).all()
    assert (review.words.weights[read] > 0).all()
    assert np.abs(np.diff(read.astype(int))).sum() == (2 if last_is_read else 1)


def test_a_gap_between_rating_and_words_is_found(predictor):
    (review, *_) = explain_reviews(predictor, TEXTS, [3.0] * len(TEXTS))
    assert largest_gap([replace(review, stars_pred=review.stars_pred - 0.5)]) == pytest.approx(0.5, abs=1e-4)


def test_a_report_is_written_with_tables_page_and_flat_numbers(predictor, tmp_path):
    test = pd.DataFrame({"text_clean": TEXTS[:30], "stars": make_reviews(30)["stars"]})
    params = ExplainParams(max_reviews=30, min_word_reviews=2, faithfulness_reviews=10, page_reviews=6)
    explained = explain_model(predictor, test, params, seed=1)
    explained.write(tmp_path / "explanations", {"model": "tiny"})
    files = {path.name for path in (tmp_path / "explanations").iterdir()}
    assert files == {"index.html", "words_by_attention.csv", "words_raising.csv", "words_lowering.csv"}
    table = read_csv(tmp_path / "explanations/words_by_attention.csv")
    assert {"lovely", "cheap"} <= set(table["word"])
    assert explained.report["n_explained_reviews"] == 30
    assert all(np.isfinite(value) for value in explained.report.values())
