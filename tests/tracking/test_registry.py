"""The registered model: a run has one version, the first is champion, later ones are challengers."""

import json

import mlflow
import pandas as pd
import pytest
from miniature import CPU, tiny_regressor, tiny_tokenizer

from starsight.model.calibration import Calibration
from starsight.model.predictor import Predictor
from starsight.tracking.registry import register_model
from starsight.tracking.runs import open_run


@pytest.fixture
def finetuned(tmp_path):
    tokenizer = tiny_tokenizer("bert")
    calibration = Calibration(coverage=0.9, edges=(), half_widths=(0.5,), n_reviews=300, chose_the_epoch=False)
    predictor = Predictor(tiny_regressor("bert", tokenizer), tokenizer, {}, 64, CPU, calibration=calibration)
    predictor.save(tmp_path / "finetuned")
    return tmp_path / "finetuned"


def test_the_first_version_is_champion_and_the_next_a_challenger_that_changes_nothing_else(layout, finetuned):
    card = layout.model_card
    card.parent.mkdir()
    card.write_text("# Model card")
    for name in ("first", "second"):
        with open_run(layout, name, layout.scratch / name) as run:
            register_model(run, finetuned, {"test_mae": 0.4}, card, layout.promotions)
            register_model(run, finetuned, {"test_mae": 0.4}, card, layout.promotions)  # measured again
    aliases = mlflow.MlflowClient().get_registered_model("starsight").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1", "challenger": "2"}
    model = mlflow.pyfunc.load_model("models:/starsight@champion")
    (row,) = model.predict(["lovely"]).to_dict("records")
    assert 1 <= row["stars_low"] < row["stars"] < row["stars_high"] <= 5
    assert list(row) == ["stars", "stars_low", "stars_high"]
    explained = model.predict(["lovely", ""], params={"explain": True})
    assert list(explained) == ["stars", "stars_low", "stars_high", "explanation"]
    pd.testing.assert_frame_equal(explained.drop(columns="explanation"), model.predict(["lovely", ""]), atol=1e-4)
    found = json.loads(explained["explanation"][0])
    (word,) = found["words"]
    assert (word["word"], word["start"], word["end"], found["method"]) == ("lovely", 0, 6, "contribution")
    whole = found["base"] + found["special_contribution"] + word["contribution"]
    assert whole == pytest.approx(explained["stars"][0], abs=1e-4)
    assert json.loads(explained["explanation"][1])["words"] == []
    (param,) = model.metadata.get_params_schema().params
    assert (param.name, param.default) == ("explain", False)


def test_after_a_champion_was_deleted_the_next_version_does_not_take_its_place_unasked(layout, finetuned, caplog):
    layout.model_card.parent.mkdir()
    layout.model_card.write_text("# Model card")

    def register(name):
        with open_run(layout, name, layout.scratch / name) as run:
            register_model(run, finetuned, {"test_mae": 0.4}, layout.model_card, layout.promotions)

    register("first")
    mlflow.MlflowClient().delete_model_version("starsight", "1")
    layout.promotions.unlink()
    register("second")
    assert set(mlflow.MlflowClient().get_registered_model("starsight").aliases) == {"challenger"}
    assert "starsight promote --force --reason TEXT" in caplog.text
