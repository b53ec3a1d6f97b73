"""Trainings of seconds: a two-layer network, made-up reviews, the repository's own settings made faster."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from miniature import CPU, REPOSITORY, make_reviews, tiny_regressor, tiny_tokenizer
from transformers import PreTrainedTokenizerFast

from starsight.model.batches import TokenizedReviews
from starsight.model.objective import make_objective
from starsight.model.regressor import StarRegressor
from starsight.model.target import StarScale
from starsight.model.tokens import mask_id, tokenize_texts
from starsight.params import FinetuneParams
from starsight.train.checkpoint import CheckpointFolder
from starsight.train.loop import Recorder, Training, finetune


class Recorded:
    """Remembers what a training reports."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.logged.append((step, metrics))


def finetune_params(**changes: Any) -> FinetuneParams:
    """The repository's settings for small networks, some of them changed."""
    settings = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["finetune"]
    faster = {
        "learning_rate": 1e-3,
        "batch_size": 8,
        "epochs": 3,
        "head_learning_rate": 1e-2,
        "warmup_steps": 2,
        "dropout": 0.1,
        "average_decay": 0.9,
        "patience": 3,
    }
    return FinetuneParams.model_validate(settings | faster | changes)


def tokenized(n: int, seed: int) -> tuple[PreTrainedTokenizerFast, TokenizedReviews]:
    """A tokenizer and ``n`` made-up reviews as it reads them."""
    reviews = make_reviews(n, seed)
    tokenizer = tiny_tokenizer("bert")
    tokens = tokenize_texts(tokenizer, reviews["text"].tolist(), 64)
    input_ids = [np.array(ids) for ids in tokens.input_ids]
    word_ids = [np.array(words, dtype=np.int32) for words in tokens.words]
    stars = reviews["stars"].to_numpy(dtype=np.float32)
    return tokenizer, TokenizedReviews(input_ids, stars, tokenizer.pad_token_id, word_ids)


def train(
    folder: Path, settings: FinetuneParams, recorder: Recorder | None = None, seed: int = 5, **options: Any
) -> tuple[StarRegressor, Training]:
    """Fine-tune a tiny BERT on 60 reviews."""
    tokenizer, reviews = tokenized(60, seed=1)
    _, validation = tokenized(30, seed=2)
    regressor = tiny_regressor("bert", tokenizer, seed)
    regressor.objective = make_objective(settings.objective, StarScale.fit(reviews.stars))
    torch.manual_seed(seed)
    training = finetune(
        regressor,
        reviews,
        validation,
        settings,
        seed=seed,
        compute=CPU,
        folder=CheckpointFolder(folder),
        recorder=recorder or Recorded(),
        mask_id=mask_id(tokenizer),
        **options,
    )
    return regressor, training


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two networks are the same, bit for bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(mine, yours) for mine, yours in pairs)
