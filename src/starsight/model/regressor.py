"""Backbone, head and objective as one network, and its form on disk."""

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from starsight.errors import ModelError
from starsight.model.backbone import load_backbone
from starsight.model.ensemble import Ensemble, member_folders
from starsight.model.families import FAMILIES
from starsight.model.head import Head, make_head
from starsight.model.objective import Objective, make_objective
from starsight.model.prefix import Backbone, load_prefix
from starsight.model.rating import FACTS, Rater, Rating
from starsight.model.target import StarScale
from starsight.params import FamilyName, HeadName, ObjectiveName
from starsight.tables import read_json, write_json


class StarRegressor(Rater):
    """One backbone under one head."""

    def __init__(self, backbone: Backbone, head: Head, objective: Objective, family: FamilyName) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.objective = objective
        self.family: FamilyName = family

    def forward(self, input_ids: Tensor, mask: Tensor) -> Rating:
        """Rate a batch; the shapes are those of ``Rater.forward``."""
        states = self.backbone(input_ids=input_ids, attention_mask=mask.long()).last_hidden_state
        with torch.autocast(states.device.type, enabled=False):
            return self.objective.rate(self.head(states, mask))

    def save(self, folder: Path) -> None:
        """Write backbone and head as safetensors, and what a reader needs to know beside them."""
        self.backbone.save_pretrained(folder / "backbone")
        save_file({name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}, folder / _HEAD)
        facts = _Facts(
            family=self.family, head=self.head.name, objective=self.objective.name, scale=self.objective.scale
        )
        write_json(facts.model_dump(), folder / FACTS)


_HEAD = "head.safetensors"


class _Facts(BaseModel, frozen=True, extra="forbid"):
    """What a saved regressor says about itself."""

    family: FamilyName
    head: HeadName
    objective: ObjectiveName
    scale: StarScale


def load_regressor(folder: Path) -> Rater:
    """Read what ``save`` wrote: a regressor, or an ensemble of them.

    Raises:
        DataError: the facts beside the weights are missing.
        ModelError: the facts are none that are known, or the weights are missing or broken.
    """
    content = read_json(folder / FACTS)
    if "members" in content:
        return _load_ensemble(folder, content["members"])
    facts = _check_facts(content, folder / FACTS)
    backbone = load_prefix(load_backbone(folder / "backbone", facts.family), folder / "backbone")
    objective = make_objective(facts.objective, facts.scale)
    summary_token = FAMILIES[facts.family].summary_token
    head = make_head(facts.head, backbone.config.hidden_size, objective.n_outputs, summary_token)
    try:
        head.load_state_dict(load_file(folder / _HEAD))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder / _HEAD} cannot be read ({error}); run dvc repro finetune.") from None
    return StarRegressor(backbone, head, objective, facts.family).eval()


def _load_ensemble(folder: Path, n_members: object) -> Ensemble:
    if not isinstance(n_members, int) or n_members < 1:
        raise ModelError(f"{folder / FACTS}: members is {n_members!r}, not their number; run dvc repro finetune.")
    return Ensemble([load_regressor(member) for member in member_folders(folder, n_members)]).eval()


def _check_facts(content: dict[str, Any], path: Path) -> _Facts:
    try:
        return _Facts.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors())
        raise ModelError(f"{path}: {problems}. This starsight cannot read it; run dvc repro finetune.") from None


def _describe(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"{place} is missing"
    return f"{place} is {problem['input']!r}: {problem['msg'].lower()}"
