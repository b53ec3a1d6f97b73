"""A repository with a registry of planted models, a fresh one for every test."""

import shutil
from pathlib import Path

import mlflow
import pytest
import yaml
from contenders import ANSWERS, ELSEWHERE, GONE, planted, write_reviews
from miniature import tiny_params

from starsight.layout import Layout
from starsight.params import load_params
from starsight.split import rows_hash
from starsight.tables import read_table, write_json
from starsight.tracking.registry import register_model
from starsight.tracking.runs import open_run
from starsight.tracking.store import connect


@pytest.fixture(scope="session")
def filled(tmp_path_factory) -> Layout:
    """The registry, made once: a copy of its database has the same artifacts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)  # the store of whichever test ran before
        return _fill(tmp_path_factory.mktemp("registry"))


def _fill(root: Path) -> Layout:
    layout = Layout(root, root)
    write_reviews(layout)
    params = tiny_params("checkpoint", "reviews.csv")
    params["evaluate"]["bootstrap_draws"] = 400
    params["promote"] |= {"min_saving": 0.95}  # so that no moment of a busy machine makes one look cheaper
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    write_json({"passed": True}, layout.validation_report)
    layout.model_card.write_text("# Model card")
    for number in ANSWERS:
        planted(number).save(layout.finetuned)
        rows = rows_hash(read_table(layout.clean)) if number != ELSEWHERE else "0123456789abcdef"
        with open_run(layout, number, layout.scratch / number) as run:
            run.log_params({"model": f"tiny{number}", "dataset": "made up"})
            run.tag(test_rows=rows)
            run.log_artifact(layout.validation_report, "reports")
            metrics = {"test_mae": 0.4, "n_test_reviews": 240}
            register_model(run, layout.finetuned, metrics, layout.model_card, layout.promotions)
    source = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/starsight/{GONE}/artifacts/finetuned")
    assert str(root) in source
    shutil.rmtree(source)
    return layout


@pytest.fixture
def layout(filled, tmp_path, monkeypatch) -> Layout:
    """A repository of the test's own, in which it may do as it likes."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.chdir(tmp_path)
    layout = Layout(tmp_path, tmp_path)
    for path in ("params.yaml", "promotions.jsonl", "mlruns/mlflow.db", "data/interim/clean.parquet"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(filled.root / path, tmp_path / path)
    connect(layout)
    return layout


@pytest.fixture
def params(layout):
    return load_params(layout.params)
