"""What the benchmark of explanations reports."""

from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer

from benchmarks.explaining import measure
from starsight.model.predictor import Predictor


def test_both_speeds_and_their_ratio_are_measured(monkeypatch):
    ticks = iter([0.0, 1.0, 5.0, 10.0, 11.0, 13.0])  # two blocks: 1 s of rating and 4 s of explaining, then 1 and 2
    monkeypatch.setattr("benchmarks.explaining.perf_counter", lambda: next(ticks))
    tokenizer = tiny_tokenizer("bert")
    predictor = Predictor(tiny_regressor("bert", tokenizer), tokenizer, {}, 64, CPU)
    result = measure(predictor, list(make_reviews(300)["text"]))
    assert result == {"n_reviews": 300, "rated_per_s": 150.0, "explained_per_s": 50.0, "ratio": 0.375}
