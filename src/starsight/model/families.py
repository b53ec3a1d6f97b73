"""Facts about each family of backbones. A new architecture is a row here, not a branch elsewhere."""

from dataclasses import dataclass
from typing import Literal

from starsight.params import FamilyName

Pieces = Literal["bpe", "unigram"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the rest of the code needs to know of an architecture."""

    model_type: str
    """Name in transformers."""
    pieces: Pieces = "bpe"
    """Kind of tokenizer that is trained where the backbone starts from scratch. WordPiece is not among them: training
    one twice on the same reviews gives two vocabularies, since ties fall in the order of a hash table."""
    reads: Literal["words", "amino acids"] = "words"
    """What the published vocabulary is made of."""
    reserved_positions: int = 0
    """Positions of the configuration that no token can have: some families count from behind the padding id."""
    encoder_of_pair: bool = False
    """An encoder-decoder, of which the encoder alone is used."""
    layers_key: str = "num_hidden_layers"
    width_key: str = "hidden_size"
    heads_key: str = "num_attention_heads"
    inner_key: str | None = "intermediate_size"
    """Names of the sizes in the architecture's configuration; None where the inner width follows from the width."""
    head_width_key: str | None = None
    """Name of the width of one attention head, where the configuration holds it beside the others."""
    key_value_heads_key: str | None = None


FAMILIES: dict[FamilyName, Family] = {
    "bert": Family(model_type="bert"),
    "distilbert": Family(
        model_type="distilbert",
        layers_key="n_layers",
        width_key="dim",
        heads_key="n_heads",
        inner_key="hidden_dim",
    ),
    "mpnet": Family(model_type="mpnet", reserved_positions=2),
    "roberta": Family(model_type="roberta", reserved_positions=2),
    "modernbert": Family(model_type="modernbert"),
    "deberta": Family(model_type="deberta-v2", pieces="unigram"),
    "xlnet": Family(
        model_type="xlnet",
        pieces="unigram",
        layers_key="n_layer",
        width_key="d_model",
        heads_key="n_head",
        inner_key="d_inner",
    ),
    "t5": Family(
        model_type="t5",
        pieces="unigram",
        encoder_of_pair=True,
        layers_key="num_layers",
        width_key="d_model",
        heads_key="num_heads",
        inner_key="d_ff",
        head_width_key="d_kv",
    ),
    "gpt2": Family(
        model_type="gpt2",
        layers_key="n_layer",
        width_key="n_embd",
        heads_key="n_head",
        inner_key=None,
    ),
    "llama": Family(model_type="llama", key_value_heads_key="num_key_value_heads"),
    "esm": Family(model_type="esm", reads="amino acids"),
}
