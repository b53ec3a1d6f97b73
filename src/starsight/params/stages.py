"""The sections of ``params.yaml``, one a stage."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from starsight.params.section import Section, Share


class IngestParams(Section):
    """Reading the source."""

    max_rejected_share: Share
    """More rejected records than this share of all records is an error: the source is not what its row says."""
    max_characters: PositiveInt
    """A review or a summary that is longer is rejected: no person wrote it."""
    max_expansion: PositiveInt
    """Most bytes that one byte of an archive may unpack to; reading stops at an archive that holds more."""


class DuplicateParams(Section):
    """Reviews that say the same."""

    min_similarity: Annotated[float, Field(gt=0, le=1)]
    """Jaccard similarity of the word shingles of two reviews from which one is a near copy of the other; 1 finds exact
    copies only."""
    shingle_words: Annotated[int, Field(ge=1, le=10)]
    """Words in a shingle."""
    permutations: Annotated[int, Field(ge=16, le=512)]
    """Length of a MinHash signature: more find more of the near copies, and take longer."""


class SpellingParams(Section):
    """The conservative spelling fix."""

    enabled: bool
    """Whether anything is corrected at all."""
    max_count: PositiveInt
    """A word that stands in the reviews more often than this is a word, whatever the dictionary says. In more than ten
    million words the bound grows with them."""
    min_length: Annotated[int, Field(ge=3)]
    """Shorter words, in letters, are left alone: nearly every short string is one edit from a word."""
    min_ratio: PositiveFloat
    """A correction must stand in the reviews at least this many times as often as the word it replaces; unlikely slips
    need more."""


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

    duplicates: DuplicateParams
    """Which reviews say the same."""
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
    """Longest ``text_clean``, in characters. It joins a summary and a text, each as long as ``ingest`` lets pass."""
    warn_rejected_share: Share
    """Warns when more of the source's records were rejected; ``ingest.max_rejected_share`` is what stops."""
    warn_mix_distance: Share
    """Warns when more of the reviews would need other stars to have the mix of stars that is expected: that of the
    dataset's ``rating_mix``, and in validation and test that of the training reviews."""
    long_characters: PositiveInt
    """A longer ``text_clean``, in characters, counts as long."""
    warn_long_share: Share
    """Warns when more of the reviews are long."""
    warn_unnamed_share: Share
    """Warns when more of the reviews lack the reviewer (product) that the splits keep together."""
    warn_before_year: Annotated[int, Field(ge=1900, le=2100)]
    """Warns of reviews from before this year, or from the future."""


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
