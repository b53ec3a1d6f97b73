"""Cross-validation through the stage: off by default, on it lands in metrics, table, page's data and MLflow run."""

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from stages.adapt import main as adapt
from stages.clean import main as clean
from stages.evaluate import main
from stages.finetune import main as finetune
from stages.ingest import main as ingest
from stages.tokenize import main as tokenize
from stages.validate import main as validate
from starsight.errors import RegistryError
from starsight.evaluate.folds import FOLD_COLUMNS
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.params import Params, load_params
from starsight.split import take
from starsight.tables import read_json, read_table
from starsight.train.checkpoint import CheckpointFolder
from starsight.train.fold import train_on


def change(layout: Layout, section: str, **values: object) -> Params:
    content = yaml.safe_load(layout.params.read_text())
    content[section] |= values
    layout.params.write_text(yaml.safe_dump(content))
    return load_params(layout.params)


@pytest.fixture
def finetuned(workspace: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params = load_params(workspace.params)
    for stage in (ingest, clean, validate, tokenize, adapt, finetune):
        stage(params, workspace)
    return workspace


def recorded(layout: Layout) -> mlflow.entities.Run:
    return mlflow.get_run(read_json(layout.run)["run_id"])


def test_two_folds_and_then_another_model_on_the_same(finetuned: Layout) -> None:
    main(load_params(finetuned.params), finetuned)
    assert list(pd.read_csv(finetuned.folds)) == FOLD_COLUMNS
    assert pd.read_csv(finetuned.folds).empty
    assert not any(name.startswith("folds") for name in read_json(finetuned.metrics))

    own = read_json(finetuned.run)["run_id"]
    params = change(finetuned, "evaluate", folds=2, fold_reviews=80, folds_against=own)
    with pytest.raises(RegistryError, match=r"names this very run"):
        main(params, finetuned)
    main(change(finetuned, "evaluate", folds_against=None), finetuned)
    table, metrics, first = pd.read_csv(finetuned.folds), read_json(finetuned.metrics), recorded(finetuned)
    assert list(table["fold"]) == [1, 2]
    assert table["n_test"].sum() == 80
    assert metrics["folds_mae"] == pytest.approx(table["model_mae"].mean())
    assert {name: first.data.metrics[name] for name in metrics} == metrics
    assert len(first.data.tags["folds_rows"]) == 16

    change(finetuned, "finetune", learning_rate=1.0e-4)
    finetune(change(finetuned, "evaluate", folds_against="nowhere"), finetuned)
    with pytest.raises(RegistryError, match=r"evaluate\.folds_against: no run 'nowhere' is in the MLflow store"):
        main(load_params(finetuned.params), finetuned)
    main(change(finetuned, "evaluate", folds_against=first.info.run_id), finetuned)
    theirs, ours, second = table, pd.read_csv(finetuned.folds), read_json(finetuned.metrics)
    assert recorded(finetuned).info.run_id != first.info.run_id
    assert second["folds_ridge_mae"] == metrics["folds_ridge_mae"]
    gaps = ours["model_mae"] - theirs["model_mae"]
    assert second["folds_minus_other_mae"] == pytest.approx(gaps.mean())
    assert 0 < second["folds_minus_other_mae_p"] <= 1

    mlflow.MlflowClient().delete_tag(first.info.run_id, "folds_rows")
    with pytest.raises(RegistryError, match="holds no cross-validation"):
        main(load_params(finetuned.params), finetuned)


def test_a_fold_learns_what_finetune_learns_from_the_same_reviews(finetuned: Layout) -> None:
    params = load_params(finetuned.params)
    reviews = read_table(finetuned.clean)
    by_split = {split: take(part, len(part)) for split, part in reviews.groupby("split")}
    train = take(by_split["train"], params.finetune.max_train_reviews)
    folder = CheckpointFolder(finetuned.scratch / "fold")
    texts = list(by_split["test"]["text_clean"])
    ours = train_on(train, by_split["validation"], params, finetuned, folder).rate_clean_texts(texts)
    np.testing.assert_array_equal(ours, Predictor.load(finetuned.finetuned).rate_clean_texts(texts))
