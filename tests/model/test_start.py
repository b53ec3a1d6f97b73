"""The network before its first step: the right limits, the same numbers for the same seed."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from miniature import make_reviews, tiny_params

from starsight.errors import ModelError
from starsight.layout import Layout
from starsight.model.backbone import input_limit, load_backbone
from starsight.model.start import start_regressor, start_tokenizer
from starsight.model.target import StarScale
from starsight.model.tokens import load_tokenizer
from starsight.params import load_params


def params_with(tmp_path, checkpoint, **sections):
    content = tiny_params(checkpoint, "reviews.csv")
    for name, changes in sections.items():
        content[name] |= changes
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    return load_params(tmp_path / "params.yaml")


def train_reviews():
    return make_reviews(60).rename(columns={"text": "text_clean"}).assign(split="train")


def test_an_input_longer_than_the_position_table_is_refused(tmp_path, tiny_checkpoint):
    limit = input_limit(tiny_checkpoint, "bert")
    assert limit == 512
    params = params_with(tmp_path, tiny_checkpoint, tokenize={"max_tokens": limit + 1})
    with pytest.raises(ModelError, match=r"tokenize\.max_tokens is 513; tiny reads 512 at most"):
        start_tokenizer(params, Layout(tmp_path, tmp_path), train_reviews())


def test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings_is_refused(tmp_path, tiny_checkpoint):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    tokenizer = load_tokenizer(folder, "bert")
    n_tokens = len(tokenizer)
    tokenizer.add_tokens(["one-more"])
    tokenizer.save_pretrained(folder)
    message = rf"the tokenizer has {n_tokens + 1} tokens and the model embeddings of {n_tokens}; take the tokenizer"
    with pytest.raises(ModelError, match=message):
        start_tokenizer(params_with(tmp_path, folder), Layout(tmp_path, tmp_path), train_reviews())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 64}, r"is \(.*32.*\) in the weights and \(.*64.*\) by config\.json"),
        ({"max_position_embeddings": "512"}, "cannot be loaded: .*max_position_embeddings"),
        ({"max_position_embeddings": None}, "cannot be loaded: .*max_position_embeddings"),
    ],
)
def test_a_configuration_that_is_not_the_weights_own_is_refused(tmp_path, tiny_checkpoint, change, message):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message) as caught:
        load_backbone(folder, "bert")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5", "roberta", "mpnet", "esm"])
def test_a_network_from_scratch_reads_the_longest_input(tmp_path, family):
    params = params_with(
        tmp_path,
        "scratch",
        tokenize={"max_tokens": 600},
        models={"tiny": {"family": family, "checkpoint": "scratch", "scratch": {"layers": 1, "width": 16, "heads": 2}}},
    )
    layout = Layout(tmp_path, tmp_path)
    tokenizer = start_tokenizer(params, layout, train_reviews())
    regressor = start_regressor(params, layout, tokenizer, StarScale(3.0, 1.0))
    mask = torch.ones(1, 608, dtype=torch.bool)
    assert regressor(torch.full((1, 608), 7), mask).stars.shape == (1,)


def test_the_same_seed_starts_the_same_network(tmp_path, tiny_checkpoint):
    params, layout = params_with(tmp_path, tiny_checkpoint), Layout(tmp_path, tmp_path)
    tokenizer = start_tokenizer(params, layout, train_reviews())
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        heads.append(start_regressor(params, layout, tokenizer, StarScale(3.0, 1.0)).head.output.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_the_default_network_draws_what_the_first_saved_models_drew(tmp_path, tiny_checkpoint):
    params, layout = params_with(tmp_path, tiny_checkpoint), Layout(tmp_path, tmp_path)
    tokenizer = start_tokenizer(params, layout, train_reviews())
    torch.manual_seed(8)
    head = start_regressor(params, layout, tokenizer, StarScale.fit(np.array([1.0, 5.0]))).head
    torch.manual_seed(8)
    layers = [torch.nn.Linear(32, 32) for _ in range(3)] + [torch.nn.Linear(32, 1)]
    for layer, name in zip(layers, ("query", "key", "value", "output"), strict=True):
        assert torch.equal(head.get_submodule(name).weight, layer.weight)
        assert torch.equal(head.get_submodule(name).bias, layer.bias)


def test_the_settings_choose_head_and_objective(tmp_path, tiny_checkpoint):
    params = params_with(tmp_path, tiny_checkpoint, finetune={"head": "mean", "objective": "distribution"})
    layout = Layout(tmp_path, tmp_path)
    tokenizer = start_tokenizer(params, layout, train_reviews())
    scale = StarScale.fit(np.array([5.0] * 90 + [1.0] * 10))
    regressor = start_regressor(params, layout, tokenizer, scale)
    assert (regressor.head.name, regressor.objective.name) == ("mean", "distribution")
    rating = regressor(torch.full((1, 16), 7), torch.ones(1, 16, dtype=torch.bool))
    assert rating.bias_stars.item() == pytest.approx((5 * 91 + 4 + 3 + 2 + 11) / 105)
