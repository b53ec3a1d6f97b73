"""From a clone to a registered, explained model, and from there to experiments. The tests of this module build on
each other: each goes on where the one before left the repository."""

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request

import mlflow
import pandas as pd
import pytest
from repository import STAGES, ran

from starsight.model.tokens import read_tokens
from starsight.split import take

pytestmark = pytest.mark.pipeline


def test_repro_runs_every_stage_and_leaves_every_output(repository):
    output = repository.run("dvc", "repro")
    assert ran(output) == STAGES
    for path in (
        "data/interim/reviews.parquet",
        "data/interim/rejected.parquet",
        "data/interim/clean.parquet",
        "data/interim/dropped.parquet",
        "data/processed/train",
        "models/finetuned/head.safetensors",
        "reports/evaluation.html",
        "reports/validation/index.html",
        "reports/explanations/index.html",
        "reports/explanations/words_raising.csv",
    ):
        assert (repository.root / path).exists(), path
    repository.commit("First run")


def test_every_metrics_file_is_flat(repository):
    for name in ("ingest", "clean", "validation", "tokens", "adaptation", "training", "metrics", "explain"):
        values = repository.json(f"reports/{name}.json").values()
        assert values, name
        assert all(isinstance(value, int | float | str | bool) for value in values), name


def test_metrics_hold_the_model_and_its_rivals_with_intervals(repository):
    metrics = repository.json("reports/metrics.json")
    for method in ("test", "constant", "ridge", "ridge_all", "untrained", "frozen"):
        for measure in ("mae", "rmse"):
            name = f"{method}_{measure}"
            assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"], name
    assert metrics["n_train_reviews"] == 40 < repository.json("reports/tokens.json")["train_reviews"]


def test_ridge_learns_from_the_very_reviews_that_the_model_learns_from(repository):
    reviews = pd.read_parquet(repository.root / "data/interim/clean.parquet")
    learnt_by_ridge = take(reviews[reviews["split"] == "train"], 40)["review_id"]
    learnt_by_model = read_tokens(repository.root / "data/processed/train", 40)["review_id"]
    assert list(learnt_by_ridge) == list(learnt_by_model)


def test_one_mlflow_run_holds_params_metrics_reports_and_origin(repository):
    (run,) = repository.mlflow_runs()
    assert run.info.status == "FINISHED"
    assert run.info.run_id == repository.json("models/run.json")["run_id"]
    assert run.data.params["model"] == "tiny"
    assert run.data.params["finetune.batch_size"] == "16"
    assert run.data.params["models.tiny.family"] == "bert"
    metrics = repository.json("reports/metrics.json")
    assert {name: run.data.metrics.get(name) for name in metrics} == metrics
    epochs = [point.step for point in repository.store.get_metric_history(run.info.run_id, "validation_mae")]
    assert epochs == list(range(1, repository.json("reports/training.json")["epochs"] + 1))
    assert any(key.startswith("system/cpu") for key in run.data.metrics)
    assert any(key.startswith("system/system_memory") for key in run.data.metrics)
    reports = {artifact.path for artifact in repository.store.list_artifacts(run.info.run_id, "reports")}
    assert {"reports/metrics.json", "reports/evaluation.html", "reports/explanations"} <= reports
    assert len(run.data.tags["git_commit"]) == 40
    assert len(run.data.tags["dvc_lock_sha256"]) == 64


def test_the_registered_champion_rates_raw_text(repository, monkeypatch):
    aliases = repository.store.get_registered_model("starsight").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "1", "challenger": "1"}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", repository.tracking_uri)
    mlflow.set_tracking_uri(repository.tracking_uri)
    model = mlflow.pyfunc.load_model("models:/starsight@champion")
    assert model.metadata.signature is not None
    assert model.input_example is not None
    stars = model.predict(["The dress is lovely. The <b>fabric</b> is great.", "The zipper is broken and awful."])
    assert len(stars) == 2
    assert stars["stars"].between(1, 5).all()


