"""The network before its first training step: pretrained weights, or random ones where that was asked for."""

import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from starsight.errors import ModelError
from starsight.layout import Layout
from starsight.model.backbone import input_limit, load_backbone, scratch_backbone
from starsight.model.checkpoints import fetch_checkpoint, starts_from_scratch
from starsight.model.head import AttentionHead
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
        ModelError: the weights cannot be had, or ``tokenize.max_tokens`` is more than the model reads.
    """
    row = params.model_row
    if starts_from_scratch(row):
        texts = reviews.loc[reviews["split"] == "train", "text_clean"]
        return train_tokenizer(texts.tolist(), row.family, row.scratch.vocabulary)
    checkpoint = fetch_checkpoint(params.model, row, layout)
    tokenizer = load_tokenizer(checkpoint)
    limit = min(tokenizer.model_max_length, input_limit(checkpoint, row.family))
    if params.tokenize.max_tokens > limit:
        raise ModelError(f"tokenize.max_tokens is {params.tokenize.max_tokens}; {params.model} reads {limit} at most.")
    return tokenizer


def start_regressor(
    params: Params, layout: Layout, tokenizer: PreTrainedTokenizerFast, scale: StarScale
) -> StarRegressor:
    """The chosen backbone under a head of random weights, both drawn from torch's generator: seed it first."""
    backbone = _start_backbone(params, layout, tokenizer)
    return StarRegressor(backbone, AttentionHead(backbone.config.hidden_size), scale, params.model_row.family)


def _start_backbone(params: Params, layout: Layout, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    row = params.model_row
    if starts_from_scratch(row):
        return scratch_backbone(
            row.family, row.scratch, len(tokenizer), tokenizer.pad_token_id, params.tokenize.max_tokens
        )
    return load_backbone(fetch_checkpoint(params.model, row, layout), row.family)
