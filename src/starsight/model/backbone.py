"""The pretrained network under the head: read from a checkpoint, or made of random weights."""

import struct
import sys
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, GgufConfig, PreTrainedConfig, PreTrainedModel, T5EncoderModel
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from starsight.errors import ModelError
from starsight.model.batches import WIDTH_STEP
from starsight.model.families import FAMILIES, Family
from starsight.model.gguf import gguf_options
from starsight.params import FamilyName, ScratchSize

_BROKEN = (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError, struct.error)
"""What reading a damaged configuration, or damaged weights, ends in."""


def input_limit(checkpoint: Path, family: FamilyName) -> int:
    """Most tokens that the checkpoint's position table can hold, batches' own padding included.

    Raises:
        ModelError: the folder has no readable configuration, or is for another architecture.
    """
    facts = FAMILIES[family]
    config = _read_config(checkpoint, family, gguf_options(checkpoint))
    if facts.relative_positions:
        return sys.maxsize
    positions: int = config.max_position_embeddings
    reserved = facts.reserved_positions
    return positions - reserved if reserved else positions - positions % WIDTH_STEP  # there padding takes a position


def vocabulary_size(checkpoint: Path, family: FamilyName) -> int:
    """Rows of the checkpoint's embedding table: token ids are below it.

    Raises:
        ModelError: the folder has no readable configuration, or is for another architecture.
    """
    return int(_read_config(checkpoint, family, gguf_options(checkpoint)).vocab_size)


def load_backbone(checkpoint: Path, family: FamilyName) -> PreTrainedModel:
    """Read pretrained weights in float32.

    Raises:
        ModelError: the checkpoint is for another architecture, lacks weights, or wants to run its own code.
    """
    facts = FAMILIES[family]
    disable_progress_bar()  # it takes no time, and a log file would hold every state of the bar
    set_verbosity_error()  # the pooler is left out on purpose; what is missing is checked below
    options = gguf_options(checkpoint)
    config = _read_config(checkpoint, family, options)
    try:
        loader = T5EncoderModel if facts.encoder_of_pair else AutoModel
        backbone, found = loader.from_pretrained(
            checkpoint,
            config=config,
            dtype=torch.float32,
            attn_implementation=_attention_implementation(facts),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are named below
            **_without_pooler(facts),
            **options,
            **({"quantization_config": GgufConfig(dequantize=True)} if options else {}),
        )
    except _BROKEN as error:
        raise _not_loaded(checkpoint, error) from None
    for name, in_file, in_network in sorted(found["mismatched_keys"]):
        raise ModelError(
            f"{checkpoint} cannot be loaded: {name} is {tuple(in_file)} in the weights and {tuple(in_network)} by "
            "config.json; they belong to two models, download the checkpoint anew."
        )
    random = sorted(found["missing_keys"])
    if random:
        raise ModelError(f"{checkpoint} lacks the weights of {', '.join(random[:5])}; random ones are never put in.")
    if not options:
        return backbone
    plain = _from_config(config, facts)  # a model that was read from GGUF refuses to be saved
    plain.load_state_dict(backbone.state_dict())
    return plain


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
    if not facts.relative_positions and config.max_position_embeddings < positions:
        config.max_position_embeddings = positions
    return _from_config(config, facts)


def _from_config(config: PreTrainedConfig, facts: Family) -> PreTrainedModel:
    """A backbone of random weights."""
    loader = T5EncoderModel._from_config if facts.encoder_of_pair else AutoModel.from_config
    return loader(config, attn_implementation=_attention_implementation(facts), **_without_pooler(facts))


def _read_config(checkpoint: Path, family: FamilyName, options: dict[str, str]) -> PreTrainedConfig:
    """The checkpoint's configuration, of the architecture that its row names."""
    try:
        config = AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False, **options)
    except _BROKEN as error:
        raise _not_loaded(checkpoint, error) from None
    if config.model_type != FAMILIES[family].model_type:
        raise ModelError(f"{checkpoint} is a {config.model_type!r} checkpoint; its row says family: {family}.")
    return config


def _not_loaded(checkpoint: Path, error: Exception) -> ModelError:
    return ModelError(f"{checkpoint} cannot be loaded: {' '.join(str(error).split())}")


def _without_pooler(facts: Family) -> dict[str, bool]:
    return {"add_pooling_layer": False} if facts.pooler else {}


def _attention_implementation(facts: Family) -> str:
    """Plain matrix products on a CPU: torch's fused attention falls back to slower ones there under bfloat16."""
    return "sdpa" if facts.fused_attention and torch.cuda.is_available() else "eager"
