"""Backbone, attention head and star scale as one network, and its form on disk."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel, T5EncoderModel
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from starsight.errors import ModelError
from starsight.model.batches import WIDTH_STEP
from starsight.model.families import FAMILIES
from starsight.model.head import AttentionHead
from starsight.model.target import StarScale
from starsight.params import FamilyName, ScratchSize
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


def input_limit(checkpoint: Path, family: FamilyName) -> int:
    """Most tokens that the checkpoint's position table can hold, batches' own padding included.

    Raises:
        ModelError: the folder has no readable configuration.
    """
    try:
        config = AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{checkpoint} cannot be loaded: {' '.join(str(error).split())}") from None
    positions = getattr(config, "max_position_embeddings", None) or -1  # relative positions have no table
    if positions < 0:
        return sys.maxsize
    reserved = FAMILIES[family].reserved_positions
    return positions - reserved if reserved else positions - positions % WIDTH_STEP  # there padding takes a position


def load_backbone(checkpoint: Path, family: FamilyName) -> PreTrainedModel:
    """Read pretrained weights in float32.

    Raises:
        ModelError: the checkpoint is for another architecture, lacks weights, or wants to run its own code.
    """
    facts = FAMILIES[family]
    disable_progress_bar()  # it takes no time, and a log file would hold every state of the bar
    set_verbosity_error()  # the pooler is left out on purpose; what is missing is checked below
    try:
        config = AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
        if config.model_type != facts.model_type:
            raise ModelError(f"{checkpoint} is a {config.model_type!r} checkpoint; its row says family: {family}.")
        loader = T5EncoderModel if facts.encoder_of_pair else AutoModel
        backbone, found = loader.from_pretrained(
            checkpoint,
            config=config,
            dtype=torch.float32,
            attn_implementation=_attention_implementation(),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"{checkpoint} cannot be loaded: {' '.join(str(error).split())}") from None
    random = sorted(name for name in found["missing_keys"] if "pooler" not in name)  # the head does its own pooling
    if random:
        raise ModelError(f"{checkpoint} lacks the weights of {', '.join(random[:5])}; random ones are never put in.")
    return backbone


def scratch_backbone(
    family: FamilyName, size: ScratchSize, vocabulary: int, pad_id: int, max_tokens: int
) -> PreTrainedModel:
    """A backbone of random weights (from torch's generator: seed it first).

    Args:
        family: Architecture.
        size: Layers, width and heads.
        vocabulary: Entries of the tokenizer that was trained for it.
        pad_id: Id of its padding token.
        max_tokens: Longest input.
    """
    facts = FAMILIES[family]
    sizes = {
        facts.layers_key: size.layers,
        facts.width_key: size.width,
        facts.heads_key: size.heads,
        facts.inner_key: 4 * size.width,
        facts.head_width_key: size.width // size.heads,
        facts.key_value_heads_key: size.heads,
    }
    config = AutoConfig.for_model(
        facts.model_type,
        vocab_size=vocabulary,
        pad_token_id=pad_id,
        **{key: value for key, value in sizes.items() if key is not None},
    )
    positions = max_tokens + WIDTH_STEP + facts.reserved_positions
    if 0 < (getattr(config, "max_position_embeddings", None) or -1) < positions:
        config.max_position_embeddings = positions
    loader = T5EncoderModel._from_config if facts.encoder_of_pair else AutoModel.from_config
    return loader(config, attn_implementation=_attention_implementation())


def _attention_implementation() -> str:
    """Plain matrix products on a CPU: torch's fused attention falls back to slower ones there under bfloat16."""
    return "sdpa" if torch.cuda.is_available() else "eager"
