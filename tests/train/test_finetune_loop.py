"""The loop: it learns, stops early, keeps the best epoch, and a kill changes nothing."""

import numpy as np
import pytest
import torch
from miniature import CPU
from training import Recorded, finetune_params, same_weights, tokenized, train

from starsight.errors import ModelError
from starsight.model.regressor import StarRegressor
from starsight.train import loop
from starsight.train.loop import Epoch
from starsight.train.step import Learning
from starsight.train.vocabulary import words_in_use


class Killed(BaseException):
    pass


class KilledAt(Recorded):
    """Stops the training the moment it reports a given step, as SIGKILL would."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def log(self, metrics, step):
        super().log(metrics, step)
        if "train_loss_step" in metrics and step == self.step:
            raise Killed


def test_training_beats_the_mean_of_the_training_stars(tmp_path):
    _, training = train(tmp_path, finetune_params(epochs=12, patience=12))
    _, validation = tokenized(30, seed=2)
    constant = float(np.std(validation.stars))
    assert training.epochs[training.best_epoch - 1].validation_rmse < 0.6 * constant


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    one, _ = train(tmp_path / "a", finetune_params())
    two, _ = train(tmp_path / "b", finetune_params())
    other, _ = train(tmp_path / "c", finetune_params(), seed=6)
    assert same_weights(one, two)
    assert not same_weights(one, other)


@pytest.mark.parametrize("step", [1, 7, 8, 9, 15, 23])
def test_a_killed_training_ends_with_the_weights_of_one_never_killed(tmp_path, monkeypatch, step):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)  # a state at every step, so that every step is resumed from
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    whole, expected = train(tmp_path / "whole", finetune_params())
    with pytest.raises(Killed):
        train(tmp_path / "killed", finetune_params(), KilledAt(step))
    resumed, training = train(tmp_path / "killed", finetune_params())
    assert same_weights(whole, resumed)
    without_time = [[(e.epoch, e.train_loss, e.validation_rmse) for e in t.epochs] for t in (expected, training)]
    assert without_time[0] == without_time[1]


def test_a_kill_before_the_first_state_starts_over(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    whole, _ = train(tmp_path / "whole", finetune_params())
    with pytest.raises(Killed):
        train(tmp_path / "killed", finetune_params(), KilledAt(3))
    assert same_weights(whole, train(tmp_path / "killed", finetune_params())[0])


def test_training_stops_after_patience_epochs_without_a_better_one_and_keeps_the_best(tmp_path, monkeypatch):
    errors = iter([0.9, 0.5, 0.7, 0.6, 0.4])
    seen = []

    def rate(regressor, reviews, compute, what):
        seen.append({name: tensor.clone() for name, tensor in regressor.state_dict().items()})
        return reviews.stars + next(errors) * np.where(reviews.stars > 3, -1, 1)

    monkeypatch.setattr(loop, "rate", rate)
    regressor, training = train(tmp_path, finetune_params(epochs=50, patience=2))
    assert [epoch.epoch for epoch in training.epochs] == [1, 2, 3, 4]
    assert training.best_epoch == 2
    tokenizer, reviews = tokenized(60, seed=1)
    with words_in_use(regressor.backbone, (reviews, tokenized(30, seed=2)[1]), tokenizer.mask_token_id):
        assert all(torch.equal(seen[1][name], tensor) for name, tensor in regressor.state_dict().items())


def test_epochs_are_a_ceiling(tmp_path):
    _, training = train(tmp_path, finetune_params(epochs=2, patience=50))
    assert len(training.epochs) == 2


def test_every_epoch_is_recorded_with_its_errors(tmp_path):
    recorder = Recorded()
    _, training = train(tmp_path, finetune_params(), recorder)
    recorded = [(step, m["validation_mae"]) for step, m in recorder.logged if "validation_mae" in m]
    assert recorded == [(epoch.epoch, epoch.validation_mae) for epoch in training.epochs]
    assert isinstance(training.epochs[0], Epoch)


def test_a_loss_that_is_no_number_says_what_to_lower(tmp_path):
    with pytest.raises(ModelError, match=r"the loss is (nan|inf) at step \d+; lower finetune\.learning_rate"):
        train(tmp_path, finetune_params(learning_rate=1e30, head_learning_rate=1e30, warmup_steps=0))


def too_much(*_, **__):
    torch.empty(10**15)  # more bytes than a processor has addresses


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            "starsight.model.regressor.StarRegressor.forward",
            r"a batch of 8 reviews of up to \d+ tokens .*; set finetune\.micro_batch_size to less",
        ),
        (
            "torch.optim.AdamW.step",
            r"a step of the optimizer does not fit into memory; set finetune\.optimizer to adafactor or sgd",
        ),
    ],
)
def test_running_out_of_memory_says_what_to_lower(tmp_path, monkeypatch, place, message):
    monkeypatch.setattr(place, too_much)
    with pytest.raises(ModelError, match=message):
        train(tmp_path, finetune_params())


def test_running_out_of_memory_in_validation_says_what_to_lower(tmp_path, monkeypatch):
    whole = StarRegressor.forward

    def full(regressor, *batch):
        return whole(regressor, *batch) if regressor.training else too_much()

    monkeypatch.setattr(StarRegressor, "forward", full)
    with pytest.raises(ModelError, match=r"a batch of 30 reviews of up to \d+ tokens .* lower tokenize\.max_tokens"):
        train(tmp_path, finetune_params())


def test_an_error_that_is_not_about_memory_is_not_taken_for_one(tmp_path, monkeypatch):
    def wrong(*_):
        torch.ones(2, 3) @ torch.ones(2, 3)

    monkeypatch.setattr("starsight.model.regressor.StarRegressor.forward", wrong)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(tmp_path, finetune_params())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_neither_chosen_nor_kept(tmp_path, monkeypatch, value):
    whole = Learning.step

    def overflowing(learning, *arguments):
        loss = whole(learning, *arguments)
        with torch.no_grad():
            learning.average.module.head.output.bias.fill_(value)
        return loss

    monkeypatch.setattr(Learning, "step", overflowing)
    with pytest.raises(ModelError, match=r"the validation error is (nan|inf) at step 8; lower finetune\.learning_rate"):
        train(tmp_path, finetune_params())
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize("technique", [{}, {"mixup": 0.5}, {"mixup": 0.5, "masked_words": 0.2}], ids=str)
def test_parts_of_a_batch_add_up_to_the_whole_batch(tmp_path, technique):
    # SGD: Adam would make much of a gradient that is 0 but for rounding
    plain = {"dropout": 0.0, "optimizer": "sgd"} | technique
    whole, _ = train(tmp_path / "whole", finetune_params(**plain))
    in_parts, _ = train(tmp_path / "parts", finetune_params(**plain, micro_batch_size=3))
    assert not same_weights(whole, in_parts)  # rounding: it really went another way
    for mine, yours in zip(whole.parameters(), in_parts.parameters(), strict=True):
        torch.testing.assert_close(mine, yours, atol=1e-6, rtol=1e-5)


def test_the_mean_absolute_error_chooses_the_epoch_where_it_is_the_objective(tmp_path, monkeypatch):
    # epoch 1 is a little wrong about all, epoch 2 right but for one, epoch 3 worse than both
    errors = iter([np.full(30, 0.5), np.where(np.arange(30) == 0, 3.0, 0.0), np.full(30, 0.9)])
    monkeypatch.setattr(loop, "rate", lambda _regressor, reviews, *_: _off(reviews.stars, next(errors)))
    assert train(tmp_path / "mae", finetune_params(objective="mae"))[1].best_epoch == 2
    errors = iter([np.full(30, 0.5), np.where(np.arange(30) == 0, 3.0, 0.0), np.full(30, 0.9)])
    assert train(tmp_path / "mse", finetune_params(objective="mse"))[1].best_epoch == 1


def _off(stars, errors):
    return stars + errors * np.where(stars > 3, -1, 1)


def test_targets_are_learnt_in_place_of_the_reviewers_stars(tmp_path):
    _, reviews = tokenized(60, seed=1)
    regressor, _ = train(tmp_path, finetune_params(epochs=8), targets=np.full(60, 2.0, np.float32))
    stars = loop.rate(regressor, reviews, CPU, "test")
    assert np.abs(stars - 2.0).mean() < 0.3


@pytest.mark.parametrize(
    "technique",
    [
        {"optimizer": "sgd", "learning_rate": 0.01, "head_learning_rate": 0.01},
        {"optimizer": "adafactor", "learning_rate": 1e-2, "epochs": 20},
        {"schedule": "linear", "epochs": 12},
        {"schedule": "cosine", "epochs": 12},
        {"layer_decay": 0.8},
        {"masked_words": 0.1},
        {"mixup": 0.2},
        {"adversary": {"kind": "fgm", "epsilon": 0.1, "steps": 1, "step_size": 0.1}},
        {"adversary": {"kind": "freelb", "epsilon": 0.1, "steps": 2, "step_size": 0.1}},
    ],
    ids=str,
)
def test_every_technique_learns_and_a_kill_changes_nothing(tmp_path, monkeypatch, technique):
    settings = finetune_params(**({"epochs": 10, "patience": 10} | technique))
    regressor, training = train(tmp_path / "whole", settings)
    assert training.epochs[-1].train_loss < 0.95 * training.epochs[0].train_loss

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    with pytest.raises(Killed):
        train(tmp_path / "killed", settings, KilledAt(11))
    assert same_weights(regressor, train(tmp_path / "killed", settings)[0])
