"""The champion is loaded as it was registered, or one line says why it is not."""

import shutil

import mlflow
import numpy as np
import pytest
from miniature import CPU, tiny_regressor, tiny_tokenizer

from starsight.errors import RegistryError
from starsight.model.predictor import Predictor
from starsight.tracking.champion import load_champion
from starsight.tracking.registry import register_model
from starsight.tracking.runs import open_run
from starsight.tracking.store import connect

TEXTS = ["The dress is lovely.", "The zipper is broken and awful."]


def test_without_a_registered_model_or_an_alias_there_is_no_champion(layout):
    connect(layout)
    assert load_champion(layout) is None
    mlflow.MlflowClient().create_registered_model("starsight")
    assert load_champion(layout) is None


def test_the_champion_rates_as_it_did_when_it_was_registered_and_one_line_says_that_its_files_are_gone(layout):
    tokenizer = tiny_tokenizer("bert")
    predictor = Predictor(tiny_regressor("bert", tokenizer), tokenizer, {}, 64, CPU)
    predictor.save(layout.finetuned)
    layout.model_card.parent.mkdir()
    layout.model_card.write_text("# Model card")
    with open_run(layout, "first", layout.scratch / "first") as run:
        register_model(run, layout.finetuned, {"test_mae": 0.4}, layout.model_card, layout.promotions)

    version, champion = load_champion(layout, other_than="another run")
    assert version == "1"
    assert np.allclose(champion.rate_texts(TEXTS), predictor.rate_texts(TEXTS), atol=1e-6)
    assert load_champion(layout, other_than=run.run_id) is None

    (facts,) = layout.mlflow_artifacts.rglob("finetuned/input.json")
    facts.write_text("{}")
    with pytest.raises(RegistryError, match="version 1 of starsight cannot be loaded"):
        load_champion(layout)
    shutil.rmtree(facts.parent)
    with pytest.raises(
        RegistryError, match="version 1 of starsight cannot be loaded, its artifacts are gone"
    ) as caught:
        load_champion(layout)
    assert "\n" not in str(caught.value)


def test_a_registry_out_of_reach_is_one_line(layout, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:1")
    with pytest.raises(RegistryError, match="the model registry did not answer") as caught:
        load_champion(layout)
    assert "\n" not in str(caught.value)
