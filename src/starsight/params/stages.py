"""The sections of ``params.yaml``, one a stage."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from starsight.params.section import Section, Share

Cut = Literal["head", "head_tail"]
Schedule = Literal["constant", "linear", "cosine"]
HeadName = Literal["attention", "cls", "mean"]
ObjectiveName = Literal["mse", "mae", "huber", "distribution"]
RemovalName = Literal["delete", "mask"]


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
    """Longest input, special tokens included; a longer review is cut, and counted."""
    cut: Cut
    """What is kept of a longer review: ``head`` its beginning; ``head_tail`` its beginning in the first three quarters
    of the room and its end in the last quarter."""


class AdversaryParams(Section):
    """Learning from reviews whose word embeddings are shifted to where the model errs most."""

    kind: Literal["none", "fgm", "freelb"]
    """``fgm`` adds one shifted copy of every batch, and takes twice as long; ``freelb`` learns from ``steps`` of them
    alone, and takes ``steps`` times as long."""
    epsilon: PositiveFloat
    """Length of the shift of a review, all its tokens together, in units of the embeddings."""
    steps: PositiveInt
    """Of ``freelb``."""
    step_size: PositiveFloat
    """Of ``freelb``: how far each step climbs, in the same units."""


class TeacherParams(Section):
    """Distillation: learning what another fine-tuned model says of the training reviews."""

    folder: Annotated[str, Field(min_length=1)] | None
    """A saved model, such as a copy of models/finetuned; null learns from the reviews alone. Name a new folder for
    another teacher: what is in the folder is not looked at when DVC decides whether to train again."""
    weight: Share
    """Of the teacher's stars in what is learnt; the rest is the reviewer's."""


class AdaptParams(Section):
    """Domain pre-training: the backbone learns the reviews' language before their stars."""

    enabled: bool
    """Whether it is done at all; without it fine-tuning starts from the checkpoint as published."""
    epochs: PositiveInt
    """Passes over the reviews. No early stopping: the learning rate falls to 0 over the passes that are stated."""
    learning_rate: PositiveFloat
    """Peak learning rate of the backbone, reached after a tenth of the steps."""
    head_learning_rate: PositiveFloat
    """Peak learning rate of the head that names tokens, whose weights start at random; it is thrown away afterwards."""
    batch_size: PositiveInt
    """Reviews an optimizer step."""
    masked_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of a review's tokens that are asked for, most of them masked. Families that read left to right mask none,
    and are asked for every next token."""
    max_reviews: PositiveInt
    """Training reviews used, held-out ones included; those of fine-tuning are the first of them."""
    held_out_share: Annotated[float, Field(gt=0, lt=1)]
    """Share of them that the loss before and after is measured on, and nothing is learnt from."""


class AdapterParams(Section):
    """What learns in place of the backbone's own weights. It wants a higher ``learning_rate`` than they do."""

    kind: Literal["none", "lora", "ia3", "prefix", "prompt"] = "none"
    """``none`` trains every weight. ``lora`` adds a product of two thin matrices to every linear layer; ``ia3`` scales
    each output of every linear layer; both are folded into the weights after training. ``prefix`` puts learned keys and
    values before every attention layer (bert, roberta, gpt2 and llama only), ``prompt`` learned embeddings before the
    input (every family)."""
    rank: PositiveInt = 8
    """Of ``lora``: inner width of the product."""
    alpha: PositiveFloat = 16.0
    """Of ``lora``: the product is multiplied by ``alpha / rank``."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of ``lora``: share of its inputs dropped in training."""
    virtual_tokens: PositiveInt = 20
    """Of ``prefix`` and ``prompt``: learned tokens before a review; each takes one of the backbone's positions."""


