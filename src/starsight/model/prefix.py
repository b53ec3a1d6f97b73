"""Learned virtual tokens in front of a review: the adapters that cannot be folded into the backbone's own weights."""

import warnings
from pathlib import Path
from typing import Literal, TypeAlias

from peft import (
    PeftConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    TaskType,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from starsight.errors import ModelError

PrefixKind = Literal["prefix", "prompt"]

_VIRTUAL_TOKENS = "virtual_tokens.safetensors"
"""Beside the backbone's weights."""


class PrefixedBackbone(nn.Module):
    """A frozen backbone that reads virtual tokens before every review and answers for the review alone.

    ``prefix`` puts a learned key and value for each virtual token into every attention layer (Li and Liang 2021,
    arXiv:2101.00190); only some families take them. ``prompt`` puts learned embeddings before those of the review
    (Lester et al. 2021, arXiv:2104.08691); every family takes them.
    """

    def __init__(self, backbone: PreTrainedModel, kind: PrefixKind, virtual_tokens: int) -> None:
        super().__init__()
        self.kind: PrefixKind = kind
        backbone.requires_grad_(False)  # peft freezes submodules, and so forgets XLNet's bare mask embedding
        sizes = {
            "task_type": TaskType.FEATURE_EXTRACTION,
            "num_virtual_tokens": virtual_tokens,
            "token_dim": backbone.config.hidden_size,  # given, since peft does not know every family's name for it
            "num_layers": backbone.config.num_hidden_layers,
            "num_attention_heads": backbone.config.num_attention_heads,
        }
        self.adapted = wrap(
            backbone,
            PrefixTuningConfig(**sizes)
            if kind == "prefix"
            else PromptTuningConfig(prompt_tuning_init="SAMPLE_VOCAB", **sizes),
        )

    @property
    def config(self) -> PreTrainedConfig:
        """The backbone's own configuration."""
        return self.adapted.get_base_model().config

    def get_input_embeddings(self) -> nn.Module:
        """Where the review's tokens are looked up."""
        embeddings: nn.Module = self.adapted.get_base_model().get_input_embeddings()
        return embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> BaseModelOutput:
        """Read a batch; both arguments are ``(batch, tokens)``, and so are the states, without the virtual tokens."""
        states = self.adapted(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return BaseModelOutput(last_hidden_state=states[:, -input_ids.shape[1] :])

    def save_pretrained(self, folder: Path) -> None:
        """Write the backbone as it came, and the virtual tokens beside it."""
        self.adapted.get_base_model().save_pretrained(folder)
        save_file(get_peft_model_state_dict(self.adapted), folder / _VIRTUAL_TOKENS, {"kind": self.kind})


Backbone: TypeAlias = PreTrainedModel | PrefixedBackbone


def load_prefix(backbone: PreTrainedModel, folder: Path) -> Backbone:
    """Put the virtual tokens that ``PrefixedBackbone.save_pretrained`` wrote before ``backbone``, where there are any.

    Args:
        backbone: Read from ``folder``.
        folder: Of the backbone's weights.

    Raises:
        ModelError: the virtual tokens cannot be read, or are another backbone's.
    """
    path = folder / _VIRTUAL_TOKENS
    if not path.exists():
        return backbone
    try:
        with safe_open(path, "pt") as file:
            kind = file.metadata()["kind"]
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        (virtual_tokens,) = weights.values()
        prefixed = PrefixedBackbone(backbone, kind, len(virtual_tokens))
        set_peft_model_state_dict(prefixed.adapted, weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read ({' '.join(str(error).split())}); run dvc repro finetune.") from None
    return prefixed


def wrap(backbone: PreTrainedModel, settings: PeftConfig) -> PeftModel:
    """``backbone`` with an adapter that learns while its own weights stand still."""
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # peft asks for an attribute's old name
        return get_peft_model(backbone, settings)
