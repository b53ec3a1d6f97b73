"""Every family, on a tiny random network: the head's promises hold whatever the backbone is."""

import json
from functools import cache
from typing import get_args

import numpy as np
import pytest
import torch
from miniature import make_reviews, tiny_regressor, tiny_tokenizer

from starsight.errors import DataError, ModelError
from starsight.model.backbone import load_backbone
from starsight.model.batches import pad
from starsight.model.families import FAMILIES
from starsight.model.regressor import load_regressor
from starsight.model.tokens import tokenize_texts
from starsight.params import FamilyName, HeadName, ObjectiveName

FAMILY_NAMES, HEAD_NAMES, OBJECTIVE_NAMES = map(get_args, (FamilyName, HeadName, ObjectiveName))
TEXTS = ("The dress is lovely.", "The zipper is broken. I returned it, and my sister bought one too.", "great")

families = pytest.mark.parametrize("family", FAMILY_NAMES)
heads = pytest.mark.parametrize("head", HEAD_NAMES)
objectives = pytest.mark.parametrize("objective", OBJECTIVE_NAMES)


@cache
def batch(family, texts=TEXTS):
    tokenizer = tiny_tokenizer(family)
    tokens = tokenize_texts(tokenizer, texts, 64)
    return tokenizer, *pad([np.array(ids) for ids in tokens.input_ids], tokenizer.pad_token_id)


@families
@heads
@objectives
def test_contributions_and_bias_add_up_to_the_stars(family, head, objective):
    tokenizer, input_ids, mask = batch(family)
    rating = tiny_regressor(family, tokenizer, head=head, objective=objective)(input_ids, mask)
    torch.testing.assert_close(rating.bias_stars + rating.contributions.sum(1), rating.stars, atol=1e-5, rtol=0)
    assert rating.contributions.abs().max() > 1e-3


@families
@heads
def test_token_weights_sum_to_one_and_padding_gets_none(family, head):
    tokenizer, input_ids, mask = batch(family)
    for objective in ("mse", "distribution"):
        rating = tiny_regressor(family, tokenizer, head=head, objective=objective)(input_ids, mask)
        torch.testing.assert_close(rating.token_weights.sum(1), torch.ones(len(TEXTS)))
        assert (rating.token_weights[~mask] == 0).all()
        assert (rating.contributions[~mask] == 0).all()


@families
@heads
def test_padding_changes_neither_a_rating_nor_its_parts(family, head):
    tokenizer, input_ids, mask = batch(family)
    regressor = tiny_regressor(family, tokenizer, head=head, objective="distribution")
    together = regressor(input_ids, mask)
    for row in range(len(TEXTS)):
        n = int(mask[row].sum())
        alone = regressor(input_ids[row : row + 1, :n], mask[row : row + 1, :n])
        torch.testing.assert_close(alone.stars[0], together.stars[row], atol=1e-5, rtol=0)
        torch.testing.assert_close(alone.contributions[0], together.contributions[row, :n], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_family_that_reads_from_left_to_right_is_summed_up_in_its_last_token(family):
    tokenizer, input_ids, mask = batch(family)
    rating = tiny_regressor(family, tokenizer, head="cls")(input_ids, mask)
    assert torch.equal(rating.token_weights.argmax(1), mask.sum(1) - 1)


@families
def test_a_saved_regressor_answers_the_same(family, tmp_path):
    tokenizer, input_ids, mask = batch(family)
    regressor = tiny_regressor(family, tokenizer)
    regressor.save(tmp_path)
    assert torch.equal(load_regressor(tmp_path)(input_ids, mask).stars, regressor(input_ids, mask).stars)


@pytest.mark.parametrize("family", ["bert", "gpt2"])  # a summary in the first token, and in the last
@heads
@objectives
def test_a_saved_regressor_comes_back_with_its_head_and_objective(family, head, objective, tmp_path):
    tokenizer, input_ids, mask = batch(family)
    regressor = tiny_regressor(family, tokenizer, head=head, objective=objective)
    regressor.save(tmp_path)
    loaded = load_regressor(tmp_path)
    assert (loaded.head.name, loaded.objective) == (head, regressor.objective)
    before, after = regressor(input_ids, mask), loaded(input_ids, mask)
    assert torch.equal(after.stars, before.stars)
    assert torch.equal(after.contributions, before.contributions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": None}, "head is missing"),
        ({"objective": None}, "objective is missing"),
        ({"head": "lstm"}, "head is 'lstm': input should be 'attention', 'cls' or 'mean'"),
        ({"objective": "rank"}, "objective is 'rank': input should be 'mse', 'mae', 'huber' or 'distribution'"),
        ({"family": "elmo"}, "family is 'elmo'"),
        ({"members": 0}, "members is 0, not their number"),
    ],
)
def test_facts_that_are_not_known_are_refused(changes, message, tmp_path):
    tiny_regressor("bert", batch("bert")[0]).save(tmp_path)
    path = tmp_path / "regressor.json"
    facts = {key: value for key, value in (json.loads(path.read_text()) | changes).items() if value is not None}
    path.write_text(json.dumps(facts))
    with pytest.raises(ModelError, match=f"regressor.json: {message}.*run dvc repro finetune"):
        load_regressor(tmp_path)


