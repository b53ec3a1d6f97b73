"""What a model costs."""

from miniature import CPU, tiny_regressor, tiny_tokenizer

from starsight.evaluate import cost
from starsight.model.predictor import Predictor


def test_size_counts_every_saved_file_and_speed_the_reviews_that_were_timed(tmp_path, monkeypatch):
    tokenizer = tiny_tokenizer("bert")
    predictor = Predictor(tiny_regressor("bert", tokenizer), tokenizer, {}, 64, CPU)
    predictor.save(tmp_path / "finetuned")
    rated = []
    whole = Predictor.rate_clean_texts
    monkeypatch.setattr(
        Predictor, "rate_clean_texts", lambda self, texts: (rated.append(len(texts)), whole(self, texts))[1]
    )
    monkeypatch.setattr(cost, "TIMED_REVIEWS", 5)
    measured = cost.measure_cost(predictor, ["lovely"] * 8, tmp_path / "finetuned")
    assert rated == [5]
    assert measured["rate_reviews_per_s"] > 0
    assert measured["model_bytes"] == sum(
        file.stat().st_size for file in (tmp_path / "finetuned").rglob("*") if file.is_file()
    )
