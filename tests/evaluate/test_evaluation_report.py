import json

import numpy as np
import pandas as pd
import pytest

from starsight.evaluate.charts import make_chart
from starsight.evaluate.methods import Method
from starsight.evaluate.report import (
    UNSEEN,
    build_metrics,
    errors_by_star,
    predictions_table,
    summarise,
    write_evaluation_page,
)
from starsight.intervals import ClusterBootstrap

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
    return [
        Method("test", "the <b>model</b>", 100, TRUE + model_noise * NOISE[0]),
        Method("constant", "the best constant", 100, np.full(N, 3.0), np.full(N, TRUE.mean())),
        Method("ridge_all", "ridge", 900, TRUE + rival_noise * NOISE[1]),
    ]


def test_metrics_name_every_method_and_every_difference_with_its_interval():
    metrics = build_metrics(TRUE, make_methods(), BOOTSTRAP)
    names = [
        f"{name}_{metric}"
        for name in ("test", "constant", "ridge_all", "test_minus_constant", "test_minus_ridge_all")
        for metric in ("mae", "rmse")
    ]
    assert set(metrics) == {"n_test_reviews", "n_test_reviewers", "n_train_reviews"} | {
        name + end for name in names for end in ("", "_low", "_high")
    }
    assert (metrics["n_test_reviews"], metrics["n_test_reviewers"], metrics["n_train_reviews"]) == (N, N // 2, 100)
    for name in names:
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"]
    assert json.dumps(metrics, allow_nan=False)


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
    table = predictions_table(["a"], np.array([5.0]), np.array([4.123456]))
    assert table.to_dict("records") == [{"review_id": "a", "stars_true": 5.0, "stars_pred": 4.1235}]


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


@pytest.fixture
def page(tmp_path):
    path, methods = tmp_path / "evaluation.html", make_methods()
    write_evaluation_page(
        path,
        metrics=build_metrics(TRUE, methods, BOOTSTRAP),
        methods=methods,
        epochs=EPOCHS,
        by_star=errors_by_star(TRUE, methods[0].stars_pred),
        split_by="review",
        facts={"Dataset": "<script>alert(1)</script>"},
    )
    return path.read_text(encoding="utf-8")


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
    assert page.count("<rect") == 5


def test_a_chart_starts_at_zero_and_holds_its_largest_value():
    chart = make_chart("error", "epoch", ["1", "2"], {"MAE": [0.3, 0.61]})
    assert [tick.label for tick in chart.y_ticks] == ["0", "0.2", "0.4", "0.6", "0.8"]
    assert all(chart.y_ticks[-1].at <= mark.y <= chart.bottom for mark in chart.series[0].marks)


@pytest.mark.parametrize("values", [[], [0.0], [1e-9], [1234.5], [0.4] * 50])
def test_a_chart_can_be_drawn_of_anything(values):
    chart = make_chart("error", "epoch", [str(i) for i in range(len(values))], {"MAE": values})
    assert len(chart.y_ticks) >= 2
    assert len(chart.x_ticks) <= 10
