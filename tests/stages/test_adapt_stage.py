"""The stage: off it leaves the checkpoint as it is, on it hands an adapted backbone to fine-tuning."""

import shutil
import sys

import pandas as pd
import pytest
import torch
import yaml
from miniature import make_reviews
from safetensors.torch import load_file

from stages.adapt import main
from starsight.errors import DataError, ModelError
from starsight.layout import Layout
from starsight.model.start import start_regressor, start_tokenizer
from starsight.model.target import STARS_AS_THEY_ARE
from starsight.model.tokens import write_tokens
from starsight.params import Params, load_params
from starsight.tables import read_json

SCRATCH = {"family": "gpt2", "checkpoint": "scratch", "scratch": {"layers": 1, "width": 32, "heads": 2}}


def clean_reviews() -> pd.DataFrame:
    reviews = make_reviews(80).rename(columns={"text": "text_clean"})
    splits = ["train"] * 60 + ["validation"] * 10 + ["test"] * 10
    return reviews.assign(review_id=[f"r{i}" for i in range(80)], split=splits)


def prepare(layout: Layout, model: dict | None = None, **adapt: object) -> Params:
    """Settings with ``adapt`` changed, and reviews tokenized for them; validation and test reviews cannot be read."""
    content = yaml.safe_load(layout.params.read_text())
    content["adapt"] |= adapt
    content["models"]["tiny"] = model or content["models"]["tiny"]
    layout.params.write_text(yaml.safe_dump(content))
    params = load_params(layout.params)
    write_tokens(clean_reviews(), start_tokenizer(params, layout, clean_reviews()), params.tokenize, layout.processed)
    for split in ("validation", "test"):
        shutil.rmtree(layout.tokens(split))
    return params


def backbone_at_start(params: Params, layout: Layout) -> dict[str, torch.Tensor]:
    torch.manual_seed(params.seed)
    tokenizer = start_tokenizer(params, layout, clean_reviews())
    return start_regressor(params, layout, tokenizer, STARS_AS_THEY_ARE).backbone.state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_switched_off_it_says_so_and_fine_tuning_starts_from_the_checkpoint(workspace, tiny_checkpoint):
    params = prepare(workspace)
    main(params, workspace)
    assert [path.name for path in workspace.adapted.rglob("*")] == ["adapted.json"]
    assert read_json(workspace.adaptation_report) == {"enabled": False}
    published = load_file(tiny_checkpoint / "model.safetensors")
    start = backbone_at_start(params, workspace)
    assert all(torch.equal(start[name], tensor) for name, tensor in published.items())


def test_switched_off_it_needs_no_tokens_and_loads_no_network(workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "starsight.adapt.session", None)  # importing it would fail
    main(load_params(workspace.params), workspace)
    assert read_json(workspace.adaptation_report) == {"enabled": False}


def test_switched_on_fine_tuning_starts_from_the_adapted_backbone(workspace, tiny_checkpoint):
    params = prepare(workspace, enabled=True)
    main(params, workspace)
    adapted = load_file(workspace.adapted_backbone / "model.safetensors")
    published = load_file(tiny_checkpoint / "model.safetensors")
    start = backbone_at_start(params, workspace)
    assert same({name: start[name] for name in adapted}, adapted)
    assert not torch.equal(adapted["embeddings.word_embeddings.weight"], published["embeddings.word_embeddings.weight"])


def test_the_report_is_flat_and_its_perplexities_are_those_of_its_losses(workspace):
    main(prepare(workspace, enabled=True), workspace)
    report = read_json(workspace.adaptation_report)
    assert report["enabled"] is True
    assert all(isinstance(value, int | float | str | bool) for value in report.values())
    assert (report["n_train_reviews"], report["n_held_out_reviews"]) == (57, 3)
    assert report["loss_after"] < report["loss_before"]
    for when in ("before", "after"):
        assert torch.tensor(report[f"loss_{when}"]).exp().item() == pytest.approx(report[f"perplexity_{when}"], 1e-4)
    assert 0 < report["tokens_asked"] < 0.2 * report["tokens_seen"]


def test_the_same_again_gives_the_same_bytes_and_leaves_no_state(workspace):
    params = prepare(workspace, enabled=True)
    contents = []
    for _ in range(2):
        main(params, workspace)
        files = [path for path in sorted(workspace.adapted.rglob("*")) if path.is_file()]
        contents.append([(path, path.read_bytes()) for path in files])
    assert contents[0] == contents[1]
    assert not [path for path in (workspace.scratch / "adapt").iterdir() if path.is_dir()]


def test_a_backbone_from_scratch_is_adapted_too(workspace):
    params = prepare(workspace, SCRATCH, enabled=True)
    main(params, workspace)
    report = read_json(workspace.adaptation_report)
    assert report["loss_after"] < report["loss_before"]
    assert report["tokens_asked"] == report["tokens_seen"] - report["n_train_reviews"]  # all but the first of each
    adapted = load_file(workspace.adapted_backbone / "model.safetensors")
    start = backbone_at_start(params, workspace)
    assert same({name: start[name] for name in adapted}, adapted)


def test_switched_off_again_the_backbone_goes(workspace):
    main(prepare(workspace, enabled=True), workspace)
    main(prepare(workspace, enabled=False), workspace)
    assert not workspace.adapted_backbone.exists()


def test_an_adapted_backbone_that_is_not_there_is_asked_for_in_one_line(workspace):
    params = prepare(workspace, enabled=True)
    with pytest.raises(ModelError, match=r"models/adapted/backbone is missing.*run dvc repro adapt"):
        backbone_at_start(params, workspace)


def test_a_single_review_cannot_be_held_out(workspace):
    with pytest.raises(DataError, match=r"too few reviews to hold any out; set adapt\.enabled to false"):
        main(prepare(workspace, enabled=True, max_reviews=1), workspace)
