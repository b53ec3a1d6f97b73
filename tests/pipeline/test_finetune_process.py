"""Stages that are killed outright, or stopped: no half-written output, and the same command finishes the work."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import torch
import yaml
from miniature import REPOSITORY, make_reviews, tiny_params
from safetensors.torch import load_file

pytestmark = pytest.mark.pipeline

TORCHRUN = (str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", "2")
# saved after every step, not every two minutes: there is a state early on, and the kill is far from the end
SAVING_OFTEN = (
    *(sys.executable, "-c"),
    "import runpy, sys; from starsight.adapt import loop; loop.CHECKPOINT_EVERY_S = 0.0; "
    "runpy.run_module(sys.argv[2], run_name='__main__')",
)
ACCELERATE = (str(Path(sys.executable).with_name("accelerate")), "launch", "--multi_gpu", "--num_processes", "2")


def start(stage: str, folder: Path, *launcher: str) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("DVC", "MLFLOW"))}
    env |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [*(launcher or [sys.executable]), "-m", f"stages.{stage}"]
    return subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)


def finish(stage: str, folder: Path, *launcher: str) -> str:
    process = start(stage, folder, *launcher)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    return errors


def weights(folder: Path, what: str = "finetuned") -> str:
    files = sorted((folder / "models" / what).rglob("*.safetensors"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted((folder / "models/finetuned").rglob("*.safetensors"))
    return {f"{file.name} {name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.fixture(scope="module")
def tokenized(tmp_path_factory, tiny_checkpoint) -> Path:
    """A folder in which the stages before ``finetune`` have run."""
    folder = tmp_path_factory.mktemp("tokenized")
    make_reviews(600).to_csv(folder / "reviews.csv", index=False)
    params = tiny_params(tiny_checkpoint, "reviews.csv")
    params["finetune"] |= {"epochs": 3, "patience": 3, "dropout": 0.1, "max_train_reviews": 300}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for stage in ("ingest", "clean", "validate", "tokenize", "adapt"):
        finish(stage, folder)
    return folder


@pytest.fixture(scope="module")
def never_killed(tokenized, tmp_path_factory) -> str:
    """The weights of a training that was left alone."""
    folder = copy(tokenized, tmp_path_factory.mktemp("whole"))
    finish("finetune", folder)
    return weights(folder)


def copy(source: Path, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    for path in ("data", "params.yaml", "reviews.csv", "models/adapted", "reports/adaptation.json"):
        (target / path).parent.mkdir(exist_ok=True)
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


def kill(stage: str, folder: Path, moment: str, *launcher: str) -> None:
    """Start a stage, and kill it outright once a file is in its scratch folder."""
    process = start(stage, folder, *launcher)
    wait_for(folder / "scratch" / stage, moment, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read()


@pytest.mark.parametrize("moment", ["*.run_id", "*/0/best.pt", "*/0/state.pt"])
def test_a_training_killed_outright_ends_with_the_same_weights_and_one_run(tokenized, never_killed, tmp_path, moment):
    folder = copy(tokenized, tmp_path)
    kill("finetune", folder, moment)
    assert not (folder / "models/finetuned").exists()

    finish("finetune", folder)
    assert weights(folder) == never_killed
    (run,) = runs(folder)
    assert run.info.status == "FINISHED"
    recorded = mlflow.MlflowClient().get_metric_history(run.info.run_id, "validation_mae")
    assert {point.step for point in recorded} == {1, 2, 3}
    assert not [path for path in (folder / "scratch/finetune").iterdir() if path.is_dir()]


KILLED_IN_REMOVAL = """
import os, shutil, signal

def half(path, *_, **__):
    if "scratch/finetune" in str(path):
        next(path.rglob("best.pt")).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(path, *_, **__)

whole, shutil.rmtree = shutil.rmtree, half
"""


@pytest.mark.parametrize("killed", ["while its state is removed", "before DVC has written down that it ended"])
def test_a_training_that_is_done_again_after_a_kill_at_its_end_reports_to_its_own_run(
    tokenized, never_killed, tmp_path, monkeypatch, killed
):
    folder = copy(tokenized, tmp_path / "work")
    (tmp_path / "sitecustomize.py").write_text(KILLED_IN_REMOVAL)
    if killed == "while its state is removed":
        process = start("finetune", folder, "env", f"PYTHONPATH={tmp_path}:{REPOSITORY}", sys.executable)
        assert process.wait(200) == -signal.SIGKILL, process.stderr.read()
    else:
        finish("finetune", folder)
    (first,) = runs(folder)
    shutil.rmtree(folder / "models/finetuned")  # as DVC does before it runs a stage

    finish("finetune", folder)
    assert weights(folder) == never_killed
    (run,) = runs(folder)
    assert (run.info.run_id, run.info.status) == (first.info.run_id, "FINISHED")
    assert not [path for path in (folder / "scratch/finetune").iterdir() if path.is_dir()]


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_train_the_weights_of_one_and_report_to_one_run(tokenized, tmp_path, launcher):
    # no dropout, which each process draws by itself; SGD, since Adam makes much of a gradient that is only rounding
    folders = []
    for name, command in (("one", ()), ("two", launcher)):
        folder = copy(tokenized, tmp_path / name)
        settings = yaml.safe_load((tokenized / "params.yaml").read_text())
        settings["finetune"] |= {"dropout": 0.0, "optimizer": "sgd"}
        (folder / "params.yaml").unlink()
        (folder / "params.yaml").write_text(yaml.safe_dump(settings))
        said = finish("finetune", folder, *command)
        assert said.count("finetune: done in") == 1
        folders.append(folder)
    alone, together = map(tensors, folders)
    assert alone.keys() == together.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, atol=1e-5, rtol=0, msg=name)
    assert any(not torch.equal(together[name], tensor) for name, tensor in alone.items())  # it really was shared
    (run,) = runs(folders[1])
    assert run.info.status == "FINISHED"
    recorded = mlflow.MlflowClient().get_metric_history(run.info.run_id, "validation_mae")
    assert sorted(point.step for point in recorded) == [1, 2, 3]
    errors = [pd.read_csv(folder / "reports/plots/epochs.csv")["validation_rmse"] for folder in folders]
    assert (errors[0] - errors[1]).abs().max() < 1e-3


@pytest.fixture(scope="module")
def adaptable(tokenized, tmp_path_factory) -> Path:
    """The same folder with adaptation switched on, and not yet done."""
    folder = tmp_path_factory.mktemp("adaptable")
    params = yaml.safe_load((tokenized / "params.yaml").read_text())
    params["adapt"] |= {"enabled": True, "epochs": 10, "max_reviews": 300}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "data").symlink_to(tokenized / "data")
    return folder


def test_an_adaptation_killed_outright_leaves_nothing_and_ends_with_the_same_weights(adaptable):
    finish("adapt", adaptable)
    never_killed = weights(adaptable, "adapted")
    for moment in ("*.lock", "*/state.pt"):
        shutil.rmtree(adaptable / "scratch/adapt")
        shutil.rmtree(adaptable / "models")
        kill("adapt", adaptable, moment, *SAVING_OFTEN)
        assert not (adaptable / "models/adapted").exists()

        finish("adapt", adaptable)
        assert weights(adaptable, "adapted") == never_killed
        assert not [path for path in (adaptable / "scratch/adapt").iterdir() if path.is_dir()]


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_told_to_stop_says_so_and_marks_its_run_killed(tokenized, tmp_path, stop, code):
    folder = copy(tokenized, tmp_path)
    process = start("finetune", folder)
    wait_for(folder / "scratch/finetune", "*/0/best.pt", process)
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
