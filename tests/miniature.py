"""Tiny reviews, tokenizers and networks, all made in memory: no test needs the network or a GPU."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from transformers import PreTrainedTokenizerFast

from starsight.model.backbone import scratch_backbone
from starsight.model.compute import Compute
from starsight.model.families import FAMILIES
from starsight.model.head import make_head
from starsight.model.objective import make_objective
from starsight.model.regressor import StarRegressor
from starsight.model.target import StarScale
from starsight.model.tokens import train_tokenizer
from starsight.params import FamilyName, HeadName, IngestParams, ObjectiveName, ScratchSize

CPU = Compute(torch.device("cpu"), "fp32", "a test")
REPOSITORY = Path(__file__).resolve().parents[1]

GOOD = ["lovely", "perfect", "great", "flattering", "comfortable", "gorgeous", "delicious", "happy"]
BAD = ["cheap", "broken", "awful", "itchy", "stained", "stale", "returned", "disappointed"]
THINGS = ["dress", "coffee", "zipper", "fabric", "taste", "gown", "colour", "price", "box", "sleeve"]
FILLERS = ["I wore it to a wedding", "my sister bought one too", "it came on a Friday", "we ordered two of them"]


def make_review(stars: int, generator: random.Random) -> str:
    """A made-up review whose words say its stars: more good words, more stars."""
    n_good = stars - 1
    words = generator.sample(GOOD, n_good) + generator.sample(BAD, 4 - n_good)
    generator.shuffle(words)
    parts = [f"The {generator.choice(THINGS)} is {word}" for word in words] + [generator.choice(FILLERS)]
    return ". ".join(parts) + "."


def make_reviews(n: int, seed: int = 0) -> pd.DataFrame:
    """``n`` made-up reviews by n / 3 reviewers, in the columns of a source."""
    generator = random.Random(seed)
    stars = [generator.randint(1, 5) for _ in range(n)]
    return pd.DataFrame(
        {
            "text": [make_review(star, generator) for star in stars],
            "title": [f"Order number {i}" for i in range(n)],
            "stars": stars,
            "user": [f"u{generator.randrange(n // 3)}" for _ in range(n)],
            "item": [f"p{generator.randrange(20)}" for _ in range(n)],
            "date": [f"2020-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)],
        }
    )


def tiny_tokenizer(family: FamilyName, texts: Sequence[str] | None = None) -> PreTrainedTokenizerFast:
    """A tokenizer of the family's kind, trained on made-up reviews."""
    return train_tokenizer(list(texts or make_reviews(60)["text"]), family, vocabulary=600)


def tiny_regressor(
    family: FamilyName,
    tokenizer: PreTrainedTokenizerFast,
    seed: int = 0,
    head: HeadName = "attention",
    objective: ObjectiveName = "mse",
) -> StarRegressor:
    """Two layers, 32 wide, random weights."""
    torch.manual_seed(seed)
    size = ScratchSize(layers=2, width=32, heads=2, vocabulary=600)
    backbone = scratch_backbone(family, size, len(tokenizer), tokenizer.pad_token_id, max_tokens=64)
    aim = make_objective(objective, StarScale(mean=3.0, spread=1.5))
    top = make_head(head, 32, aim.n_outputs, FAMILIES[family].summary_token)
    return StarRegressor(backbone, top, aim, family).eval()


def limits(max_rejected_share: float = 0.0, max_characters: int = 50_000) -> IngestParams:
    """What a source may be like: by default, no record of it may be rejected."""
    return IngestParams(max_rejected_share=max_rejected_share, max_characters=max_characters, max_expansion=200)


def tiny_params(checkpoint: Path | str, source: Path | str) -> dict[str, Any]:
    """The repository's own params.yaml, cut down to a run of seconds."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["dataset"], params["model"] = "tiny", "tiny"
    columns = {
        "text": "text",
        "summary": "title",
        "rating": {"column": "stars", "scale": [1, 5]},
        "user_id": "user",
        "product_id": "item",
        "time": {"column": "date", "format": "%Y-%m-%d"},
    }
    params["datasets"]["tiny"] = {"format": "csv", "source": str(source), "columns": columns}
    params["models"]["tiny"] = {"family": "bert", "checkpoint": str(checkpoint)}
    params["clean"]["split"] |= {"validation_share": 0.2, "test_share": 0.2}
    params["validate"] |= {"min_reviews": 20, "min_split_reviews": 5}
    params["adapt"] |= {"max_reviews": 60, "learning_rate": 1.0e-3, "head_learning_rate": 1.0e-2}
    params["finetune"] |= {
        "max_train_reviews": 40,
        "epochs": 2,
        "learning_rate": 1.0e-3,
        "head_learning_rate": 1.0e-2,
        "warmup_steps": 2,
    }
    params["evaluate"] |= {"bootstrap_draws": 200, "ridge_alphas": [1.0]}
    params["explain"] |= {
        "min_word_reviews": 2,
        "faithfulness_reviews": 10,
        "page_reviews": 6,
        "shap_reviews": 2,
        "shap_evaluations": 20,
    }
    return params
