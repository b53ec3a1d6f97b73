"""Every family with every adapter: what learns, what stands still, and what is left when training has ended."""

import copy
import functools
from typing import get_args

import numpy as np
import pytest
import torch
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import mse_loss
from transformers import PreTrainedModel

from starsight.errors import ModelError
from starsight.model.batches import pad
from starsight.model.compute import Compute
from starsight.model.families import FAMILIES
from starsight.model.prefix import PrefixedBackbone
from starsight.model.regressor import load_regressor
from starsight.model.tokens import tokenize_texts
from starsight.params import AdapterParams, FamilyName
from starsight.train.adapters import add_adapter, count_parameters, merge_adapter
from starsight.train.average import average_weights

VIRTUAL_TOKENS = 3
FOLDED = ("lora", "ia3")
TAKES_PREFIX = {"bert", "roberta", "gpt2", "llama"}
CASES = [
    (family, kind)
    for family in get_args(FamilyName)
    for kind in ("lora", "ia3", "prefix", "prompt")
    if kind != "prefix" or family in TAKES_PREFIX
]
every_case = pytest.mark.parametrize(("family", "kind"), CASES)


def settings(kind, **changes):
    return AdapterParams(kind=kind, **{"rank": 4, "alpha": 8.0, "virtual_tokens": VIRTUAL_TOKENS} | changes)


@functools.cache
def eight_reviews(family):
    """A tokenizer, eight reviews of several lengths as one batch, and their stars."""
    reviews = make_reviews(8)
    texts = [text if row % 2 else text[:20] for row, text in enumerate(reviews["text"])]
    tokenizer = tiny_tokenizer(family)
    tokens = tokenize_texts(tokenizer, texts, 64)
    batch = pad([np.array(ids) for ids in tokens.input_ids], tokenizer.pad_token_id)
    return tokenizer, batch, torch.tensor(reviews["stars"].to_numpy(), dtype=torch.float32)


def adapted(family, kind, **changes):
    """A tiny regressor with an adapter, a batch of reviews, and their stars on its scale."""
    tokenizer, batch, stars = eight_reviews(family)
    regressor = tiny_regressor(family, tokenizer)
    add_adapter(regressor, settings(kind, **changes), max_tokens=64)
    return regressor, batch, regressor.objective.scale.to_score(stars)