def test_plots_are_shown_and_before_and_after_are_bars(repository):
    page = repository.run("dvc", "plots", "show", "reports/plots/before_after.csv")
    content = (repository.root / "dvc_plots/index.html").read_text()
    assert "dvc_plots" in page
    assert all(words in content for words in ("Error before and after fine-tuning", "frozen backbone", "fine-tuned"))


def test_mlflow_serves_the_champion_over_http(repository):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["mlflow", "models", "serve", "-m", "models:/starsight@champion", "--env-manager", "local"]
    with repository.start(*serve, "--port", str(port), MLFLOW_TRACKING_URI=repository.tracking_uri) as server:
        try:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations",
                json.dumps({"inputs": ["The dress is lovely.", "It is broken."]}).encode(),
                {"Content-Type": "application/json"},
            )
            answer = wait_for_answer(request, server)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
    predictions = answer["predictions"]
    assert len(predictions) == 2
    for prediction in predictions:
        assert 1 <= prediction["stars_low"] <= prediction["stars"] <= prediction["stars_high"] <= 5


def wait_for_answer(request, server):
    """The server's answer as soon as it gives one; it loads torch first."""
    for _ in range(120):
        assert server.poll() is None, "the server has stopped"
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.URLError:
            time.sleep(1)
    pytest.fail("the server did not answer")


def test_repro_again_runs_nothing_and_says_so_in_seconds(repository):
    started = time.monotonic()
    assert ran(repository.run("dvc", "repro")) == []
    assert time.monotonic() - started < 60  # five on a machine that does nothing else


def test_measuring_again_keeps_the_run_and_the_version_and_notes_the_new_setting(repository):
    n_versions = len(repository.store.search_model_versions("name='starsight'"))
    output = repository.run("dvc", "exp", "run", "-S", "evaluate.bootstrap_draws=300")
    assert ran(output) == ["evaluate"]
    (run,) = repository.mlflow_runs()
    assert run.data.params["evaluate.bootstrap_draws"] == "200"
    assert run.data.tags["changed.evaluate.bootstrap_draws"] == "300"
    assert len(repository.store.search_model_versions("name='starsight'")) == n_versions
    repository.run("git", "checkout", "--quiet", "--", ".")
    assert ran(repository.run("dvc", "repro")) == []


def test_another_model_reruns_from_tokenize_and_lands_beside_the_first(repository):
    first = repository.json("reports/metrics.json")
    assert "champion_mae" not in first  # its own version is no rival
    output = repository.run("dvc", "exp", "run", "--name", "second", "-S", "model=other")
    assert ran(output) == STAGES[3:]
    assert repository.json("reports/metrics.json")["champion_mae"] == pytest.approx(first["test_mae"])
    names = {run.info.run_name: run.data.params["model"] for run in repository.mlflow_runs()}
    assert names["second"] == "other"
    versions = repository.store.search_model_versions("name='starsight'")
    assert len(versions) == 2
    assert str(repository.store.get_model_version_by_alias("starsight", "champion").version) == "1"
    assert str(repository.store.get_model_version_by_alias("starsight", "challenger").version) == "2"


def test_going_back_restores_from_the_cache_without_training(repository):
    n_runs = len(repository.mlflow_runs())
    output = repository.run("dvc", "exp", "run", "-S", "model=tiny")
    assert ran(output) == []
    assert len(repository.mlflow_runs()) == n_runs
    assert repository.json("models/run.json")["run_id"] in {
        run.info.run_id for run in repository.mlflow_runs() if run.data.params["model"] == "tiny"
    }


@pytest.mark.parametrize("kind", ["--temp", "--queue"])
def test_runs_in_a_copy_of_the_repository_land_in_the_same_store(repository, kind):
    name = f"in-a-copy{kind.replace('--', '-')}"
    rate = {"--temp": "0.002", "--queue": "0.003"}[kind]
    repository.run("dvc", "exp", "run", kind, "--name", name, "-S", f"finetune.learning_rate={rate}")
    if kind == "--queue":
        repository.run("dvc", "queue", "start")
        for _ in range(200):
            if "Queued" not in (state := repository.run("dvc", "queue", "status")) and "Running" not in state:
                break
            time.sleep(1)
        assert "Failed" not in state, repository.run("dvc", "queue", "logs", name)
    (run,) = [run for run in repository.mlflow_runs() if run.info.run_name == name]
    assert run.info.status == "FINISHED"
    assert run.data.params["finetune.learning_rate"] == rate
    assert "test_mae" in run.data.metrics


