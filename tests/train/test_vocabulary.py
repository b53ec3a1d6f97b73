"""Training with the words in use: the same weights come of it, and the others stay as they were."""

from contextlib import nullcontext
from typing import get_args

import numpy as np
import pytest
import torch
from miniature import make_reviews, tiny_regressor, tiny_tokenizer
from training import finetune_params, tokenized, train

from starsight.model.batches import TokenizedReviews, pad
from starsight.model.tokens import tokenize_texts
from starsight.params import FamilyName
from starsight.train import loop
from starsight.train.vocabulary import words_in_use


def reviews_of(tokenizer, n):
    texts = make_reviews(n)
    input_ids = [np.array(ids) for ids in tokenize_texts(tokenizer, texts["text"].tolist(), 64).input_ids]
    return TokenizedReviews(input_ids, texts["stars"].to_numpy(dtype=np.float32), tokenizer.pad_token_id)


@pytest.mark.parametrize("family", get_args(FamilyName))
def test_with_the_words_in_use_every_family_rates_the_same_and_is_whole_afterwards(family):
    tokenizer = tiny_tokenizer(family)
    regressor = tiny_regressor(family, tokenizer).eval()
    reviews = reviews_of(tokenizer, 4)
    names, table = list(regressor.state_dict()), regressor.backbone.get_input_embeddings()
    batch = pad(reviews.input_ids, reviews.pad_id)
    before = regressor(*batch).stars
    with words_in_use(regressor.backbone, [reviews], 0):
        assert len(regressor.backbone.get_input_embeddings().weight) < len(table.weight)
        assert list(regressor.state_dict()) == names
        assert torch.equal(regressor(*batch).stars, before)
    assert regressor.backbone.get_input_embeddings() is table
    assert torch.equal(regressor(*batch).stars, before)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adafactor"])
def test_training_comes_to_the_weights_that_the_whole_table_comes_to(tmp_path, monkeypatch, optimizer):
    settings = finetune_params(epochs=1, weight_decay=0.0, dropout=0.0, optimizer=optimizer)
    cut, _ = train(tmp_path / "cut", settings)
    monkeypatch.setattr(loop, "words_in_use", lambda *_: nullcontext())
    whole, _ = train(tmp_path / "whole", settings)
    for (name, one), other in zip(cut.named_parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5, msg=name)


def test_words_that_no_review_uses_stay_as_they_were_and_those_in_use_learn(tmp_path):
    tokenizer, reviews = tokenized(60, seed=1)
    start = tiny_regressor("bert", tokenizer, 5).backbone.get_input_embeddings().weight.detach().clone()
    trained, _ = train(tmp_path, finetune_params(epochs=1, weight_decay=0.5))
    moved = (trained.backbone.get_input_embeddings().weight != start).any(dim=1)
    learnt_from = np.unique(np.concatenate(reviews.input_ids))
    assert moved[learnt_from].all()
    _, validation = tokenized(30, seed=2)
    read = np.union1d(learnt_from, np.unique(np.concatenate(validation.input_ids)))
    unread = np.setdiff1d(np.arange(len(start)), [*read, reviews.pad_id, tokenizer.mask_token_id])
    assert len(unread) > 0
    assert not moved[unread].any()


def test_a_word_that_was_not_announced_is_refused():
    tokenizer = tiny_tokenizer("bert")
    regressor = tiny_regressor("bert", tokenizer)
    reviews = reviews_of(tokenizer, 4)
    unused = np.setdiff1d(np.arange(len(tokenizer)), np.concatenate([*reviews.input_ids, [reviews.pad_id, 0]]))
    with words_in_use(regressor.backbone, [reviews], 0), pytest.raises(IndexError):
        regressor(torch.tensor([[unused[0]]]), torch.ones(1, 1, dtype=torch.bool))


def test_a_frozen_table_is_left_alone():
    tokenizer = tiny_tokenizer("bert")
    regressor = tiny_regressor("bert", tokenizer)
    table = regressor.backbone.get_input_embeddings()
    table.weight.requires_grad_(False)
    with words_in_use(regressor.backbone, [reviews_of(tokenizer, 4)], 0):
        assert regressor.backbone.get_input_embeddings() is table