class FinetuneParams(Section):
    """Fine-tuning. The first four are the paper's Table 2."""

    learning_rate: PositiveFloat
    """Peak learning rate of the backbone."""
    batch_size: PositiveInt
    """Reviews an optimizer step, all processes together."""
    optimizer: Literal["adamw", "sgd", "adafactor"]
    """The rule by which gradients move the weights. SGD has a momentum of 0.9, and wants a rate some thousand times
    as high."""
    epochs: PositiveInt
    """A ceiling: early stopping ends training, and the best epoch is restored."""
    objective: ObjectiveName
    """What training makes small. ``mse`` (the paper): the squared error of one number. ``mae``: its absolute error.
    ``huber``: squared up to one standard deviation of the training stars, absolute beyond. ``distribution``: the cross
    entropy of five probabilities, one a star, whose mean is the rating."""
    head: HeadName
    """How tokens are weighed. ``attention`` (the paper): by an attention layer. ``mean``: all the same. ``cls``: all on
    the one token in which the backbone gathers what it read, so that no words are shown."""
    head_learning_rate: PositiveFloat
    """Peak learning rate of the head, whose weights start at random."""
    schedule: Schedule
    """What the learning rate does after the warm-up: nothing, or fall to 0 at the last of ``epochs``; lower ``epochs``
    with it, since early stopping comes long before 50."""
    warmup_steps: Annotated[int, Field(ge=0)]
    """Optimizer steps over which the learning rate rises from 0 to its peak."""
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    """Learning rate of a layer of the backbone as a share of that of the layer above it; 1 gives all the same. An
    adapter learns at one rate in all layers."""
    frozen_layers: Annotated[int, Field(ge=0)]
    """Lowest layers that stay as they are, and the embeddings with them; 0 trains everything. With an adapter every
    layer does, and it changes nothing."""
    weight_decay: NonNegativeFloat
    """Not applied to norms and biases."""
    max_gradient_norm: PositiveFloat
    """Longer gradients are scaled down to this length."""
    micro_batch_size: PositiveInt | None
    """Reviews of a batch that are in memory together; null takes all. Their gradients are added up to those of the
    batch, so that it changes memory and speed, and the result by rounding alone; but dropout and FreeLB draw for each
    part. With ``mixup`` their partners are in memory too."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    """Share of activations dropped in training; null keeps the checkpoint's own."""
    masked_words: Annotated[float, Field(ge=0, le=0.5)]
    """Share of the words hidden from the model in training, on average; each review draws its own, from 0 to twice
    that. Explanations that hide words then show the model nothing new."""
    mixup: NonNegativeFloat
    """Mixes pairs of reviews, embeddings and stars alike, in shares drawn from Beta(mixup, mixup); 0 mixes none. Behind
    the end of the shorter review the longer one is mixed with zeros."""
    adversary: AdversaryParams
    """Training against shifted embeddings."""
    teacher: TeacherParams
    """Learning from another model."""
    adapter: AdapterParams
    """Training a small part beside the backbone's own weights, which stay as they are."""
    average_decay: Annotated[float, Field(ge=0, lt=1)]
    """Decay a step of the running average of the weights that is validated and kept; 0 keeps the last weights."""
    patience: PositiveInt
    """Epochs without a lower validation error before training stops."""
    seeds: PositiveInt
    """Models trained, from seeds that follow one another; their mean is the model that is kept."""
    launcher: Annotated[str, Field(min_length=1)]
    """What starts the stage: python, or ``torchrun --nproc-per-node 2``, or ``accelerate launch``."""
    max_train_reviews: PositiveInt
    """Training reviews used; the same ones for every model, chosen by a stable hash."""
    max_validation_reviews: PositiveInt
    """Validation reviews used after every epoch."""
    max_calibration_reviews: Annotated[int, Field(ge=200)]
    """Validation reviews that the intervals are measured on when training has ended: those that follow the ones used
    after every epoch. Where fewer than 200 follow, those that chose the epoch are used once more, and the report says
    so (``calibration_reviews_chose_the_epoch``)."""
    interval_coverage: Annotated[float, Field(gt=0, lt=1)]
    """Share of the intervals around predictions that shall hold the reviewer's stars."""


