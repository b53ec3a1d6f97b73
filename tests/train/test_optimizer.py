"""Which weights train, at what rate."""

from typing import get_args

import numpy as np
import pytest
import torch
from miniature import make_reviews, tiny_regressor, tiny_tokenizer
from training import finetune_params, train

from starsight.errors import ParamsError
from starsight.model.backbone import scratch_backbone
from starsight.model.batches import pad
from starsight.model.tokens import tokenize_texts
from starsight.params import AdapterParams, FamilyName, ScratchSize
from starsight.train.adapters import add_adapter
from starsight.train.optimizer import freeze_layers, make_optimizer, n_layers, set_dropout
from starsight.train.schedule import rate_factor

FAMILY_NAMES = get_args(FamilyName)
LAYERS = {
    "bert": "encoder.layer",
    "roberta": "encoder.layer",
    "esm": "encoder.layer",
    "mpnet": "encoder.layer",
    "deberta": "encoder.layer",
    "distilbert": "transformer.layer",
    "modernbert": "layers",
    "xlnet": "layer",
    "gpt2": "h",
    "t5": "encoder.block",
    "llama": "layers",
}
LAST = ("encoder.final_layer_norm", "encoder.emb_layer_norm_after", "contact_head", "final_norm", "ln_f", "norm.")
"""What stands behind the layers."""


def depths_by_hand(family, regressor):
    """0 of the embeddings, 1 and 2 of the layers, by name."""
    below, top = f"{LAYERS[family]}.0.", (f"{LAYERS[family]}.1.", *LAST)
    names = [name for name, _ in regressor.backbone.named_parameters()]
    return {name: 1 if name.startswith(below) else 2 if name.startswith(top) else 0 for name in names}


def in_training(family):
    """A network in training, and four reviews as it takes them."""
    tokenizer = tiny_tokenizer(family)
    tokens = tokenize_texts(tokenizer, make_reviews(4)["text"].tolist(), 64)
    batch = pad([np.array(ids) for ids in tokens.input_ids], tokenizer.pad_token_id)
    return tiny_regressor(family, tokenizer).train(), batch


def groups_by_name(regressor, settings):
    optimizer = make_optimizer(regressor, settings)
    groups = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    return {name: groups.get(id(parameter)) for name, parameter in regressor.named_parameters()}


def test_norms_and_biases_do_not_decay_and_the_head_has_its_own_rate():
    regressor = tiny_regressor("bert", tiny_tokenizer("bert"))
    groups = groups_by_name(regressor, finetune_params())
    for name, parameter in regressor.named_parameters():
        assert groups[name]["weight_decay"] == (0.0 if parameter.ndim == 1 else 0.01), name
        assert groups[name]["peak_lr"] == (1e-2 if name.startswith("head.") else 1e-3), name


def factor(step, settings):
    return rate_factor(step, 10, settings.schedule, settings.warmup_steps)


def test_a_constant_schedule_stays_at_its_peak_after_the_warm_up():
    settings = finetune_params(schedule="constant", warmup_steps=4)
    assert [factor(step, settings) for step in range(7)] == [0.25, 0.5, 0.75, 1, 1, 1, 1]


def test_a_linear_schedule_falls_to_nothing_at_the_last_step():
    settings = finetune_params(schedule="linear", warmup_steps=2)
    assert [factor(step, settings) for step in (0, 1, 2, 4, 6, 10, 12)] == [0.5, 1, 1, 0.75, 0.5, 0, 0]


def test_a_cosine_schedule_is_at_half_its_peak_half_way():
    settings = finetune_params(schedule="cosine", warmup_steps=2)
    factors = [factor(step, settings) for step in (2, 4, 6, 8, 10)]
    assert factors == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0])


