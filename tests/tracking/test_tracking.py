"""One run an experiment, always brought to an end; a store that survives eight processes at once; a champion."""

import importlib
import signal
import subprocess
import sys
import time

import mlflow
import pandas as pd
import pytest
import yaml
from miniature import REPOSITORY, tiny_params

from starsight.errors import RegistryError
from starsight.layout import Layout
from starsight.params import load_params
from starsight.tables import write_json
from starsight.tracking.runs import continue_run, describe_origin, flatten_params, open_run, run_name, write_run_file
from starsight.tracking.store import connect, registry_errors, tracking_uri


@pytest.fixture
def run_id_file(tmp_path):
    return tmp_path / "scratch/run_id"


def status(run_id):
    return mlflow.get_run(run_id).info.status


def test_without_an_address_the_store_is_a_database_in_the_real_repository(layout, tmp_path):
    connect(layout)
    assert tracking_uri(layout) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert (tmp_path / "mlruns/mlflow.db").exists()
    experiment = mlflow.get_experiment_by_name("starsight")
    assert experiment.artifact_location == (tmp_path / "mlruns/artifacts").as_uri()


def test_a_relative_database_begins_in_the_real_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    layout = Layout(root=tmp_path / "copy", home=tmp_path)
    assert tracking_uri(layout) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"


def test_the_address_in_the_environment_wins(layout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking_uri(layout) == "http://127.0.0.1:1"


def test_what_adaptation_measured_is_recorded_where_it_was_switched_on(layout, run_id_file):
    for enabled in (False, True):
        write_json({"enabled": enabled, "loss_after": 2.5, "device": "cpu"}, layout.adaptation_report)
        with open_run(layout, f"adapted-{enabled}", run_id_file.with_name(str(enabled))) as run:
            run.log_adaptation(layout)
        metrics = {key: value for key, value in mlflow.get_run(run.run_id).data.metrics.items() if "system" not in key}
        assert metrics == ({"adapt_loss_after": 2.5} if enabled else {})
        reports = [artifact.path for artifact in mlflow.MlflowClient().list_artifacts(run.run_id, "reports")]
        assert reports == (["reports/adaptation.json"] if enabled else [])


def test_a_server_that_is_gone_is_one_line_without_the_password(layout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match=r"the MLflow store at http://127\.0\.0\.1:1 did not answer") as caught:
        connect(layout)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_processes_may_open_a_fresh_store_at_once(layout):
    code = "from starsight.tracking.store import connect; from starsight.layout import Layout; print(connect(Layout()))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=layout.root, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    answers = {process.communicate(timeout=200)[0].strip() for process in processes}
    assert len(answers) == 1
    assert answers != {""}


def test_a_run_that_ends_well_is_finished_and_named_for_the_later_stages(layout, run_id_file):
    with open_run(layout, "tiny", run_id_file) as run:
        run.log({"loss": 1.0}, step=1)
        run.log({"loss": 0.5}, step=2)
        write_run_file(run, layout)
    assert status(run.run_id) == "FINISHED"
    assert [point.value for point in mlflow.MlflowClient().get_metric_history(run.run_id, "loss")] == [1.0, 0.5]
    with continue_run(layout) as again:
        assert again.run_id == run.run_id


def test_an_error_marks_the_run_failed_and_keeps_the_traceback(layout, run_id_file):
    with pytest.raises(ZeroDivisionError), open_run(layout, "tiny", run_id_file) as run:
        1 / 0  # noqa: B018
    assert status(run.run_id) == "FAILED"
    assert "ZeroDivisionError" in mlflow.artifacts.load_text(f"runs:/{run.run_id}/error.txt")


def test_ctrl_c_marks_the_run_killed(layout, run_id_file):
    with pytest.raises(KeyboardInterrupt), open_run(layout, "tiny", run_id_file) as run:
        raise KeyboardInterrupt
    assert status(run.run_id) == "KILLED"


def test_a_training_that_was_killed_goes_on_in_its_own_run(layout, run_id_file):
    with pytest.raises(KeyboardInterrupt), open_run(layout, "tiny", run_id_file) as killed:
        raise KeyboardInterrupt
    with open_run(layout, "tiny", run_id_file) as resumed:
        assert status(resumed.run_id) == "RUNNING"
    assert resumed.run_id == killed.run_id
    assert status(resumed.run_id) == "FINISHED"


def test_a_run_that_the_store_forgot_is_replaced_in_training_and_an_error_later(layout, run_id_file):
    connect(layout)
    run_id_file.parent.mkdir(parents=True)
    run_id_file.write_text("0" * 32)
    with open_run(layout, "tiny", run_id_file) as run:
        pass
    assert run.run_id != "0" * 32
    write_json({"run_id": "0" * 32}, layout.run)
    with pytest.raises(RegistryError, match="is not in the MLflow store; dvc repro --force"), continue_run(layout):
        pass


def test_a_table_is_one_that_mlflow_shows_and_written_again_replaces_the_first(layout, run_id_file):
    tables = [pd.DataFrame({"word": ["lovely", "“cheap”"], "stars": [0.5, -0.25]}), pd.DataFrame({"word": ["great"]})]
    with open_run(layout, "tables", run_id_file) as run:
        mlflow.set_experiment("starsight")
        for table in tables:
            run.log_tables({"words": table})
            pd.testing.assert_frame_equal(mlflow.load_table("tables/words.json", [run.run_id]), table)
    listed = mlflow.get_run(run.run_id).data.tags["mlflow.loggedArtifacts"]
    assert listed == '[{"path": "tables/words.json", "type": "table"}]'


def test_a_setting_that_changed_later_is_a_tag_since_mlflow_params_never_change(layout, run_id_file):
    with open_run(layout, "tiny", run_id_file) as run:
        run.log_params({"seed": 1, "evaluate.bootstrap_draws": 100})
        run.log_params({"seed": 1, "evaluate.bootstrap_draws": 200})
    data = mlflow.get_run(run.run_id).data
    assert data.params == {"seed": "1", "evaluate.bootstrap_draws": "100"}
    assert {key for key in data.tags if key.startswith("changed.")} == {"changed.evaluate.bootstrap_draws"}
    assert data.tags["changed.evaluate.bootstrap_draws"] == "200"


def test_every_setting_that_shaped_a_run_is_recorded_and_no_row_that_did_not(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params("checkpoint", "reviews.csv")))
    flat = flatten_params(load_params(tmp_path / "params.yaml"))
    assert flat["validate.min_reviews"] == 20
    assert flat["clean.split.by"] == "reviewer"
    assert flat["datasets.tiny.columns.rating.scale"] == [1, 5]
    assert not any(key.startswith(("models.minilm", "datasets.renttherunway")) for key in flat)