class EvaluateParams(Section):
    """Measuring on the test split."""

    max_test_reviews: PositiveInt
    """Test reviews measured on; the same ones for every model, chosen by a stable hash."""
    bootstrap_draws: Annotated[int, Field(ge=100)]
    """Resamples of reviewers behind each 95 % interval."""
    ridge_alphas: Annotated[list[PositiveFloat], Field(min_length=1)]
    """Strengths tried for the TF-IDF + ridge baseline; the best on the validation split is kept."""
    frozen_alphas: Annotated[list[PositiveFloat], Field(min_length=1)]
    """The same for ridge on the states of the backbone as it was before fine-tuning."""
    max_frozen_reviews: PositiveInt
    """Most training reviews that this ridge learns from, the first of the model's own: the backbone reads each of them
    once more."""
    folds: Annotated[int, Field(ge=0, le=20)]
    """Cross-validation: the model is fine-tuned anew this many times, 2 to 20, each time without one part of the
    reviews of all splits, which it then rates. No reviewer and no duplicate cluster is on both sides. 0 leaves it
    out."""
    fold_reviews: PositiveInt
    """Reviews that take part in it, all folds together, chosen by a stable hash. Ten folds learn from about nine times
    as many in all, in every epoch; ``finetune.max_train_reviews`` bounds a single fold."""
    folds_against: Annotated[str, Field(min_length=1)] | None
    """The MLflow run id of another model's cross-validation on the same folds, to compare with; null compares with
    TF-IDF + ridge alone. It needs ``folds``. Finished folds are kept, so that naming a run later trains nothing."""

    min_slice_reviews: Annotated[int, Field(ge=2)]
    """A slice of the test reviews with fewer is listed, but has no interval and is not judged. The page informs, where
    the gate refuses (``promote.min_slice_reviews``); hence it asks for fewer."""

    @model_validator(mode="after")
    def _folds_are_possible(self) -> "EvaluateParams":
        if self.folds == 1:
            raise ValueError("folds is 1; one fold leaves nothing to learn from: 0 leaves it out, 2 to 20 are possible")
        if self.folds_against and not self.folds:
            raise ValueError("folds_against names a run to compare with, but folds is 0; set folds as that run has it")
        return self


class ExplainParams(Section):
    """Words and their weights."""

    max_reviews: Annotated[int, Field(ge=2)]
    """Test reviews explained for the word tables."""
    min_word_reviews: Annotated[int, Field(ge=2)]
    """Fewest reviews a word must stand in to enter a table."""
    faithfulness_reviews: Annotated[int, Field(ge=2)]
    """Reviews whose named words are removed, to see whether the rating moves."""
    page_reviews: PositiveInt
    """Highlighted reviews on the page."""
    removal: RemovalName
    """How a word is taken from a review: ``delete`` cuts it out of the text, ``mask`` puts the mask token in place of
    its tokens, which is fair to a model that was fine-tuned with ``finetune.masked_words`` above 0."""
    shap_reviews: Annotated[int, Field(ge=2)]
    """How many of the ``faithfulness_reviews`` SHAP explains, the slowest of the methods."""
    shap_evaluations: Annotated[int, Field(ge=10)]
    """Shortened reviews that SHAP rates for each of them. Fewer than the square of its words are an approximation:
    where they run out, words side by side share alike."""
    probe_reviews: PositiveInt
    """Most test reviews in which a bias probe exchanges who is spoken of; each is rated twice."""


class PromoteParams(Section):
    """What a challenger must show to become champion (``starsight promote``)."""

    margin_stars: NonNegativeFloat
    """A challenger whose MAE is less than so many stars above the champion's, by the upper end of the 95 % interval, is
    as close; it is promoted if it is cheaper, too."""
    min_saving: Share
    """Share of the champion's seconds a review that a challenger must save to count as cheaper."""
    slice_margin_stars: NonNegativeFloat
    """A slice counts as worse where its MAE is more stars than this above the champion's, beyond chance."""
    min_slice_reviews: PositiveInt
    """Smaller slices are not judged. More than the page asks: here a slice can refuse a model, and the interval that it
    rests on is too narrow for few reviewers."""
    min_reviewers: Annotated[int, Field(ge=2)]
    """Fewest reviewers an interval may rest on, of the whole test split as of a slice; from fewer it comes out too
    narrow."""
