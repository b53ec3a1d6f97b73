"""A cross-validation that is killed outright: the same command goes on in the fold where it was."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from miniature import REPOSITORY, make_reviews

from starsight.layout import Layout

pytestmark = pytest.mark.pipeline

CROSS_VALIDATE = """
from starsight.evaluate.crossvalidation import cross_validate
from starsight.layout import Layout
from starsight.params import load_params
from starsight.tables import write_csv

layout = Layout()
write_csv(cross_validate(load_params(layout.params), layout, None).table, layout.folds)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("DVC", "MLFLOW"))}
    env |= {"PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", CROSS_VALIDATE], cwd=folder, env=env, stderr=subprocess.PIPE, text=True
    )


def finish(folder: Path) -> bytes:
    process = start(folder)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    return Layout(folder, folder).folds.read_bytes()


def test_a_cross_validation_killed_outright_ends_with_the_same_numbers(workspace):
    renamed = make_reviews(300).rename(columns={"user": "user_id", "text": "text_clean"})
    workspace.clean.parent.mkdir(parents=True)
    numbers = [str(i) for i in range(300)]
    renamed.assign(review_id=numbers, cluster=numbers).to_parquet(workspace.clean)
    params = yaml.safe_load(workspace.params.read_text())
    params["finetune"] |= {"epochs": 4, "patience": 4, "dropout": 0.1, "max_train_reviews": 200}
    params["evaluate"] |= {"folds": 3, "fold_reviews": 300}
    workspace.params.write_text(yaml.safe_dump(params))

    process = start(workspace.root)
    while process.poll() is None and not list((workspace.scratch / "folds").glob("*/fold_3/0/state.pt")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read()
    assert not workspace.folds.exists()

    resumed = finish(workspace.root)
    (workspace.scratch / "folds").rename(workspace.scratch / "before")
    assert finish(workspace.root) == resumed