def test_a_run_is_named_after_dvcs_experiment_or_its_model_and_dataset(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params("checkpoint", "reviews.csv")))
    params = load_params(tmp_path / "params.yaml")
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert run_name(params) == "tiny-tiny"
    monkeypatch.setenv("DVC_EXP_NAME", "happy-otter")
    assert run_name(params) == "happy-otter"


def test_the_origin_names_commit_and_lock_and_says_none_where_there_is_none(tmp_path):
    assert describe_origin(Layout(tmp_path, tmp_path))["git_commit"] == "none"
    if (REPOSITORY / ".git").exists():
        assert len(describe_origin(Layout(REPOSITORY, REPOSITORY))["git_commit"]) == 40


def test_a_stop_in_the_middle_of_a_write_waits_until_it_is_done_and_the_run_is_killed(layout, run_id_file, monkeypatch):
    whole = mlflow.MlflowClient.log_batch

    def stopped_in_between(self, *arguments, **options):
        signal.raise_signal(signal.SIGINT)
        whole(self, *arguments, **options)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", stopped_in_between)
    with pytest.raises(KeyboardInterrupt), open_run(layout, "a", run_id_file) as run:
        run.log({"loss": 0.5})
    run_id = run_id_file.read_text()
    assert mlflow.get_run(run_id).data.metrics["loss"] == 0.5
    assert status(run_id) == "KILLED"


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_text("no database " * 100)])
def test_a_database_that_is_none_is_said_at_once(layout, make):
    layout.mlruns.mkdir()
    make(layout.mlflow_database)
    started = time.monotonic()
    with pytest.raises(RegistryError, match=r"the MLflow store .*mlflow\.db (is a folder|cannot be opened)") as caught:
        connect(layout)
    assert time.monotonic() - started < 10
    assert "\n" not in str(caught.value)


def test_a_store_that_keeps_us_waiting_is_named_meanwhile(layout, monkeypatch, caplog):
    monkeypatch.setattr("starsight.tracking.store._PATIENCE_S", 0.05)
    monkeypatch.setattr("starsight.tracking.store._check_opens", lambda _: time.sleep(0.5))
    connect(layout)
    assert "mlflow.db does not answer yet; still trying" in caplog.text


def test_a_driver_that_is_missing_is_one_line():
    message = "the store needs the module nosuch, which is not installed; install it"
    with pytest.raises(RegistryError, match=message), registry_errors("the store"):
        importlib.import_module("nosuch")
