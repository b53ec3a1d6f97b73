"""The benchmark of training, end to end on a two-layer model; and its arithmetic, where the answer is known."""

import argparse
import json
import os
import subprocess
import sys
from multiprocessing import Pipe

import numpy as np
import pytest
import torch
from miniature import CPU, REPOSITORY, tiny_regressor, tiny_tokenizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import record_function

from benchmarks.contenders import Block, Costs, Task, Trained, Turns
from benchmarks.products import best_rate, feed_forward_shapes, flops_per_review, shares_of
from benchmarks.training import Outcome, result_of, task_of
from starsight.errors import ModelError, ParamsError
from starsight.params import load_params

KEYS = {
    "ratio_vs_stock",
    "ratio_vs_tuned",
    "ratio_vs_tuned_no_dropout",
    "mae_difference",
    "share_of_matmul_peak",
    "reviews_per_s",
    "precision",
    "device",
    "peak_memory_mib",
    "share_data",
    "share_forward",
    "share_backward",
    "share_optimizer",
    "share_rest",
}


def test_all_train_in_turns_and_the_last_line_has_every_number(workspace):
    paths = os.pathsep.join(map(str, (REPOSITORY / "src", REPOSITORY)))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "STARSIGHT_DEVICE": "cpu"}
    options = ["--dataset", "tiny", "--model", "tiny", "--reviews", "60", "--epochs", "2", "--blocks", "2"]
    command = [sys.executable, "-m", "benchmarks.training", *options]
    done = subprocess.run(command, cwd=workspace.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    assert "48 training reviews" in table[0]  # whole batches
    assert [line.split()[0] for line in table if line.startswith(("starsight", "stock", "tuned"))] == [
        "starsight",
        "stock",
        "tuned",
        "tuned_no_dropout",
    ]
    result = json.loads(last)
    assert set(result) == KEYS
    assert result["device"] == "cpu"
    assert result["ratio_vs_stock"] > 0
    assert result["ratio_vs_tuned"] > 0
    assert result["ratio_vs_tuned_no_dropout"] > 0
    assert result["reviews_per_s"] > 0
    assert result["peak_memory_mib"] > 100
    assert abs(result["mae_difference"]) < 4
    assert 0 < result["share_of_matmul_peak"] < 1
    shares = [result[key] for key in KEYS if key.startswith("share_") and key != "share_of_matmul_peak"]
    assert sum(shares) == pytest.approx(1, abs=0.003)
    assert min(shares) >= 0


def options(**changes):
    asked = {"dataset": "tiny", "model": "tiny", "reviews": 60, "validation_reviews": 9, "epochs": 1, "blocks": 2}
    return argparse.Namespace(**asked | changes)


def test_the_tokenized_reviews_are_kept_between_runs(workspace):
    first = task_of(options(), workspace.root)
    assert (first.n_train, first.n_validation) == (48, 9)
    (workspace.root / "data/raw/reviews.csv").unlink()
    assert task_of(options(), workspace.root) == first


def test_what_cannot_be_measured_is_said(workspace):
    with pytest.raises(ParamsError, match="32 reviews are 2 steps, too few for 2 blocks"):
        task_of(options(reviews=32), workspace.root)
    with pytest.raises(ParamsError, match="no row 'none' in models"):
        task_of(options(model="none"), workspace.root)


def task(n_train, epochs, n_blocks):
    params = load_params(REPOSITORY / "params.yaml")
    finetune = params.finetune.model_copy(update={"epochs": epochs, "batch_size": 4})
    return Task(params.model_copy(update={"finetune": finetune}), None, n_train, 10, n_blocks)


def test_every_step_but_an_epochs_first_is_in_one_block():
    here, there = Pipe()
    between = []
    turns = Turns(task(n_train=40, epochs=2, n_blocks=4), there, CPU, lambda: between.append(turns.step))
    for _ in range(20):
        here.send(None)  # its turn, whenever it asks
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight])
    with register_optimizer_step_post_hook(turns.after_step):
        for _ in range(20):
            optimizer.step()
    blocks = [here.recv() for _ in range(8)]
    assert not here.poll()
    assert sum(block.n_reviews for block in blocks) == 2 * 9 * 4
    assert between == [3, 6, 8, 10, 13, 16, 18, 20]
    assert all(block.seconds > 0 for block in blocks)


def test_the_numbers_of_known_outcomes():
    def outcome(mae, *rates):
        trained = Trained(mae, 500.4, 0.0, 1_000.0, "cpu", "bf16")
        return Outcome([Block(60, 60 / rate) for rate in rates], trained)

    outcomes = {
        "starsight": outcome(0.5, 30, 15),
        "stock": outcome(0.45, 10),
        "tuned": outcome(0.6, 16),
        "tuned_no_dropout": outcome(0.7, 25),
    }
    assert result_of(outcomes, Costs(flops_per_review=15.0, shares={"data": 0.25, "rest": 0.75})) == {
        "ratio_vs_stock": 2.0,
        "ratio_vs_tuned": 1.25,
        "ratio_vs_tuned_no_dropout": 0.8,
        "mae_difference": 0.05,
        "share_of_matmul_peak": 0.3,
        "reviews_per_s": 20.0,
        "precision": "bf16",
        "device": "cpu",
        "peak_memory_mib": 500,
        "share_data": 0.25,
        "share_rest": 0.75,
    }


def test_the_products_of_a_two_layer_network_counted_by_hand():
    n, width, inner, layers = 10, 32, 128, 2
    regressor = tiny_regressor("bert", tiny_tokenizer("bert"))
    backbone = layers * (4 * n * width * width + 2 * n * width * inner + 2 * n * n * width)
    # queries, keys, their logits, and one number a token; the weights of the queries are averaged without products
    head = 2 * n * width * width + n * n * width + n * width
    # each product has two in the backward pass
    assert flops_per_review(regressor, np.array([n, n])) == pytest.approx(3 * 2 * (backbone + head), rel=0.01)


def test_lengths_weigh_as_often_as_they_occur():
    regressor = tiny_regressor("bert", tiny_tokenizer("bert"))
    short, long, both = (flops_per_review(regressor, np.array(lengths)) for lengths in ([5], [20], [5, 5, 20]))
    assert both == pytest.approx((2 * short + long) / 3)
    assert all(parameter.grad is None for parameter in regressor.parameters())


def test_the_rate_is_that_of_the_feed_forward_products():
    regressor = tiny_regressor("bert", tiny_tokenizer("bert"))
    assert feed_forward_shapes(regressor, np.array([20, 30]), batch_size=16) == [(512, 128, 32), (512, 32, 128)]
    assert 1e7 < best_rate([(64, 64, 64)], CPU) < 1e14


def test_shares_are_of_the_time_from_the_first_part_to_the_last():
    def busy(name, n):
        with record_function(f"starsight/{name}"):
            for _ in range(n):
                torch.randn(200, 200) @ torch.randn(200, 200)

    def train():
        busy("rest", 50)  # before the first part: not of any step
        for _ in range(3):
            busy("data", 10)
            busy("forward", 20)
            busy("backward", 40)
            busy("optimizer", 10)

    shares = shares_of(train)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["backward"] > shares["forward"] > shares["data"] > 0
    assert shares["rest"] < 0.2


def test_a_loop_without_named_parts_is_refused():
    with pytest.raises(ModelError, match="no record_function range starsight/data"):
        shares_of(lambda: torch.zeros(1) + 1)
