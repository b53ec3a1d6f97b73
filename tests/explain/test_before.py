"""The other column of the paper's table: the same texts before fine-tuning."""

import yaml
from miniature import CPU, make_reviews, tiny_params, tiny_regressor

from starsight.explain.before import explain_before
from starsight.explain.reviews import explain_reviews, largest_gap
from starsight.explain.tables import words_before_after
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.model.tokens import load_tokenizer
from starsight.params import load_params


def test_the_same_words_are_explained_before_finetuning(tmp_path, tiny_checkpoint):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params(tiny_checkpoint, "reviews.csv")))
    params, layout = load_params(tmp_path / "params.yaml"), Layout(tmp_path, tmp_path)
    tokenizer = load_tokenizer(tiny_checkpoint, "bert")
    predictor = Predictor(tiny_regressor("bert", tokenizer, seed=5), tokenizer, {}, 64, CPU)
    reviews = make_reviews(20)
    after = explain_reviews(predictor, list(reviews["text"]), list(reviews["stars"]))
    before, again = (explain_before(predictor, params, layout, after) for _ in range(2))
    assert [review.text for review in before] == [review.text for review in after]
    assert [review.stars_true for review in before] == [review.stars_true for review in after]
    assert [review.stars_pred for review in before] == [review.stars_pred for review in again]
    assert largest_gap(before) < 1e-4
    table = words_before_after([review.words for review in before], [review.words for review in after], 2)
    assert (table["relative_weight_before"] != table["relative_weight_after"]).all()
    assert {"dress", "lovely"} <= set(table["word"])
