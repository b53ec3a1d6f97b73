"""Fine-tuning on a part of the reviews that is no split of its own: one fold of a cross-validation."""

from pathlib import Path

import numpy as np
import pandas as pd
from transformers import PreTrainedTokenizerFast

from starsight.layout import Layout
from starsight.model.batches import TokenizedReviews
from starsight.model.checkpoints import fetch_checkpoint, starts_from_scratch
from starsight.model.predictor import Predictor
from starsight.model.start import start_tokenizer
from starsight.model.tokens import tokenize_texts
from starsight.params import Params, TokenizeParams
from starsight.train.checkpoint import CheckpointFolder
from starsight.train.group import ALONE
from starsight.train.session import Silent, fit_predictor


def train_on(
    train: pd.DataFrame, validation: pd.DataFrame, params: Params, layout: Layout, folder: CheckpointFolder
) -> Predictor:
    """Fine-tune the chosen model as the settings say, but on these reviews. It rates clean texts.

    They are tokenized here, in memory: ``data/processed`` holds the splits, and a tokenizer that starts from scratch
    must not have read what it will be measured on.

    Args:
        train: Reviews to learn from: ``stars`` and ``text_clean``.
        validation: Reviews that choose the epoch.
        params: The settings; neither an adapted backbone nor a teacher, which have read other reviews.
        layout: Where pretrained weights are kept.
        folder: State of this training; what a kill left there is gone on with.

    Raises:
        ModelError: see ``finetune``.
    """
    tokenizer = start_tokenizer(params, layout, train.assign(split="train"))
    learnt = _tokenized(train, tokenizer, params.tokenize)
    choosing = _tokenized(validation, tokenizer, params.tokenize)
    finetuned = fit_predictor(
        params,
        layout,
        tokenizer,
        corrections={},
        train=learnt,
        validation=choosing,
        targets=learnt.stars,
        folder=folder,
        recorder=Silent(),
        group=ALONE,
    )
    return finetuned.predictor


def weights_and_code(params: Params, layout: Layout) -> list[Path]:
    """Files beside the reviews and the settings that shape what ``train_on`` comes to, for ``training_key``."""
    folders = [Path(__file__).parents[1] / part for part in ("model", "train")]
    if not starts_from_scratch(params.model_row):
        folders.append(fetch_checkpoint(params.model, params.model_row, layout))
    return folders


def _tokenized(reviews: pd.DataFrame, tokenizer: PreTrainedTokenizerFast, settings: TokenizeParams) -> TokenizedReviews:
    tokens = tokenize_texts(tokenizer, reviews["text_clean"].tolist(), settings.max_tokens, settings.cut)
    return TokenizedReviews(
        [np.array(ids, dtype=np.int64) for ids in tokens.input_ids],
        reviews["stars"].to_numpy(dtype=np.float32),
        tokenizer.pad_token_id,
        [np.array(words, dtype=np.int32) for words in tokens.words],
    )
