"""Every family, on a tiny random network: the head's promises hold whatever the backbone is."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from miniature import make_reviews, tiny_regressor, tiny_tokenizer
from torch.nn.functional import mse_loss

from starsight.errors import ModelError
from starsight.model.backbone import load_backbone
from starsight.model.batches import pad
from starsight.model.regressor import load_regressor
from starsight.model.tokens import tokenize_texts
from starsight.params import FamilyName

FAMILY_NAMES = get_args(FamilyName)
TEXTS = ["The dress is lovely.", "The zipper is broken. I returned it, and my sister bought one too.", "great"]


def batch(family, texts=TEXTS):
    tokenizer = tiny_tokenizer(family)
    tokens = tokenize_texts(tokenizer, texts, 64)
    return tokenizer, *pad([np.array(ids) for ids in tokens.input_ids], tokenizer.pad_token_id)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_contributions_and_bias_add_up_to_the_stars(family):
    tokenizer, input_ids, mask = batch(family)
    rating = tiny_regressor(family, tokenizer)(input_ids, mask)
    torch.testing.assert_close(rating.bias_stars + rating.contributions.sum(1), rating.stars, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_token_weights_sum_to_one_and_padding_gets_none(family):
    tokenizer, input_ids, mask = batch(family)
    rating = tiny_regressor(family, tokenizer)(input_ids, mask)
    torch.testing.assert_close(rating.token_weights.sum(1), torch.ones(len(TEXTS)))
    assert (rating.token_weights[~mask] == 0).all()
    assert (rating.contributions[~mask] == 0).all()


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_padding_does_not_change_a_rating(family):
    tokenizer, input_ids, mask = batch(family)
    regressor = tiny_regressor(family, tokenizer)
    together = regressor(input_ids, mask).stars
    for row in range(len(TEXTS)):
        n = int(mask[row].sum())
        alone = regressor(input_ids[row : row + 1, :n], mask[row : row + 1, :n]).stars
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_saved_regressor_answers_the_same(family, tmp_path: Path):
    tokenizer, input_ids, mask = batch(family)
    regressor = tiny_regressor(family, tokenizer)
    regressor.save(tmp_path)
    assert torch.equal(load_regressor(tmp_path)(input_ids, mask).stars, regressor(input_ids, mask).stars)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_eight_reviews_can_be_learned_by_heart(family):
    reviews = make_reviews(8)
    tokenizer, input_ids, mask = batch(family, reviews["text"].tolist())
    regressor = tiny_regressor(family, tokenizer).train()
    target = regressor.scale.to_score(torch.tensor(reviews["stars"].to_numpy(), dtype=torch.float32))
    optimizer = torch.optim.AdamW(regressor.parameters(), lr=3e-3)
    for _ in range(150):
        loss = mse_loss(regressor(input_ids, mask).score, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_a_checkpoint_of_another_architecture_is_refused(tiny_checkpoint):
    with pytest.raises(ModelError, match="is a 'bert' checkpoint; its row says family: roberta"):
        load_backbone(tiny_checkpoint, "roberta")


def test_missing_weights_are_refused_and_never_made_up(tiny_checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in ("config.json", "tokenizer.json"):
        (tmp_path / file).write_bytes((tiny_checkpoint / file).read_bytes())
    weights = load_file(tiny_checkpoint / "model.safetensors")
    lost = next(name for name in weights if "layer.1.attention" in name and name.endswith("weight"))
    save_file(
        {name: tensor for name, tensor in weights.items() if name != lost},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"lacks the weights of .*layer\.1.*random ones are never put in"):
        load_backbone(tmp_path, "bert")


def test_damaged_weights_are_refused(tiny_checkpoint, tmp_path):
    for file in ("config.json", "tokenizer.json"):
        (tmp_path / file).write_bytes((tiny_checkpoint / file).read_bytes())
    (tmp_path / "model.safetensors").write_bytes((tiny_checkpoint / "model.safetensors").read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_backbone(tmp_path, "bert")
