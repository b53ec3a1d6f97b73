"""The language model: it learns, scores only what is asked, and a kill changes nothing."""

import math
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import torch
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer
from torch import nn

from starsight.adapt import loop
from starsight.adapt.language_model import LanguageModel, log_frequencies
from starsight.adapt.loop import adapt, learning_rate_share
from starsight.adapt.tasks import Exercise, choose_task
from starsight.errors import ModelError
from starsight.model.batches import TokenizedReviews
from starsight.model.tokens import tokenize_texts
from starsight.params import AdaptParams, FamilyName
from starsight.train.checkpoint import CheckpointFolder


class Killed(BaseException):
    pass


def params(**changes):
    settings = {
        "enabled": True,
        "epochs": 2,
        "learning_rate": 1e-3,
        "head_learning_rate": 1e-2,
        "batch_size": 8,
        "masked_share": 0.15,
        "max_reviews": 100,
        "held_out_share": 0.1,
    }
    return AdaptParams.model_validate(settings | changes)


def tokenized(tokenizer, n, seed):
    tokens = tokenize_texts(tokenizer, make_reviews(n, seed)["text"].tolist(), 64)
    input_ids = [np.array(ids) for ids in tokens.input_ids]
    return TokenizedReviews(input_ids, np.full(n, np.nan, np.float32), tokenizer.pad_token_id)


def train(folder, settings, family="bert", seed=5, killed_at=None):
    tokenizer = tiny_tokenizer(family)
    train, held_out = tokenized(tokenizer, 60, seed=1), tokenized(tokenizer, 30, seed=2)
    backbone = tiny_regressor(family, tokenizer, seed).backbone
    vocabulary = len(backbone.get_input_embeddings().weight)
    model = LanguageModel(backbone, log_frequencies(train.input_ids, vocabulary))
    task = choose_task(family, tokenizer, settings.masked_share, vocabulary)

    def watched(input_ids, mask):
        if torch.is_grad_enabled():
            watched.steps += 1
            if watched.steps == killed_at:
                raise Killed
        return task(input_ids, mask)

    watched.steps = 0
    learning = adapt(model, watched, train, held_out, settings, seed=seed, compute=CPU, folder=CheckpointFolder(folder))
    return model, learning


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("family", get_args(FamilyName))
def test_the_held_out_loss_of_every_family_falls(family, tmp_path):
    _, learning = train(tmp_path, params(epochs=6), family)
    assert learning.loss_after < 0.9 * learning.loss_before
    assert learning.steps == 6 * math.ceil(60 / 8)


class Echo(nn.Module):
    """A backbone whose state of a token is that token's embedding."""

    def __init__(self, vocabulary, width):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.config = SimpleNamespace(hidden_size=width)

    def get_input_embeddings(self):
        return self.embed

    def forward(self, input_ids, attention_mask):
        self.states = self.embed(input_ids)
        if self.states.requires_grad:
            self.states.retain_grad()
        return SimpleNamespace(last_hidden_state=self.states)


def test_only_the_tokens_asked_for_are_scored():
    model = LanguageModel(Echo(20, 8), torch.zeros(20))
    input_ids = torch.randint(20, (3, 6))
    asked = torch.zeros(3, 6, dtype=torch.bool)
    asked[0, 2] = asked[2, 5] = True
    logits = model(Exercise(input_ids, asked, input_ids[asked]), torch.ones(3, 6, dtype=torch.bool))
    assert logits.shape == (2, 20)
    logits.logsumexp(1).sum().backward()
    assert torch.equal(model.backbone.states.grad.abs().sum(2) > 0, asked)


def test_before_training_a_head_without_gain_guesses_by_frequency(tmp_path):
    reviews = TokenizedReviews([np.array([4, 4, 4, 4, 4, 5, 5, 6])], np.zeros(1, np.float32), 0)
    model = LanguageModel(Echo(8, 4), log_frequencies(reviews.input_ids, 8))
    nn.init.zeros_(model.head.norm.weight)

    def last_two(input_ids, mask):  # tokens 5 and 6, which stand there twice and once
        asked = torch.zeros_like(mask)
        asked[:, 6:8] = True
        return Exercise(input_ids, asked, input_ids[asked])

    learning = adapt(
        model, last_two, reviews, reviews, params(epochs=1), seed=0, compute=CPU, folder=CheckpointFolder(tmp_path)
    )
    assert learning.loss_before == pytest.approx(-(math.log(3 / 16) + math.log(2 / 16)) / 2)  # each counts once more
    assert (learning.steps, learning.tokens_seen, learning.tokens_asked) == (1, 8, 2)


