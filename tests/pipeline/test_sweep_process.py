"""A sweep through real DVC: every model lands in the same store, and the folder stays as it was."""

import pytest

pytestmark = pytest.mark.pipeline


def test_a_sweep_runs_every_model_names_the_one_that_failed_and_ends_with_the_page(repository):
    (repository.root / "data/raw/notes.txt").write_text("not in git, and watched by ingest")
    before = repository.run("git", "status", "--porcelain")
    output = repository.run(
        *("starsight", "sweep", "tiny", "bert", "other"),
        *("--set", "finetune.epochs=1", "--set", "models.bert.checkpoint=/nowhere/bert"),
        ok=False,
    )
    assert "/nowhere/bert does not exist" in output
    assert "failed: bert (" in output
    assert "ran: tiny, other" in output
    assert "Traceback" not in output
    runs = {run.data.params["model"]: run for run in repository.mlflow_runs()}
    assert set(runs) == {"tiny", "other"}
    assert len({run.data.tags["test_rows"] for run in runs.values()}) == 1
    assert all(run.data.metrics["rate_reviews_per_s"] > 0 for run in runs.values())
    assert all(run.data.metrics["model_bytes"] > 1000 for run in runs.values())
    assert all(run.data.metrics["evaluate_seconds"] > 0 for run in runs.values())
    page = (repository.root / "reports/comparison.html").read_text()
    assert all(f"<small>{run.info.run_name}</small>" in page for run in runs.values())
    assert "reports/comparison.html" in output

    changes = repository.run("git", "status", "--porcelain")
    assert changes.replace("?? promotions.jsonl\n", "") == before  # where the first champion is noted
    assert not (repository.root / "models").exists()
    assert [path.name for path in (repository.root / "reports").iterdir()] == ["comparison.html"]
    shown = repository.run("dvc", "exp", "list", "--name-only").split()
    assert {run.info.run_name for run in runs.values()} <= set(shown)


def test_a_version_carries_its_model_card(repository):
    version = repository.store.search_model_versions("name='starsight'")[0]
    run = repository.store.get_run(version.run_id)
    found = {artifact.path for artifact in repository.store.list_artifacts(run.info.run_id, "reports")}
    assert {"reports/MODEL_CARD.md", "reports/predictions.csv"} <= found
    (model,) = repository.store.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    assert "artifacts/MODEL_CARD.md" in {
        artifact.path for artifact in repository.store.list_logged_model_artifacts(model.model_id, "artifacts")
    }
