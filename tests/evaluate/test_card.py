"""The model card: readable by huggingface_hub, with the very numbers of the evaluation."""

import re

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from miniature import REPOSITORY

from starsight.evaluate.card import model_card, save_card
from starsight.layout import Layout
from starsight.params import load_params
from starsight.tables import read_json, write_csv, write_json

METRICS = {
    "n_test_reviews": 4000,
    "n_test_reviewers": 3205,
    "n_train_reviews": 6000,
    "test_mae": 0.35920948249101636,
    "test_mae_low": 0.348446355475076,
    "test_mae_high": 0.37004344875999,
    "test_rmse": 0.49692711625159625,
    "test_rmse_low": 0.48082912475037015,
    "test_rmse_high": 0.5132033472086603,
    "test_accuracy": 0.71,
    "ridge_mae": 0.3975,
    "test_minus_ridge_mae": -0.04,
}
ORIGIN = {"git_commit": "c" * 40, "git_dirty": "true", "dvc_lock_sha256": "d" * 64, "starsight_version": "0.1.0"}


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path, tmp_path)
    write_json(read_json(REPOSITORY / "reports/training.json"), layout.training_report)
    return layout


def write_card(layout, split_by="reviewer", **rows):
    """The card of the repository's own settings; ``rows`` name another model or dataset."""
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text()) | rows
    layout.params.write_text(yaml.safe_dump(content))
    write_json(METRICS, layout.metrics)
    card = model_card(load_params(layout.params), layout, read_json(layout.metrics), split_by, ORIGIN)
    save_card(card, layout.model_card)
    return ModelCard.load(layout.model_card)


def test_the_card_holds_every_metric_of_the_model_with_its_interval(layout):
    results = {result.metric_type: result for result in write_card(layout).data.eval_results}
    assert set(results) == {"mae", "rmse", "accuracy"}
    for name in ("mae", "rmse"):
        assert results[name].metric_value == METRICS[f"test_{name}"]
        interval = {f"interval_95_{end}": METRICS[f"test_{name}_{end}"] for end in ("low", "high")}
        assert results[name].metric_args == interval
    assert results["accuracy"].metric_args is None
    assert results["mae"].dataset_split == "test"


@pytest.mark.parametrize(
    ("split_by", "said"),
    [
        ("reviewer", "by people none of whose reviews it learnt from. Splits keep all reviews by a reviewer together"),
        ("review", "though it may have met their writers. Each review was put into a split by itself"),
        ("time", "newer than all that it learnt from. Splits go by date"),
    ],
)
def test_the_card_says_for_whom_the_numbers_hold(layout, split_by, said):
    write_card(layout, split_by=split_by)
    assert said in " ".join(layout.model_card.read_text().split())


def test_people_read_the_same_numbers(layout):
    text = write_card(layout).text
    assert "| test_mae | 0.359 | 0.348 to 0.370 |" in text
    assert "4,000 reviews by 3,205 reviewers" in text
    assert "6,000 reviews of the training split" in text


def test_the_card_asks_the_reader_for_nothing_and_needs_no_network(layout, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    assert "More Information Needed" not in write_card(layout).text


def test_the_card_says_which_licences_hold_and_where_none_is_stated(layout):
    card = write_card(layout)
    assert card.data.license == "apache-2.0"
    assert card.data.base_model is None  # a wheel has no address on the hub
    assert "weights: apache-2.0; reviews: none stated; published by UCSD for research" in card.text
    card = write_card(layout, model="roberta", dataset="finefoods")
    assert card.data.license == "mit"
    assert card.data.base_model == "FacebookAI/roberta-base"
    assert "weights: mit; reviews: not stated" in card.text


def test_the_card_says_how_to_make_the_model_again(layout):
    text = write_card(layout).text
    assert f"commit: `{'c' * 40}` with changes that were not committed" in text
    assert f"`dvc.lock`, sha256: `{'d' * 64}`" in text
    assert "dvc exp run -S model=minilm -S dataset=renttherunway" in text


def test_slices_are_shown_where_they_were_measured_and_cannot_break_the_page(layout):
    assert re.search(r"#### Factors\s+<!--.*-->\s+Not measured\.", write_card(layout).text)
    slices = pd.DataFrame({"group": ["category"], "name": ["a|b <script>"], "mae": [0.5], "mae_low": [None]})
    write_csv(slices, layout.slices)
    text = write_card(layout).text
    assert "| category | a\\|b &lt;script> | 0.500 | not stated |" in text