def test_without_a_warm_up_the_first_step_is_at_the_peak():
    assert factor(0, finetune_params(warmup_steps=0)) == 1


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_each_layer_learns_slower_than_the_one_above_it(family):
    regressor = tiny_regressor(family, tiny_tokenizer(family))
    groups = groups_by_name(regressor, finetune_params(learning_rate=1.0, layer_decay=0.5))
    depths = depths_by_hand(family, regressor)
    assert n_layers(regressor.backbone) == 2
    assert set(depths.values()) == {0, 1, 2}
    for name, depth in depths.items():
        assert groups[f"backbone.{name}"]["peak_lr"] == 0.5 ** (2 - depth), name


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_network_of_one_layer_has_one(family):
    size = ScratchSize(layers=1, width=32, heads=2, vocabulary=600)
    assert n_layers(scratch_backbone(family, size, 600, pad_id=0, max_tokens=64)) == 1


ADAPTERS = [
    ("lora", "t5"),
    ("lora", "bert"),
    ("ia3", "bert"),
    ("prefix", "bert"),
    ("prompt", "bert"),
    ("prompt", "xlnet"),
]


@pytest.mark.parametrize(("kind", "family"), ADAPTERS)
def test_an_adapter_learns_whole_and_at_the_full_rate_whatever_layers_are_frozen_or_slower(kind, family):
    regressor = tiny_regressor(family, tiny_tokenizer(family))
    own = {id(parameter) for parameter in regressor.parameters()}
    add_adapter(regressor, AdapterParams(kind=kind, rank=4, alpha=8.0, virtual_tokens=3), max_tokens=64)
    freeze_layers(regressor, 2)
    groups = groups_by_name(regressor, finetune_params(learning_rate=1.0, layer_decay=0.5))
    added = [name for name, parameter in regressor.backbone.named_parameters() if id(parameter) not in own]
    assert added
    assert all(groups[f"backbone.{name}"]["peak_lr"] == 1.0 for name in added)
    assert {name for name, group in groups.items() if group and name.startswith("backbone.")} == {
        f"backbone.{name}" for name in added
    }


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_frozen_layers_and_the_embeddings_below_them_get_no_gradient(family):
    regressor, batch = in_training(family)
    freeze_layers(regressor, 1)
    regressor(*batch).stars.sum().backward()
    depths = depths_by_hand(family, regressor)
    for name, parameter in regressor.backbone.named_parameters():
        assert parameter.requires_grad == (depths[name] == 2), name
    top = [parameter.grad for name, parameter in regressor.backbone.named_parameters() if depths[name] == 2]
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in top)


def test_frozen_weights_are_those_of_the_start_after_training(tmp_path):
    start = tiny_regressor("bert", tiny_tokenizer("bert"), 5).state_dict()
    trained, _ = train(tmp_path, finetune_params(frozen_layers=1))
    same = {name: torch.equal(start[name], tensor) for name, tensor in trained.state_dict().items()}
    assert all(same[name] for name in same if "embeddings" in name or "layer.0" in name)
    assert not any(same[name] for name in same if "layer.1" in name and name.endswith("weight"))


def test_more_frozen_layers_than_there_are_is_refused():
    regressor = tiny_regressor("bert", tiny_tokenizer("bert"))
    with pytest.raises(ParamsError, match=r"finetune\.frozen_layers is 3; the model has 2 layers"):
        freeze_layers(regressor, 3)


def test_null_leaves_the_checkpoints_own_dropout():
    regressor = tiny_regressor("bert", tiny_tokenizer("bert"))
    shares = {m.p for m in regressor.modules() if isinstance(m, torch.nn.Dropout)}
    set_dropout(regressor, None)
    assert {m.p for m in regressor.modules() if isinstance(m, torch.nn.Dropout)} == shares != {0.0}


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_without_dropout_a_network_in_training_gives_the_same_answer_twice(family):
    regressor, batch = in_training(family)
    set_dropout(regressor, 0.0)
    assert torch.equal(regressor(*batch).stars, regressor(*batch).stars)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_with_dropout_a_network_in_training_gives_another_answer_each_time(family):
    regressor, batch = in_training(family)
    set_dropout(regressor, 0.5)  # every family has some; Llama's and ModernBERT's own share is 0
    assert not torch.equal(regressor(*batch).stars, regressor(*batch).stars)
