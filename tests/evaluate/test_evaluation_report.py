import json
import re

import numpy as np
import pandas as pd
import pytest

from starsight.evaluate.charts import make_chart
from starsight.evaluate.methods import Method
from starsight.evaluate.report import (
    UNSEEN,
    before_after,
    build_metrics,
    errors_by_star,
    predictions_table,
    summarise,
    write_evaluation_page,
)
from starsight.intervals import ClusterBootstrap, holm
from starsight.model.predictor import Predictions

N = 300
TRUE = np.random.default_rng(0).integers(1, 6, N).astype(float)
NOISE = np.random.default_rng(1).normal(size=(2, N))
BOOTSTRAP = ClusterBootstrap([f"u{i // 2}" for i in range(N)], draws=300, seed=0)
EPOCHS = pd.DataFrame(
    {
        "epoch": [1, 2],
        "train_loss": [0.5, 0.4],
        "validation_mae": [0.4, 0.3],
        "validation_rmse": [0.6, 0.5],
        "seconds": [9.0, 8.0],
    }
)


def make_methods(model_noise=0.2, rival_noise=0.8):
    mean = np.full(N, TRUE.mean())
    return [
        Method("test", "the <b>model</b>", 100, TRUE + model_noise * NOISE[0]),
        Method("constant", "the best constant", 100, np.full(N, 3.0), dict.fromkeys(("rmse", "skill"), mean)),
        Method("ridge_all", "ridge", 900, TRUE + rival_noise * NOISE[1]),
    ]


