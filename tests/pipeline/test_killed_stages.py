"""Stages that are killed outright, or stopped: no half-written output, and the same command finishes the work."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import yaml
from miniature import REPOSITORY, make_reviews, tiny_params

pytestmark = pytest.mark.pipeline


def start(stage: str, folder: Path) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("DVC", "MLFLOW"))}
    env |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"stages.{stage}"]
    return subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)


def finish(stage: str, folder: Path) -> None:
    process = start(stage, folder)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors


def weights(folder: Path) -> str:
    files = sorted((folder / "models/finetuned").rglob("*.safetensors"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@pytest.fixture(scope="module")
def tokenized(tmp_path_factory, tiny_checkpoint) -> Path:
    """A folder in which the stages before ``finetune`` have run."""
    folder = tmp_path_factory.mktemp("tokenized")
    make_reviews(600).to_csv(folder / "reviews.csv", index=False)
    params = tiny_params(tiny_checkpoint, "reviews.csv")
    params["finetune"] |= {"epochs": 3, "patience": 3, "dropout": 0.1, "max_train_reviews": 300}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for stage in ("ingest", "clean", "validate", "tokenize"):
        finish(stage, folder)
    return folder


@pytest.fixture(scope="module")
def never_killed(tokenized, tmp_path_factory) -> str:
    """The weights of a training that was left alone."""
    folder = copy(tokenized, tmp_path_factory.mktemp("whole"))
    finish("finetune", folder)
    return weights(folder)


def copy(source: Path, target: Path) -> Path:
    for path in ("data", "params.yaml", "reviews.csv"):
        (target / path).symlink_to(source / path)
    return target


def runs(folder: Path) -> list:
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlruns/mlflow.db")
    return mlflow.search_runs(experiment_names=["starsight"], output_format="list")


def wait_for(path: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    for _ in range(2000):
        if list(path.glob(pattern)) or process.poll() is not None:
            return
        time.sleep(0.02)


@pytest.mark.parametrize("moment", ["*/run_id", "*/best.pt", "*/state.pt"])
def test_a_training_killed_outright_ends_with_the_same_weights_and_one_run(tokenized, never_killed, tmp_path, moment):
    folder = copy(tokenized, tmp_path)
    process = start("finetune", folder)
    wait_for(folder / "scratch/finetune", moment, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read()
    assert not (folder / "models/finetuned").exists()

    finish("finetune", folder)
    assert weights(folder) == never_killed
    (run,) = runs(folder)
    assert run.info.status == "FINISHED"
    recorded = mlflow.MlflowClient().get_metric_history(run.info.run_id, "validation_mae")
    assert {point.step for point in recorded} == {1, 2, 3}
    assert not [path for path in (folder / "scratch/finetune").iterdir() if path.is_dir()]


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_told_to_stop_says_so_and_marks_its_run_killed(tokenized, tmp_path, stop, code):
    folder = copy(tokenized, tmp_path)
    process = start("finetune", folder)
    wait_for(folder / "scratch/finetune", "*/best.pt", process)
    process.send_signal(stop)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert errors.strip().splitlines()[-1].startswith("starsight finetune: stopped by")
    assert "Traceback" not in errors
    (run,) = runs(folder)
    assert run.info.status == "KILLED"
    assert not (folder / "models/finetuned").exists()


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stage_that_is_stopped_while_it_loads_its_libraries_says_so_too(tokenized, tmp_path, stop, code):
    process = start("finetune", copy(tokenized, tmp_path))
    time.sleep(0.5)  # python has started, torch is not loaded
    process.send_signal(stop)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert errors.strip().splitlines()[-1].startswith("starsight")
    assert "Traceback" not in errors


def test_a_python_without_the_packages_is_named_with_the_way_out(tmp_path):
    env = {"PYTHONPATH": str(REPOSITORY), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-m", "stages.ingest"]  # -S: no site-packages
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "activate the environment (source .venv/bin/activate) or use make" in done.stderr
    assert "Traceback" not in done.stderr
