"""Backbone, attention head and star scale as one network, and its form on disk."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from starsight.errors import ModelError
from starsight.model.backbone import load_backbone
from starsight.model.head import AttentionHead
from starsight.model.target import StarScale
from starsight.params import FamilyName
from starsight.tables import read_json, write_json


@dataclass(frozen=True)
class Rating:
    """A batch of predictions. For each review, stars = bias_stars + sum of its contributions."""

    score: Tensor
    """``(batch,)``, on the model's scale; what the loss compares."""
    stars: Tensor
    """``(batch,)``, not cut to 1-5."""
    token_weights: Tensor
    """``(batch, tokens)``, sum to 1 over a review; 0 on padding."""
    contributions: Tensor
    """``(batch, tokens)``, signed, in stars; 0 on padding."""
    bias_stars: Tensor
    """Scalar: the rating of a review whose words say nothing."""


class StarRegressor(nn.Module):
    """Reads token ids, answers with stars and each token's share in them."""

    def __init__(self, backbone: PreTrainedModel, head: AttentionHead, scale: StarScale, family: FamilyName) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.scale = scale
        self.family: FamilyName = family

    def forward(self, input_ids: Tensor, mask: Tensor) -> Rating:
        """Rate a batch.

        Args:
            input_ids: ``(batch, tokens)``.
            mask: ``(batch, tokens)``, True for real tokens.
        """
        states = self.backbone(input_ids=input_ids, attention_mask=mask.long()).last_hidden_state
        with torch.autocast(states.device.type, enabled=False):
            output = self.head(states, mask)
        return Rating(
            score=output.score,
            stars=self.scale.to_stars(output.score),
            token_weights=output.token_weights,
            contributions=output.token_scores * self.scale.spread,
            bias_stars=self.scale.to_stars(self.head.output.bias[0]),
        )

    def save(self, folder: Path) -> None:
        """Write backbone and head as safetensors, and what a reader needs to know beside them."""
        self.backbone.save_pretrained(folder / "backbone")
        save_file({name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}, folder / _HEAD)
        write_json({"family": self.family, "scale": asdict(self.scale)}, folder / _FACTS)


_HEAD = "head.safetensors"
_FACTS = "regressor.json"


def load_regressor(folder: Path) -> StarRegressor:
    """Read what ``StarRegressor.save`` wrote.

    Raises:
        DataError: the facts beside the weights are missing.
        ModelError: the weights are missing or broken.
    """
    facts = read_json(folder / _FACTS)
    backbone = load_backbone(folder / "backbone", facts["family"])
    head = AttentionHead(backbone.config.hidden_size)
    try:
        head.load_state_dict(load_file(folder / _HEAD))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder / _HEAD} cannot be read ({error}); run dvc repro finetune.") from None
    return StarRegressor(backbone, head, StarScale(**facts["scale"]), facts["family"]).eval()
