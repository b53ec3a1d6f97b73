"""Parameter-efficient fine-tuning: a small adapter and the head learn, the backbone's own weights stand still."""

from peft import IA3Config, LoraConfig, PeftModel
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from starsight.errors import ModelError
from starsight.model.batches import WIDTH_STEP
from starsight.model.families import FAMILIES
from starsight.model.prefix import PrefixedBackbone, PrefixKind, wrap
from starsight.model.regressor import StarRegressor
from starsight.params import AdapterParams

_UNUSED = ("pooler", "contact_head")
"""Parts of a backbone that its last hidden states do not pass through."""

_ADAPTER_MARKS = ("lora_", "ia3_l", "prompt_encoder")
"""What peft has in the names of the weights that it adds; virtual tokens of either kind are a prompt encoder's."""


def of_adapter(name: str) -> bool:
    """Whether a weight is an adapter's and none of the backbone's own."""
    return any(mark in name for mark in _ADAPTER_MARKS)


def add_adapter(regressor: StarRegressor, params: AdapterParams, max_tokens: int) -> None:
    """Give the backbone an adapter, drawn from torch's generator, and freeze its own weights; the head is left alone.

    LoRA and (IA)^3 act on every linear layer between tokens and states. XLNet's attention has none (its matrices are
    bare parameters), so there they act on the feed-forward layers alone.

    Args:
        regressor: Changed in place.
        params: Kind and size; kind ``none`` changes nothing.
        max_tokens: Longest input.

    Raises:
        ModelError: the backbone cannot take this kind, or has too few positions for the virtual tokens.
    """
    match params.kind:
        case "none":
            return
        case "lora":
            settings = LoraConfig(
                r=params.rank,
                lora_alpha=params.alpha,
                lora_dropout=params.dropout,
                **_linear_layers(regressor.backbone),
            )
            regressor.backbone = wrap(regressor.backbone, settings)
        case "ia3":
            settings = IA3Config(feedforward_modules=[], **_linear_layers(regressor.backbone))
            regressor.backbone = wrap(regressor.backbone, settings)
        case "prefix" | "prompt":
            _check_prefix(regressor, params.kind, params.virtual_tokens, max_tokens)
            regressor.backbone = PrefixedBackbone(regressor.backbone, params.kind, params.virtual_tokens)


def merge_adapter(regressor: StarRegressor) -> None:
    """Fold LoRA or (IA)^3 into the backbone's own weights, in place: a plain backbone is left, which needs no peft.

    Virtual tokens cannot be folded in; they stay, and are saved beside the backbone.
    """
    if isinstance(regressor.backbone, PeftModel):
        regressor.backbone = regressor.backbone.merge_and_unload()


def count_parameters(regressor: StarRegressor) -> tuple[int, int]:
    """Numbers that learn, and all numbers, of backbone, adapter and head."""
    parameters = list(regressor.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def _linear_layers(backbone: PreTrainedModel) -> dict[str, object]:
    """Settings of peft that choose every linear layer in use, and say how the family stores its matrices."""
    unused = [name for name, _ in backbone.named_modules() if name.split(".")[0] in _UNUSED]
    return {
        "target_modules": "all-linear",
        "exclude_modules": unused or None,
        "fan_in_fan_out": any(isinstance(module, Conv1D) for module in backbone.modules()),  # GPT-2's are transposed
    }


def _check_prefix(regressor: StarRegressor, kind: PrefixKind, virtual_tokens: int, max_tokens: int) -> None:
    family = FAMILIES[regressor.family]
    if kind == "prefix" and not family.takes_prefix:
        able = ", ".join(name for name, facts in FAMILIES.items() if facts.takes_prefix)
        raise ModelError(
            f"finetune.adapter.kind: {regressor.family} takes no prefix (only {able} do); choose prompt, lora or ia3."
        )
    positions = getattr(regressor.backbone.config, "max_position_embeddings", None) or -1  # some have no table
    widest = -(-max_tokens // WIDTH_STEP) * WIDTH_STEP
    room = positions - family.reserved_positions - widest
    if positions > 0 and room < virtual_tokens:
        raise ModelError(
            f"finetune.adapter.virtual_tokens is {virtual_tokens}; beside tokenize.max_tokens {max_tokens} "
            f"the backbone has positions for {max(room, 0)}. Lower one of the two."
        )