@pytest.mark.parametrize("family", get_args(FamilyName))
def test_the_head_names_tokens_with_the_backbones_own_embeddings_at_a_spread_of_about_one(family):
    tokenizer = tiny_tokenizer(family)
    backbone = tiny_regressor(family, tokenizer).backbone
    embeddings = backbone.get_input_embeddings().weight
    model = LanguageModel(backbone, torch.zeros(len(embeddings)))
    assert model.embeddings is embeddings
    assert not [p for p in model.head.parameters() if p.ndim > 1 and len(embeddings) in p.shape]
    logits = model.head(torch.randn(50, backbone.config.hidden_size), embeddings)
    assert 0.3 < logits.std() < 3


@pytest.mark.parametrize("step", [1, 2, 8, 9, 16])
def test_a_killed_adaptation_ends_with_the_weights_of_one_never_killed(tmp_path, monkeypatch, step):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)  # a state at every step, so that every step is resumed from
    whole, expected = train(tmp_path / "whole", params())
    with pytest.raises(Killed):
        train(tmp_path / "killed", params(), killed_at=step)
    torch.rand(step)  # what was drawn elsewhere changes nothing
    resumed, learning = train(tmp_path / "killed", params())
    assert same_weights(whole, resumed)
    counted = [
        (it.loss_before, it.loss_after, it.steps, it.tokens_seen, it.tokens_asked) for it in (expected, learning)
    ]
    assert counted[0] == counted[1]


def test_a_kill_before_the_first_state_starts_over(tmp_path):
    whole, _ = train(tmp_path / "whole", params())
    with pytest.raises(Killed):
        train(tmp_path / "killed", params(), killed_at=5)
    assert same_weights(whole, train(tmp_path / "killed", params())[0])


def test_a_kill_after_the_last_step_trains_no_more(tmp_path):
    whole, _ = train(tmp_path, params())
    again, _ = train(tmp_path, params(), killed_at=1)
    assert same_weights(whole, again)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    one, _ = train(tmp_path / "a", params())
    two, _ = train(tmp_path / "b", params())
    other, _ = train(tmp_path / "c", params(), seed=6)
    assert same_weights(one, two)
    assert not same_weights(one, other)


def test_the_rate_rises_over_a_tenth_of_the_steps_and_falls_to_near_zero_at_the_last():
    shares = [learning_rate_share(step, 100) for step in range(100)]
    assert shares[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert shares[10] == 1.0
    assert shares[99] == pytest.approx(1 / 90)
    assert learning_rate_share(0, 1) == 1.0


def test_a_loss_that_is_no_number_says_what_to_lower(tmp_path):
    with pytest.raises(ModelError, match=r"the loss is .* after \d+ of 16 steps; lower adapt\.learning_rate"):
        train(tmp_path, params(learning_rate=1e30, head_learning_rate=1e30))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("starsight.adapt.language_model.LanguageModel.forward", r"a batch of 8 .* tokens .*; lower adapt\.batch_size"),
        ("torch.optim.AdamW.step", "a step of the optimizer .*; choose a smaller model"),
    ],
)
def test_running_out_of_memory_says_what_to_lower(tmp_path, monkeypatch, place, message):
    def too_much(*_, **__):
        torch.empty(10**15)  # more bytes than a processor has addresses

    monkeypatch.setattr(place, too_much)
    with pytest.raises(ModelError, match=message):
        train(tmp_path, params())


def test_a_backbone_made_worse_is_said(tmp_path, monkeypatch, caplog):
    losses = iter([2.0, 3.0])
    monkeypatch.setattr(loop._Adapting, "_held_out_loss", lambda *_: next(losses))
    train(tmp_path, params(epochs=1))
    assert "lower adapt.learning_rate" in caplog.text
