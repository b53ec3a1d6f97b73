"""Explanations of a model: word tables, a page, and the numbers that say how far to trust them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from starsight.explain.faithfulness import measure_faithfulness
from starsight.explain.page import Choice, choose_reviews, write_explanations_page
from starsight.explain.reviews import explain_reviews, largest_gap
from starsight.explain.tables import word_statistics, words_by_attention, words_lowering, words_raising
from starsight.explain.words import ExplainedReview
from starsight.model.predictor import Predictor
from starsight.params import ExplainParams
from starsight.tables import replacing, write_csv

FAITHFULNESS_DRAWS = 2000
"""Resamples of reviews behind the intervals; more would change them by less than they are rounded to."""


@dataclass(frozen=True)
class Explained:
    """What a model's words say."""

    reviews: list[ExplainedReview]
    choices: tuple[Choice, ...]
    tables: Mapping[str, pd.DataFrame]
    """``words_by_attention``, ``words_raising`` and ``words_lowering``."""
    faithfulness: Mapping[str, float]

    @property
    def report(self) -> dict[str, float]:
        """Flat numbers for ``reports/explain.json``."""
        return {
            "n_explained_reviews": len(self.reviews),
            "largest_gap_stars": largest_gap(self.reviews),
            "special_weight": float(np.mean([review.words.special_weight for review in self.reviews])),
            **{f"n_{name}": len(table) for name, table in self.tables.items()},
            **self.faithfulness,
        }

    def write(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Write the tables and the page, replacing ``folder`` as a whole."""
        with replacing(folder) as partial:
            for name, table in self.tables.items():
                write_csv(table, partial / f"{name}.csv")
            write_explanations_page(
                partial / "index.html",
                reviews=self.reviews,
                choices=self.choices,
                faithfulness=self.faithfulness,
                tables=self.tables,
                facts=facts,
            )


def explain_model(predictor: Predictor, test: pd.DataFrame, params: ExplainParams, seed: int) -> Explained:
    """Explain the ratings of test reviews.

    Args:
        predictor: The fine-tuned model.
        test: ``text_clean`` and ``stars`` of the reviews, in random order.
        params: Sizes and limits.
        seed: Of the random ranking and of the resamples.
    """
    reviews = explain_reviews(predictor, list(test["text_clean"]), list(test["stars"]))
    words = [review.words for review in reviews]
    statistics = word_statistics(words, params.min_word_reviews)
    n_removed = params.faithfulness_reviews
    return Explained(
        reviews=reviews,
        choices=choose_reviews(
            np.array([review.stars_true for review in reviews]),
            np.array([review.stars_pred for review in reviews]),
            params.page_reviews,
            seed,
        ),
        tables={
            "words_by_attention": words_by_attention(statistics),
            "words_raising": words_raising(statistics),
            "words_lowering": words_lowering(statistics),
        },
        faithfulness=measure_faithfulness(
            [review.text for review in reviews[:n_removed]],
            words[:n_removed],
            predictor.rate_clean_texts,
            seed=seed,
            draws=FAITHFULNESS_DRAWS,
        ),
    )
