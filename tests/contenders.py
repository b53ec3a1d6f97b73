"""A registry with models whose quality is known: each answers about the same number of stars whatever the text, and
the nearer that is to 3, the better."""

import mlflow
import numpy as np
from miniature import CPU, make_reviews, tiny_regressor, tiny_tokenizer

from starsight.layout import Layout
from starsight.model.objective import make_objective
from starsight.model.predictor import Predictor
from starsight.model.target import StarScale
from starsight.records import CLEAN_SCHEMA
from starsight.tables import write_table

MEDIOCRE, BETTER, WORSE, LUCKY, GONE, ELSEWHERE = "123456"
"""Numbers of the versions; the first is champion."""
ANSWERS = {
    MEDIOCRE: (3.6, 0.01, 0),
    BETTER: (3.0, 0.3, 0),
    WORSE: (4.2, 0.01, 0),
    LUCKY: (3.0, 0.3, 1),  # no better than BETTER, but for these very reviews
    GONE: (3.0, 0.01, 0),
    ELSEWHERE: (3.0, 0.01, 0),
}
"""Mean and spread of the stars that each one gives, and the seed of its network."""


def planted(number: str) -> Predictor:
    """The model of a version."""
    mean, spread, seed = ANSWERS[number]
    tokenizer = tiny_tokenizer("bert")
    regressor = tiny_regressor("bert", tokenizer, seed)
    regressor.objective = make_objective("mse", StarScale(mean=mean, spread=spread))
    return Predictor(regressor, tokenizer, {}, 64, CPU)


def write_reviews(layout: Layout) -> None:
    """240 test reviews by 80 people, most of them of 3 stars; the rest of the splits is not read."""
    reviews = make_reviews(240)
    stars = np.random.default_rng(0).choice([1, 2, 3, 4, 5], p=[0.05, 0.15, 0.6, 0.15, 0.05], size=len(reviews))
    table = reviews.rename(columns={"user": "user_id", "item": "product_id"}).assign(
        review_id=[f"r{i}" for i in range(len(reviews))],
        stars=stars.astype(np.float32),
        time=None,
        summary=None,
        helpful_votes=0,
        total_votes=0,
        verified=True,
        category=None,
        source="made up",
        text_clean=reviews["text"],
        spelling_corrected=False,
        cluster=[f"c{i}" for i in range(len(reviews))],
        split="test",
    )
    write_table(table[CLEAN_SCHEMA.names], layout.clean, CLEAN_SCHEMA)


def champion() -> str | None:
    """The version that has the alias."""
    number = mlflow.MlflowClient().get_registered_model("starsight").aliases.get("champion")
    return number and str(number)


def set_champion(number: str) -> None:
    """Move the alias without starsight."""
    mlflow.MlflowClient().set_registered_model_alias("starsight", "champion", number)


def version_tags(number: str) -> dict[str, str]:
    return mlflow.MlflowClient().get_model_version("starsight", number).tags
