"""The network before its first training step: pretrained weights, or random ones where that was asked for."""

import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from starsight.errors import ModelError
from starsight.layout import Layout
from starsight.model.backbone import input_limit, load_backbone, scratch_backbone, vocabulary_size
from starsight.model.checkpoints import fetch_checkpoint, starts_from_scratch
from starsight.model.families import FAMILIES
from starsight.model.head import make_head
from starsight.model.objective import make_objective
from starsight.model.regressor import StarRegressor
from starsight.model.target import StarScale
from starsight.model.tokens import load_tokenizer, train_tokenizer
from starsight.params import Params


def start_tokenizer(params: Params, layout: Layout, reviews: pd.DataFrame) -> PreTrainedTokenizerFast:
    """The tokenizer of the chosen checkpoint; where it starts from scratch, one trained on the training reviews.

    Args:
        params: The settings.
        layout: Where weights are kept.
        reviews: ``text_clean`` and ``split``.

    Raises:
        ModelError: the weights cannot be had, ``tokenize.max_tokens`` is more than the model reads, or the tokenizer
            is not the model's.
    """
    row = params.model_row
    if starts_from_scratch(row):
        texts = reviews.loc[reviews["split"] == "train", "text_clean"]
        return train_tokenizer(texts.tolist(), row.family, row.scratch.vocabulary)
    checkpoint = fetch_checkpoint(params.model, row, layout)
    tokenizer = load_tokenizer(checkpoint, row.family)
    n_rows = vocabulary_size(checkpoint, row.family)
    if len(tokenizer) > n_rows:
        raise ModelError(
            f"{checkpoint}: the tokenizer has {len(tokenizer)} tokens and the model embeddings of {n_rows}; take the "
            "tokenizer that the model was published with."
        )
    limit = min(tokenizer.model_max_length, input_limit(checkpoint, row.family))
    if params.tokenize.max_tokens > limit:
        raise ModelError(f"tokenize.max_tokens is {params.tokenize.max_tokens}; {params.model} reads {limit} at most.")
    return tokenizer


def start_regressor(
    params: Params, layout: Layout, tokenizer: PreTrainedTokenizerFast, scale: StarScale
) -> StarRegressor:
    """The chosen backbone, adapted where ``adapt.enabled``, under a head of random weights. Random weights are drawn
    from torch's generator: seed it first.

    Raises:
        ModelError: the weights cannot be had.
    """
    family = params.model_row.family
    objective = make_objective(params.finetune.objective, scale)
    backbone = _adapted_backbone(params, layout) if params.adapt.enabled else start_backbone(params, layout, tokenizer)
    head = make_head(
        params.finetune.head, backbone.config.hidden_size, objective.n_outputs, FAMILIES[family].summary_token
    )
    objective.start(head.output)
    return StarRegressor(backbone, head, objective, family)


def start_backbone(params: Params, layout: Layout, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """The chosen checkpoint's backbone, or one of random weights from torch's generator; never an adapted one."""
    row = params.model_row
    if starts_from_scratch(row):
        return scratch_backbone(
            row.family, row.scratch, len(tokenizer), tokenizer.pad_token_id, params.tokenize.max_tokens
        )
    return load_backbone(fetch_checkpoint(params.model, row, layout), row.family)


def _adapted_backbone(params: Params, layout: Layout) -> PreTrainedModel:
    if not layout.adapted_backbone.is_dir():
        raise ModelError(f"{layout.adapted_backbone} is missing, and adapt.enabled is true; run dvc repro adapt.")
    return load_backbone(layout.adapted_backbone, params.model_row.family)