def learn(regressor, batch, target, steps):
    """A few optimizer steps on one batch; the loss before each."""
    optimizer = torch.optim.AdamW((p for p in regressor.parameters() if p.requires_grad), lr=1e-2, weight_decay=0.0)
    regressor.train()
    losses = []
    for _ in range(steps):
        loss = mse_loss(regressor(*batch).logits[:, 0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    regressor.eval()
    return losses


def own_weights(regressor):
    """The backbone's weights that came with it, adapters left out, by their end of name."""
    marks = ("lora_", "ia3_l", "prompt_encoder")
    return {
        name: tensor.clone()
        for name, tensor in regressor.backbone.state_dict().items()
        if not any(mark in name for mark in marks)
    }


def test_the_families_that_take_a_prefix_are_the_ones_tested():
    assert {name for name, facts in FAMILIES.items() if facts.takes_prefix} == TAKES_PREFIX


@every_case
def test_adapter_and_head_learn_while_the_backbones_own_weights_stand_still(family, kind):
    regressor, batch, target = adapted(family, kind)
    before = own_weights(regressor)
    learning = {name: p.detach().clone() for name, p in regressor.named_parameters() if p.requires_grad}
    losses = learn(regressor, batch, target, steps=12)
    assert losses[-1] < 0.7 * losses[0]

    with_gradient = {name for name, p in regressor.named_parameters() if p.grad is not None}
    assert with_gradient == set(learning)
    assert all(name.startswith("head.") or name.startswith("backbone.") for name in learning)
    assert {name for name, _ in regressor.head.named_parameters("head")} < with_gradient
    after = dict(regressor.named_parameters())
    for name, old in learning.items():
        assert not torch.equal(after[name], old), name
    assert len(before) > 10
    for name, tensor in own_weights(regressor).items():
        assert torch.equal(tensor, before[name]), name


@every_case
def test_the_adapter_is_a_small_part_and_the_backbones_own_weights_are_as_many_as_before(family, kind):
    regressor, _, _ = adapted(family, kind)
    plain, *_ = adapted(family, "none")
    trained, n_all = count_parameters(regressor)
    n_head = sum(p.numel() for p in regressor.head.parameters())
    assert count_parameters(plain) == (n_all - (trained - n_head),) * 2
    assert 0 < trained - n_head < 0.25 * count_parameters(plain)[1]


def test_a_lora_of_known_size_counts_its_numbers():
    regressor, *_ = adapted("bert", "lora", rank=4)
    n_layer = 4 * 4 * (32 + 32) + 2 * 4 * (32 + 128)  # query, key, value, output; up and down
    n_head = 3 * (32 * 32 + 32) + 33
    assert count_parameters(regressor)[0] == 2 * n_layer + n_head


@every_case
def test_padding_does_not_change_a_rating_and_the_weights_of_the_real_tokens_sum_to_one(family, kind):
    regressor, (input_ids, mask), target = adapted(family, kind)
    learn(regressor, (input_ids, mask), target, steps=2)
    together = regressor(input_ids, mask)
    assert together.token_weights.shape == mask.shape
    assert (together.token_weights[~mask] == 0).all()
    torch.testing.assert_close(together.token_weights.sum(1), torch.ones(len(mask)))
    torch.testing.assert_close(together.bias_stars + together.contributions.sum(1), together.stars, atol=1e-5, rtol=0)
    for row in range(2):
        n = int(mask[row].sum())
        alone = regressor(input_ids[row : row + 1, :n], mask[row : row + 1, :n]).stars
        torch.testing.assert_close(alone[0], together.stars[row], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_a_prompt_is_read_before_the_review_and_the_head_sees_the_review_alone(family):
    regressor, (input_ids, mask), _ = adapted(family, "prompt")
    (virtual_tokens,) = (p for p in regressor.backbone.parameters() if p.requires_grad)
    plain = tiny_regressor(family, eight_reviews(family)[0])
    embeddings = plain.backbone.get_input_embeddings()(input_ids)
    states = plain.backbone(
        inputs_embeds=torch.cat([virtual_tokens.expand(len(input_ids), -1, -1), embeddings], dim=1),
        attention_mask=torch.nn.functional.pad(mask, (VIRTUAL_TOKENS, 0), value=True).long(),
    ).last_hidden_state
    by_hand = plain.head(states[:, VIRTUAL_TOKENS:], mask)
    torch.testing.assert_close(regressor(input_ids, mask).logits, by_hand.logits, atol=1e-5, rtol=0)


@every_case
def test_merging_keeps_the_answers_and_the_saved_model_gives_the_same_stars(family, kind, tmp_path):
    regressor, batch, target = adapted(family, kind)
    untrained = regressor(*batch).stars
    learn(regressor, batch, target, steps=4)
    unmerged = regressor(*batch).stars
    assert (unmerged - untrained).abs().max() > 0.01
    merge_adapter(regressor)
    merged = regressor(*batch).stars
    torch.testing.assert_close(merged, unmerged, atol=1e-5, rtol=0)
    assert isinstance(regressor.backbone, PreTrainedModel if kind in FOLDED else PrefixedBackbone)

    regressor.save(tmp_path)
    assert not any("adapter" in file.name for file in tmp_path.rglob("*"))
    assert {file.suffix for file in tmp_path.rglob("*")} <= {"", ".json", ".safetensors"}
    loaded = load_regressor(tmp_path)
    assert torch.equal(loaded(*batch).stars, merged)
    assert isinstance(loaded.backbone, PreTrainedModel if kind in FOLDED else PrefixedBackbone)


@every_case
def test_a_killed_training_finds_its_adapter_and_the_average_follows_it(family, kind, tmp_path):
    regressor, batch, target = adapted(family, kind)
    learn(regressor, batch, target, steps=3)
    torch.save(regressor.state_dict(), tmp_path / "state.pt")
    resumed, *_ = adapted(family, kind)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(resumed(*batch).stars, regressor(*batch).stars)
    copied = copy.deepcopy(regressor)

    average = average_weights(regressor, decay=0.0)  # keeps the last weights
    average.update_parameters(regressor)
    learn(regressor, batch, target, steps=3)
    assert not torch.equal(copied(*batch).stars, regressor(*batch).stars)
    average.update_parameters(regressor)
    assert torch.equal(average.module.eval()(*batch).stars, regressor(*batch).stars)


@every_case
def test_an_adapter_learns_in_bfloat16(family, kind):
    regressor, batch, target = adapted(family, kind)
    regressor.train()
    with Compute(CPU.device, "bf16", "a test").autocast():
        rating = regressor(*batch)
    mse_loss(rating.logits[:, 0], target).backward()
    exact = adapted(family, kind)[0](*batch).stars
    gradients = [p.grad for p in regressor.parameters() if p.requires_grad]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert (rating.stars - exact).abs().max() < 0.3


def test_without_an_adapter_everything_learns():
    regressor, *_ = adapted("bert", "none")
    trained, n_all = count_parameters(regressor)
    assert trained == n_all
    assert isinstance(regressor.backbone, PreTrainedModel)


def test_lora_and_ia3_start_from_the_pretrained_networks_own_answers():
    plain, batch, _ = adapted("gpt2", "none")
    for kind in FOLDED:
        regressor, *_ = adapted("gpt2", kind)
        torch.testing.assert_close(regressor(*batch).stars, plain(*batch).stars, atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_adapter():
    for kind in ("lora", "prefix", "prompt"):
        one, two = (adapted("bert", kind)[0].state_dict() for _ in range(2))
        assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("family", sorted(set(get_args(FamilyName)) - TAKES_PREFIX))
def test_a_family_that_takes_no_prefix_is_refused_with_the_kinds_that_work(family):
    with pytest.raises(ModelError, match=rf"{family} takes no prefix \(only .*bert.* do\); choose prompt, lora or ia3"):
        adapted(family, "prefix")


def test_virtual_tokens_that_leave_no_room_for_a_review_are_refused():
    message = r"virtual_tokens is 449; beside tokenize\.max_tokens 64 the backbone has positions for 448"
    with pytest.raises(ModelError, match=message):
        adapted("bert", "prompt", virtual_tokens=449)
    regressor, (input_ids, mask), _ = adapted("bert", "prompt", virtual_tokens=448)
    longest = [torch.nn.functional.pad(tensor, (0, 64 - tensor.shape[1])) for tensor in (input_ids, mask)]
    assert torch.isfinite(regressor(*longest).stars).all()


@pytest.mark.parametrize("damage", ["cut", "other width"])
def test_damaged_virtual_tokens_are_refused(tmp_path, damage):
    regressor, *_ = adapted("bert", "prompt")
    regressor.save(tmp_path)
    (file,) = tmp_path.rglob("virtual_tokens.safetensors")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-10])
    else:
        with safe_open(file, "pt") as content:
            (name,) = content.keys()
        save_file({name: torch.zeros(VIRTUAL_TOKENS, 16)}, file, {"kind": "prompt"})
    with pytest.raises(ModelError, match=r"virtual_tokens\.safetensors cannot be read .*run dvc repro finetune"):
        load_regressor(tmp_path)