def test_experiments_are_shown_and_compared_by_their_metrics(repository):
    shown = json.dumps(repository.run_json("dvc", "exp", "show", "--json"))
    assert all(name in shown for name in ("second", "test_mae", "test_rmse", "ridge_mae"))
    compared = repository.run_json("dvc", "metrics", "diff", "HEAD", "second", "--json")
    assert {"old", "new", "diff"} <= set(compared["reports/metrics.json"]["test_mae"])


def test_the_plots_of_two_experiments_are_drawn_into_one_page(repository):
    repository.run("dvc", "plots", "diff", "HEAD", "second")
    content = (repository.root / "dvc_plots/index.html").read_text()
    titles = ("Error before and after fine-tuning", "by epoch", "second", "HEAD")
    assert [title for title in titles if title not in content] == []


def test_settings_of_an_adaptation_that_is_off_train_nothing_and_switching_it_on_trains_anew(repository):
    repository.run("git", "checkout", "--quiet", "--", ".")
    off = repository.run("dvc", "exp", "run", "-S", "adapt.learning_rate=0.002")
    assert ran(off) == ["adapt"]
    on = repository.run("dvc", "exp", "run", "--name", "adapted", "-S", "adapt.enabled=true")
    assert ran(on) == STAGES[4:]
    report = repository.json("reports/adaptation.json")
    assert report["loss_after"] < report["loss_before"]
    (run,) = [run for run in repository.mlflow_runs() if run.info.run_name == "adapted"]
    assert run.data.metrics["adapt_loss_after"] == report["loss_after"]
    repository.run("git", "checkout", "--quiet", "--", ".")
    assert ran(repository.run("dvc", "repro")) == []
    assert not (repository.root / "models/adapted/backbone").exists()


def test_a_model_that_cannot_be_reached_fails_before_any_review_is_read(repository):
    where = "models.bert.checkpoint=/nowhere/bert"
    for changed in ("ingest.max_rejected_share=0.5", "clean.split.by=product"):
        repository.run("git", "checkout", "--quiet", "--", ".")
        output = repository.run("dvc", "exp", "run", "-S", "model=bert", "-S", where, "-S", changed, ok=False)
        assert ran(output) == [changed.partition(".")[0]]
    assert not any(path.suffix == ".partial" for path in repository.root.rglob("*"))
    assert "models.bert.checkpoint: /nowhere/bert does not exist" in output
    assert "Traceback" not in output


def test_every_mistake_in_the_settings_is_named_before_anything_runs(repository):
    output = repository.run(
        *("dvc", "exp", "run", "-S", "finetune.learning_rate=fast", "-S", "+explain.colour=blue"), ok=False
    )
    assert "params.yaml has 2 problems" in output
    assert "finetune.learning_rate" in output
    assert "explain.colour: no such setting" in output
    assert "Traceback" not in output


def test_the_gate_judges_the_second_model_on_the_same_rows_and_the_record_says_who_is_champion(repository):
    repository.run("git", "checkout", "--quiet", "--", ".")
    repository.run("dvc", "repro")  # the clean reviews went with the stage that failed in the test before
    answer = repository.run("starsight", "promote", "--version", "2", ok=False)
    assert "enough reviewers: failed" in answer
    assert "starsight: " not in answer  # judged, not stopped
    assert str(repository.store.get_model_version_by_alias("starsight", "champion").version) == "1"
    assert repository.store.get_model_version("starsight", "2").tags["gate.validated"].startswith("validated: passed")
    repository.run("starsight", "promote", "--version", "2", "--force", "--reason", "a test")
    assert str(repository.store.get_model_version_by_alias("starsight", "champion").version) == "2"
    repository.run("starsight", "rollback")
    assert str(repository.store.get_model_version_by_alias("starsight", "champion").version) == "1"
    assert [each["kind"] for each in repository.run_json("starsight", "history", "--json")] == [
        *("first", "forced", "rollback")
    ]
