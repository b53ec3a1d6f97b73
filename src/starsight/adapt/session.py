"""One adaptation from start to finish: training reviews in memory, a resumable training, the backbone."""

import math
from dataclasses import asdict
from pathlib import Path

import torch

from starsight.adapt.adaptation import Adaptation
from starsight.adapt.language_model import LanguageModel, log_frequencies
from starsight.adapt.loop import adapt
from starsight.adapt.tasks import choose_task
from starsight.errors import DataError
from starsight.layout import Layout
from starsight.model.batches import TokenizedReviews
from starsight.model.checkpoints import fetch_checkpoint, starts_from_scratch
from starsight.model.compute import choose_compute
from starsight.model.start import start_backbone
from starsight.model.tokens import TOKENIZER, load_tokenizer, read_tokens
from starsight.params import Params
from starsight.train.checkpoint import CheckpointFolder, shaping_settings, training_key

_OF_TRAIN = ("train/checkpoint.py", "train/schedule.py")
"""What adaptation borrows from fine-tuning."""


def adaptation_folder(params: Params, layout: Layout) -> CheckpointFolder:
    """Where this very adaptation keeps its state: another setting, review, weight or line of code is another folder."""
    settings = shaping_settings(params, adapt=params.adapt.model_dump())
    folders = [layout.tokens("train"), layout.processed / TOKENIZER]
    folders += [Path(__file__).parents[1] / part for part in ("model", "adapt", *_OF_TRAIN)]
    if not starts_from_scratch(params.model_row):
        folders.append(fetch_checkpoint(params.model, params.model_row, layout))
    return CheckpointFolder(layout.adaptation(training_key(settings, folders)))


def adapt_backbone(params: Params, layout: Layout, folder: CheckpointFolder) -> Adaptation:
    """Adapt the chosen backbone to the training reviews.

    Raises:
        DataError: there are too few reviews to hold any out.
        ModelError: see ``loop.adapt``; or the tokenizer has no mask token.
    """
    tokenizer = load_tokenizer(layout.processed / TOKENIZER, params.model_row.family)
    train, held_out = _reviews(params, layout, tokenizer.pad_token_id)
    torch.manual_seed(params.seed)  # the weights must not hang on what was drawn before
    backbone = start_backbone(params, layout, tokenizer)
    vocabulary = backbone.get_input_embeddings().weight.shape[0]
    task = choose_task(params.model_row.family, tokenizer, params.adapt.masked_share, vocabulary)
    compute = choose_compute()
    learning = adapt(
        LanguageModel(backbone, log_frequencies(train.input_ids, vocabulary)),
        task,
        train,
        held_out,
        params.adapt,
        seed=params.seed,
        compute=compute,
        folder=folder,
    )
    measurements = asdict(learning) | {
        "perplexity_before": math.exp(learning.loss_before),
        "perplexity_after": math.exp(learning.loss_after),
        "n_train_reviews": len(train),
        "n_held_out_reviews": len(held_out),
        "seconds": round(learning.seconds, 2),
        "device": str(compute.device),
        "precision": compute.precision,
    }
    return Adaptation(backbone.cpu(), measurements)


def _reviews(params: Params, layout: Layout, pad_id: int) -> tuple[TokenizedReviews, TokenizedReviews]:
    """Reviews to learn from and held-out ones, all of the training split. Those held out are the last: fine-tuning
    takes the first, so a small one still learns from reviews that the backbone has met."""
    tokens = read_tokens(layout.tokens("train"), params.adapt.max_reviews)
    n_held_out = max(1, round(params.adapt.held_out_share * len(tokens)))
    n_train = len(tokens) - n_held_out
    if n_train < 1:
        raise DataError(f"{layout.tokens('train')} has too few reviews to hold any out; set adapt.enabled to false.")
    train, held_out = tokens.select(range(n_train)), tokens.select(range(n_train, len(tokens)))
    return TokenizedReviews.from_dataset(train, pad_id), TokenizedReviews.from_dataset(held_out, pad_id)
