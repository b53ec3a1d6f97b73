"""The registered model: a run has one version, the first is champion, later ones are challengers."""

import mlflow
import pytest
from miniature import CPU, tiny_regressor, tiny_tokenizer

from starsight.model.predictor import Predictor
from starsight.tracking.registry import register_model
from starsight.tracking.runs import open_run


@pytest.fixture
def finetuned(tmp_path):
    tokenizer = tiny_tokenizer("bert")
    Predictor(tiny_regressor("bert", tokenizer), tokenizer, {}, 64, CPU).save(tmp_path / "finetuned")
    return tmp_path / "finetuned"


def test_the_first_version_is_champion_and_the_next_a_challenger_that_changes_nothing_else(layout, finetuned):
    for name in ("first", "second"):
        with open_run(layout, name, layout.scratch / name) as run:
            register_model(run, finetuned, {"test_mae": 0.4})
            register_model(run, finetuned, {"test_mae": 0.4})  # measured again
    aliases = mlflow.MlflowClient().get_registered_model("starsight").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1", "challenger": "2"}
    model = mlflow.pyfunc.load_model("models:/starsight@champion")
    assert model.predict(["lovely"])["stars"].between(1, 5).all()
