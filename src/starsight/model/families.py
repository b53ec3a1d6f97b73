"""Facts about each family of backbones. A new architecture is a row here, not a branch elsewhere."""

from dataclasses import dataclass
from typing import Literal

from starsight.params import FamilyName

Pieces = Literal["bpe", "unigram"]
Reads = Literal["words", "letters"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the rest of the code and the table in ``docs/models.md`` need to know of an architecture."""

    model_type: str
    """Name in transformers."""
    reads: Reads = "words"
    """What the published vocabulary is made of. Letters are those of amino acids; see ``alphabet.py``."""
    causal: bool = False
    """Whether a token sees only the tokens before it."""
    summary_token: Literal["first", "last"] = "first"
    """The real token that stands for the whole review in a ``cls`` head: the one that the published tokenizer adds for
    it, or the end of the text, and where a token sees only what is before it, the one that has seen all."""
    pooler: bool = False
    """Whether the network ends in a pooled output. It is left out: the head does its own pooling."""
    pad_token: Literal["own", "end of text"] = "own"
    """What fills a batch. A family without a padding token borrows its end of text: padding is masked."""
    padding_side: Literal["right"] = "right"
    """All that ``batches.pad`` knows. It is right for causal families, since no real token comes after it, and the
    others do not mind, XLNet included, whose own tokenizer pads on the left: its positions are relative."""
    embeds_tokens_first: bool = False
    """Whether the network turns its input before it looks tokens up: its embeddings are ``(tokens, batch, width)``."""
    relative_positions: bool = False
    """Whether tokens know only their distances, so that an input of any length can be read."""
    reserved_positions: int = 0
    """Positions of the configuration that no token can have: some families count from behind the padding id."""
    pieces: Pieces = "bpe"
    """Kind of tokenizer that is trained where the backbone starts from scratch. WordPiece is not among them: training
    one twice on the same reviews gives two vocabularies, since ties fall in the order of a hash table."""
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
    fused_attention: bool = True
    """Whether its attention has a fused form in transformers, which is used on a GPU."""
    takes_prefix: bool = False
    """Whether its attention takes keys and values of virtual tokens (``past_key_values``)."""


FAMILIES: dict[FamilyName, Family] = {
    "bert": Family(model_type="bert", pooler=True, takes_prefix=True),
    "distilbert": Family(
        model_type="distilbert",
        layers_key="n_layers",
        width_key="dim",
        heads_key="n_heads",
        inner_key="hidden_dim",
    ),
    "mpnet": Family(model_type="mpnet", pooler=True, reserved_positions=2, fused_attention=False),
    "roberta": Family(model_type="roberta", pooler=True, reserved_positions=2, takes_prefix=True),
    "modernbert": Family(model_type="modernbert"),
    "deberta": Family(model_type="deberta-v2", fused_attention=False, pieces="unigram"),
    "xlnet": Family(
        model_type="xlnet",
        fused_attention=False,
        pieces="unigram",
        summary_token="last",
        embeds_tokens_first=True,
        relative_positions=True,
        layers_key="n_layer",
        width_key="d_model",
        heads_key="n_head",
        inner_key="d_inner",
    ),
    "t5": Family(
        model_type="t5",
        pieces="unigram",
        summary_token="last",
        relative_positions=True,
        encoder_of_pair=True,
        layers_key="num_layers",
        width_key="d_model",
        heads_key="num_heads",
        inner_key="d_ff",
        head_width_key="d_kv",
    ),
    "gpt2": Family(
        model_type="gpt2",
        causal=True,
        summary_token="last",
        pad_token="end of text",
        layers_key="n_layer",
        width_key="n_embd",
        heads_key="n_head",
        inner_key=None,
        takes_prefix=True,
    ),
    "llama": Family(
        model_type="llama",
        causal=True,
        summary_token="last",
        pad_token="end of text",
        key_value_heads_key="num_key_value_heads",
        takes_prefix=True,
    ),
    "esm": Family(model_type="esm", reads="letters", pooler=True, reserved_positions=2),
}
