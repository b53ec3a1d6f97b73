"""Explanations of whole reviews: base and contributions add up to the rating, word by word."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from miniature import CPU, make_reviews, tiny_params, tiny_regressor, tiny_tokenizer

from starsight.explain.attribution.method import LABELS
from starsight.explain.report import explain_model
from starsight.explain.reviews import explain_reviews, largest_gap
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.model.tokens import load_tokenizer
from starsight.params import load_params
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


@pytest.mark.parametrize(
    ("head", "left_out", "removal", "masked_words", "said"),
    [
        ("attention", set(), "delete", 0.0, "Words were cut out of the text"),
        ("mean", {"attention", "uniform", "untrained"}, "mask", 0.15, "fine-tuning hid 15% of the words likewise."),
        ("cls", {"attention", "uniform", "untrained", "contribution"}, "mask", 0.0, "it has never met such texts."),
    ],
)
def test_a_report_holds_tables_page_and_flat_numbers_of_every_method_that_the_head_allows(
    head, left_out, removal, masked_words, said, tmp_path, tiny_checkpoint
):
    settings = tiny_params(tiny_checkpoint, "reviews.csv")
    settings["finetune"] |= {"head": head, "masked_words": masked_words}
    settings["explain"]["removal"] = removal
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    params, layout = load_params(tmp_path / "params.yaml"), Layout(tmp_path, tmp_path)
    tokenizer = load_tokenizer(tiny_checkpoint, "bert")
    predictor = Predictor(tiny_regressor("bert", tokenizer, head=head), tokenizer, {}, 64, CPU)
    reviews = make_reviews(30)
    test = pd.DataFrame(
        {
            "review_id": [f"r{i}" for i in range(30)],
            "user_id": reviews["user"],
            "product_id": reviews["item"],
            "stars": reviews["stars"].astype(float),
            "category": None,
            "text_clean": reviews["text"],
            "split": "test",
        }
    )
    explained = explain_model(predictor, test, params, layout)
    explained.write(tmp_path / "explanations", {"model": "tiny"})
    names = {path.stem for path in (tmp_path / "explanations").iterdir()}
    assert names == {"index", "attention_by_layer", *explained.tables}
    weighing = {"words_by_attention", "words_before_after"}
    assert names & weighing == (weighing if head == "attention" else set())
    if head == "attention":
        assert {"lovely", "cheap"} <= set(read_csv(tmp_path / "explanations/words_by_attention.csv")["word"])
    assert explained.report["n_explained_reviews"] == 30
    assert all(np.isfinite(value) for value in explained.report.values())
    measured = {name for name in LABELS if f"{name}_comprehensiveness_10_low" in explained.report}
    assert measured == set(LABELS) - left_out
    assert said in (tmp_path / "explanations/index.html").read_text(encoding="utf-8")