def test_metrics_name_every_method_and_every_difference_with_its_interval():
    metrics = build_metrics(TRUE, make_methods(), BOOTSTRAP)
    of_each = ["mae", "rmse", "macro_mae", "skill", "accuracy", "within_one"]
    gaps = [f"test_minus_{name}_{metric}" for name in ("constant", "ridge_all") for metric in ("mae", "rmse")]
    names = [
        *(f"{name}_{metric}" for name in ("test", "constant", "ridge_all") for metric in of_each),
        *("test_spearman", "ridge_all_spearman", "test_worst_decile_mae"),  # a constant has no order
        *gaps,
    ]
    counts = {"n_test_reviews": N, "n_test_reviewers": N // 2, "n_repeat_reviewers": N // 2, "n_train_reviews": 100}
    assert set(metrics) == set(counts) | {name + end for name in names for end in ("", "_low", "_high")} | {
        name + end for name in gaps for end in ("_p", "_p_holm")
    }
    assert counts.items() <= metrics.items()
    for name in set(names) - {"constant_skill"}:  # their own mean has skill 0 on these reviews, and less on others
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"]
    assert metrics["constant_skill"] == pytest.approx(0)
    assert json.dumps(metrics, allow_nan=False)


def test_p_values_are_corrected_over_the_rivals_each_metric_by_itself():
    metrics = build_metrics(TRUE, make_methods(0.5, 0.5), BOOTSTRAP)
    for metric in ("mae", "rmse"):
        against = [f"test_minus_{rival}_{metric}" for rival in ("constant", "ridge_all")]
        assert [metrics[f"{name}_p_holm"] for name in against] == holm([metrics[f"{name}_p"] for name in against])
        assert metrics[f"{against[0]}_p_holm"] == 2 * metrics[f"{against[0]}_p"] == pytest.approx(4 / 301)


def test_what_is_not_defined_is_left_out_and_never_nan():
    constant = [Method("test", "the model", 100, np.full(N, 3.0)), *make_methods()[1:]]
    metrics = build_metrics(TRUE, constant, BOOTSTRAP)
    assert "test_spearman" not in metrics
    assert "test_skill" in metrics
    metrics = build_metrics(np.full(N, 4.0), make_methods(), ClusterBootstrap([None] * N, draws=100, seed=0))
    assert not {"test_spearman", "test_skill", "ridge_all_skill", "test_worst_decile_mae"} & set(metrics)
    assert not np.isnan(list(metrics.values())).any()


def test_a_difference_is_below_zero_where_the_model_is_closer():
    metrics = build_metrics(TRUE, make_methods(), BOOTSTRAP)
    assert metrics["test_minus_ridge_all_mae"] == pytest.approx(metrics["test_mae"] - metrics["ridge_all_mae"])
    assert metrics["test_minus_ridge_all_mae_high"] < 0


def test_a_constant_is_reported_with_its_best_answer_for_each_metric():
    metrics = build_metrics(TRUE, make_methods(), BOOTSTRAP)
    assert metrics["constant_mae"] == pytest.approx(np.abs(TRUE - 3).mean())
    assert metrics["constant_rmse"] == pytest.approx(TRUE.std())


def test_errors_by_star_match_the_sum_done_by_hand():
    table = errors_by_star(np.array([5.0, 5.0, 1.0, 1.5]), np.array([4.0, 5.0, 3.0, 2.5]))
    assert table.to_dict("records") == [
        {"stars": 1, "n_reviews": 1, "mae": 2.0, "rmse": 2.0, "bias": 2.0},
        {"stars": 2, "n_reviews": 1, "mae": 1.0, "rmse": 1.0, "bias": 1.0},
        {"stars": 5, "n_reviews": 2, "mae": 0.5, "rmse": pytest.approx(0.5**0.5), "bias": -0.5},
    ]


def test_the_table_of_predictions_holds_no_text():
    test = pd.DataFrame({"review_id": ["a"], "stars": [5.0], "text_clean": ["Nobody else's business."]})
    row = {"review_id": "a", "stars_true": 5.0, "stars_pred": 4.1235}
    assert predictions_table(test, np.array([4.123456]), None).to_dict("records") == [row]
    predictions = Predictions(np.array([4.123456]), np.array([3.5]), np.array([5.0]))
    table = predictions_table(test, predictions.stars, predictions)
    assert table.to_dict("records") == [row | {"stars_low": 3.5, "stars_high": 5.0}]


@pytest.mark.parametrize(
    ("model_noise", "rival_noise", "words"),
    [
        (0.2, 0.8, ["stars closer than", "chance does not explain"]),
        (0.5, 0.5, ["may be chance"]),
        (0.8, 0.2, ["stars further off than", "chance does not explain"]),
    ],
)
def test_the_sentence_says_who_is_closer_and_whether_that_is_certain(model_noise, rival_noise, words):
    methods = make_methods(model_noise, rival_noise)
    sentence = summarise(build_metrics(TRUE, methods, BOOTSTRAP), methods, "reviewer")
    assert sentence.startswith(
        "On 300 reviews by people none of whose reviews it learnt from, the <b>model</b> is off by"
    )
    assert all(part in sentence for part in [*words, "strongest rival, ridge"])


def test_every_way_to_split_says_for_whom_the_numbers_hold():
    assert set(UNSEEN) == {"reviewer", "product", "time", "review"}


def write_page(path, methods, metrics, **options):
    write_evaluation_page(
        path,
        metrics=metrics,
        methods=methods,
        epochs=EPOCHS,
        by_star=errors_by_star(TRUE, methods[0].stars_pred),
        split_by="review",
        facts={"Dataset": "<script>alert(1)</script>"},
        **options,
    )
    return path.read_text(encoding="utf-8")


@pytest.fixture
def page(tmp_path):
    methods = make_methods()
    return write_page(tmp_path / "evaluation.html", methods, build_metrics(TRUE, methods, BOOTSTRAP))


def test_the_evaluation_page_escapes_what_it_is_given(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>model" not in page


def test_the_evaluation_page_needs_no_network(page):
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page


def test_the_evaluation_page_opens_with_the_sentence_and_shows_every_method(page):
    assert page.index("is off by") < page.index("<table")
    assert page.count('<th scope="row">ridge</th>') == 1
    assert page.count("<circle") == 2 * len(EPOCHS)
    assert page.count("<rect") == 5 + 2  # true stars; of Figure 2, the model alone


def test_the_page_shows_the_paper_s_before_an_honest_one_and_after_as_bars_and_as_a_table(tmp_path):
    methods = [
        *make_methods()[:1],
        Method("frozen", "ridge on states", 100, TRUE + 0.7 * NOISE[0]),
        Method("untrained", "random", 0, np.zeros(N)),
    ]
    metrics = build_metrics(TRUE, methods, BOOTSTRAP)
    table = before_after(metrics)
    assert list(table["method"]) == ["untrained head", "frozen backbone", "fine-tuned"] * 2
    assert list(table["metric"]) == ["MAE"] * 3 + ["RMSE"] * 3
    assert list(table["error"]) == [
        metrics[f"{name}_{m}"] for m in ("mae", "rmse") for name in ("untrained", "frozen", "test")
    ]
    assert (table["low"] <= table["error"]).all()
    assert (table["error"] <= table["high"]).all()
    page = write_page(tmp_path / "evaluation.html", methods, metrics)
    assert page.count("<rect") == 5 + 6
    assert f"MAE, method frozen backbone: {metrics['frozen_mae']:.3f} stars" in page


def test_the_page_says_the_other_metrics_in_words_and_gives_p_values(page):
    for words in ("Right star", "At most one star off", "worst-served reviewers", "150 reviewers with several"):
        assert words in page
    assert "<small>P = 0.013</small>" in page
    assert "champion" not in page


def test_the_page_says_why_a_number_is_left_out_and_what_to_know_before_believing_it(tmp_path):
    methods = [
        Method("test", "the model", 100, np.full(N, 3.0)),
        *make_methods()[1:],
        Method("champion", "the champion, version 3", None, TRUE),
    ]
    metrics = build_metrics(TRUE, methods, ClusterBootstrap([None] * N, draws=100, seed=0))
    page = write_page(tmp_path / "evaluation.html", methods, metrics, warnings=["Only <3 reviewers."])
    assert "Not defined: all its ratings are the same" in page
    assert "Left out: 0 reviewers have several test reviews, and it takes 10." in page
    assert "Only &lt;3 reviewers." in page
    assert "it may have learnt from some of them" in page
    assert not re.search(r"\b(None|nan)\b", page)


def test_a_chart_starts_at_zero_and_holds_its_largest_value():
    chart = make_chart("error", "epoch", ["1", "2"], {"MAE": [0.3, 0.61]})
    assert [tick.label for tick in chart.y_ticks] == ["0", "0.2", "0.4", "0.6", "0.8"]
    assert all(chart.y_ticks[-1].at <= mark.y <= chart.bottom for mark in chart.series[0].marks)


@pytest.mark.parametrize("values", [[], [0.0], [1e-9], [1234.5], [0.4] * 50])
def test_a_chart_can_be_drawn_of_anything(values):
    chart = make_chart("error", "epoch", [str(i) for i in range(len(values))], {"MAE": values})
    assert len(chart.y_ticks) >= 2
    assert len(chart.x_ticks) <= 10