def test_weights_of_another_head_are_refused(tmp_path):
    tokenizer = batch("bert")[0]
    tiny_regressor("bert", tokenizer, objective="distribution").save(tmp_path / "five")
    tiny_regressor("bert", tokenizer).save(tmp_path / "one")
    (tmp_path / "five/head.safetensors").replace(tmp_path / "one/head.safetensors")
    with pytest.raises(ModelError, match=r"head\.safetensors cannot be read"):
        load_regressor(tmp_path / "one")


def test_a_folder_without_facts_says_so(tmp_path):
    with pytest.raises(DataError, match=r"regressor\.json is missing"):
        load_regressor(tmp_path)


def learn_by_heart(family, head="attention", objective="mse"):
    """Errors in stars after 150 steps on eight reviews."""
    reviews = make_reviews(8)
    tokenizer, input_ids, mask = batch(family, tuple(reviews["text"]))
    regressor = tiny_regressor(family, tokenizer, head=head, objective=objective).train()
    stars = torch.tensor(reviews["stars"].to_numpy(), dtype=torch.float32)
    optimizer = torch.optim.AdamW(regressor.parameters(), lr=3e-3)
    for _ in range(150):
        rating = regressor(input_ids, mask)
        loss = regressor.objective.loss(rating.logits, stars)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (rating.stars - stars).abs()


@families
def test_eight_reviews_can_be_learned_by_heart(family):
    assert learn_by_heart(family).square().mean() < 0.11


@pytest.mark.parametrize(
    ("head", "objective"),
    [("mean", "mse"), ("cls", "mse"), ("attention", "mae"), ("attention", "huber"), ("attention", "distribution")],
)
def test_eight_reviews_can_be_learned_by_heart_with_every_head_and_objective(head, objective):
    assert learn_by_heart("bert", head, objective).mean() < 0.4


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_token_sees_what_comes_after_it_unless_its_family_is_causal(family):
    tokenizer, input_ids, mask = batch(family, (TEXTS[1],))
    backbone = tiny_regressor(family, tokenizer).backbone
    other = input_ids.clone()
    other[0, int(mask.sum()) - 2] += 1
    first, changed = (
        backbone(input_ids=ids, attention_mask=mask.long()).last_hidden_state[0, 0] for ids in (input_ids, other)
    )
    assert torch.equal(first, changed) == FAMILIES[family].causal
    assert not FAMILIES[family].causal or FAMILIES[family].summary_token == "last"


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_no_pooler_is_carried_along(family):
    backbone = tiny_regressor(family, tiny_tokenizer(family)).backbone
    assert not [name for name, _ in backbone.named_parameters() if "pooler" in name]


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


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_the_fused_attention_of_a_gpu_gives_the_same_stars_where_a_family_has_one(family, monkeypatch):
    tokenizer, input_ids, mask = batch(family)
    plain = tiny_regressor(family, tokenizer)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # for the choice alone: all runs on the CPU
    chosen = tiny_regressor(family, tokenizer)
    assert (chosen.backbone.config._attn_implementation == "sdpa") == FAMILIES[family].fused_attention
    torch.testing.assert_close(chosen(input_ids, mask).stars, plain(input_ids, mask).stars, atol=1e-5, rtol=0)
