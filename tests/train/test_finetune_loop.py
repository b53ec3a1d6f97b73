"""The loop: it learns, stops early, keeps the best epoch, and a kill changes nothing."""

from typing import get_args

import numpy as np
import pytest
import torch
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer

from starsight.errors import ModelError
from starsight.model.batches import TokenizedReviews, pad
from starsight.model.target import StarScale
from starsight.model.tokens import tokenize_texts
from starsight.params import FamilyName, FinetuneParams
from starsight.train import loop
from starsight.train.checkpoint import CheckpointFolder
from starsight.train.loop import Epoch, finetune, make_optimizer, set_dropout


class Recorder:
    def __init__(self):
        self.logged = []

    def log(self, metrics, step):
        self.logged.append((step, metrics))


class Killed(BaseException):
    pass


class KilledAt(Recorder):
    """Stops the training the moment it reports a given step, as SIGKILL would."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def log(self, metrics, step):
        super().log(metrics, step)
        if "train_loss_step" in metrics and step == self.step:
            raise Killed


def params(**changes):
    settings = {
        "learning_rate": 1e-3,
        "batch_size": 8,
        "optimizer": "adamw",
        "epochs": 3,
        "head_learning_rate": 1e-2,
        "weight_decay": 0.01,
        "warmup_steps": 2,
        "max_gradient_norm": 1.0,
        "dropout": 0.1,
        "average_decay": 0.9,
        "patience": 3,
        "max_train_reviews": 100,
        "max_validation_reviews": 100,
    }
    return FinetuneParams.model_validate(settings | changes)


def tokenized(n, seed):
    reviews = make_reviews(n, seed)
    tokenizer = tiny_tokenizer("bert")
    tokens = tokenize_texts(tokenizer, reviews["text"].tolist(), 64)
    stars = reviews["stars"].to_numpy(dtype=np.float32)
    return tokenizer, TokenizedReviews([np.array(ids) for ids in tokens.input_ids], stars, tokenizer.pad_token_id)


def train(folder, settings, recorder=None, seed=5):
    tokenizer, reviews = tokenized(60, seed=1)
    _, validation = tokenized(30, seed=2)
    regressor = tiny_regressor("bert", tokenizer, seed)
    regressor.scale = StarScale.fit(reviews.stars)
    torch.manual_seed(seed)
    training = finetune(
        regressor,
        reviews,
        validation,
        settings,
        seed=seed,
        compute=CPU,
        folder=CheckpointFolder(folder),
        recorder=recorder or Recorder(),
    )
    return regressor, training


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_training_beats_the_mean_of_the_training_stars(tmp_path):
    _, training = train(tmp_path, params(epochs=12, patience=12))
    _, validation = tokenized(30, seed=2)
    constant = float(np.std(validation.stars))
    assert training.epochs[training.best_epoch - 1].validation_rmse < 0.6 * constant


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    one, _ = train(tmp_path / "a", params())
    two, _ = train(tmp_path / "b", params())
    other, _ = train(tmp_path / "c", params(), seed=6)
    assert same_weights(one, two)
    assert not same_weights(one, other)


@pytest.mark.parametrize("step", [1, 7, 8, 9, 15, 23])
def test_a_killed_training_ends_with_the_weights_of_one_never_killed(tmp_path, monkeypatch, step):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)  # a state at every step, so that every step is resumed from
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    whole, expected = train(tmp_path / "whole", params())
    with pytest.raises(Killed):
        train(tmp_path / "killed", params(), KilledAt(step))
    resumed, training = train(tmp_path / "killed", params())
    assert same_weights(whole, resumed)
    without_time = [[(e.epoch, e.train_loss, e.validation_rmse) for e in t.epochs] for t in (expected, training)]
    assert without_time[0] == without_time[1]


def test_a_kill_before_the_first_state_starts_over(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    whole, _ = train(tmp_path / "whole", params())
    with pytest.raises(Killed):
        train(tmp_path / "killed", params(), KilledAt(3))
    assert same_weights(whole, train(tmp_path / "killed", params())[0])


def test_training_stops_after_patience_epochs_without_a_better_one_and_keeps_the_best(tmp_path, monkeypatch):
    errors = iter([0.9, 0.5, 0.7, 0.6, 0.4])
    seen = []

    def rate(regressor, reviews, compute, what):
        seen.append({name: tensor.clone() for name, tensor in regressor.state_dict().items()})
        return reviews.stars + next(errors) * np.where(reviews.stars > 3, -1, 1)

    monkeypatch.setattr(loop, "rate", rate)
    regressor, training = train(tmp_path, params(epochs=50, patience=2))
    assert [epoch.epoch for epoch in training.epochs] == [1, 2, 3, 4]
    assert training.best_epoch == 2
    assert all(torch.equal(seen[1][name], tensor) for name, tensor in regressor.state_dict().items())


def test_epochs_are_a_ceiling(tmp_path):
    _, training = train(tmp_path, params(epochs=2, patience=50))
    assert len(training.epochs) == 2


def test_every_epoch_is_recorded_with_its_errors(tmp_path):
    recorder = Recorder()
    _, training = train(tmp_path, params(), recorder)
    recorded = [(step, m["validation_mae"]) for step, m in recorder.logged if "validation_mae" in m]
    assert recorded == [(epoch.epoch, epoch.validation_mae) for epoch in training.epochs]
    assert isinstance(training.epochs[0], Epoch)


def test_a_loss_that_is_no_number_says_what_to_lower(tmp_path):
    with pytest.raises(ModelError, match=r"the loss is (nan|inf) at step \d+; lower finetune\.learning_rate"):
        train(tmp_path, params(learning_rate=1e30, head_learning_rate=1e30, warmup_steps=0))


def test_running_out_of_memory_says_what_to_lower(tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr("starsight.model.regressor.StarRegressor.forward", full)
    with pytest.raises(ModelError, match=r"a batch of 8 reviews .* lower finetune\.batch_size"):
        train(tmp_path, params())


def test_norms_and_biases_do_not_decay_and_the_head_has_its_own_rate():
    tokenizer = tiny_tokenizer("bert")
    regressor = tiny_regressor("bert", tokenizer)
    optimizer = make_optimizer(regressor, params())
    groups = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in regressor.named_parameters():
        group = groups[id(parameter)]
        assert group["weight_decay"] == (0.0 if parameter.ndim == 1 else 0.01), name
        assert group["peak_lr"] == (1e-2 if name.startswith("head.") else 1e-3), name


def test_null_leaves_the_checkpoints_own_dropout():
    regressor = tiny_regressor("bert", tiny_tokenizer("bert"))
    shares = {m.p for m in regressor.modules() if isinstance(m, torch.nn.Dropout)}
    set_dropout(regressor, None)
    assert {m.p for m in regressor.modules() if isinstance(m, torch.nn.Dropout)} == shares != {0.0}


@pytest.mark.parametrize("family", get_args(FamilyName))
def test_without_dropout_a_network_in_training_gives_the_same_answer_twice(family):
    tokenizer = tiny_tokenizer(family)
    regressor = tiny_regressor(family, tokenizer).train()
    set_dropout(regressor, 0.0)
    tokens = tokenize_texts(tokenizer, make_reviews(4)["text"].tolist(), 64)
    input_ids, mask = pad([np.array(ids) for ids in tokens.input_ids], tokenizer.pad_token_id)
    assert torch.equal(regressor(input_ids, mask).stars, regressor(input_ids, mask).stars)
