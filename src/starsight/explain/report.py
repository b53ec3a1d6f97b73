"""Explanations of a model: words, phrases, probes, the page, and the numbers that say how far to trust them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from starsight.errors import DataError
from starsight.explain.attribution.choice import choose_methods
from starsight.explain.attribution.gradients import share_by_gradients
from starsight.explain.attribution.layers import attention_by_layer
from starsight.explain.attribution.method import head_of
from starsight.explain.before import explain_before
from starsight.explain.faithfulness import faithfulness_table, measure_faithfulness
from starsight.explain.page import ATTENTION_BY_LAYER, Choice, choose_reviews, write_explanations_page
from starsight.explain.phrases import check_by_removal, phrase_statistics, telling_phrases
from starsight.explain.probes import probe_metrics, run_probes
from starsight.explain.removal import check_maskable
from starsight.explain.reviews import explain_reviews, largest_gap
from starsight.explain.tables import (
    without_attention,
    word_statistics,
    words_before_after,
    words_by_attention,
    words_by_group,
    words_lowering,
    words_raising,
)
from starsight.explain.trust import Trust
from starsight.explain.words import ExplainedReview, WordScores
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.params import HeadName, Params, RemovalName
from starsight.tables import replacing, write_csv

COLUMNS: Final = ["review_id", "user_id", "product_id", "stars", "category", "text_clean", "split"]
"""What is read of the clean reviews."""

FAITHFULNESS_DRAWS: Final = 2000
"""Resamples of reviews behind the intervals; more would change them by less than they are rounded to."""
BEFORE_REVIEWS: Final = 800
"""Most reviews that the network is asked about as it was before fine-tuning."""
GRADIENT_REVIEWS: Final = 300
"""Most reviews that are explained where each costs dozens of passes through the network: the ``cls`` head's."""
LAYER_REVIEWS: Final = 50
"""Reviews behind the means of a layer's heads."""


@dataclass(frozen=True)
class Explained:
    """What a model's words say."""

    reviews: list[ExplainedReview]
    choices: tuple[Choice, ...]
    tables: Mapping[str, pd.DataFrame]
    """By the names of their CSV files."""
    trust: Trust
    head: HeadName

    @property
    def report(self) -> dict[str, float]:
        """Flat numbers for ``reports/explain.json``."""
        return {
            "n_explained_reviews": len(self.reviews),
            "largest_gap_stars": largest_gap(self.reviews),
            "special_weight": float(np.mean([review.words.special_weight for review in self.reviews])),
            **{f"n_{name}": len(table) for name, table in self.tables.items()},
            **probe_metrics(self.tables["probes"]),
            **self.trust.report,
        }

    def write(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Write the tables and the page, replacing ``folder`` as a whole."""
        with replacing(folder) as partial_folder:
            for name, table in self.tables.items():
                write_csv(table, partial_folder / f"{name}.csv")
            write_explanations_page(
                partial_folder / "index.html",
                reviews=self.reviews,
                choices=self.choices,
                trust=self.trust,
                tables=self.tables,
                facts=facts,
                head=self.head,
            )


def explain_model(predictor: Predictor, test: pd.DataFrame, params: Params, layout: Layout) -> Explained:
    """Explain the ratings of test reviews, and measure how far the explanations are true.

    Args:
        predictor: The fine-tuned model.
        test: ``COLUMNS`` of all test reviews, in random order; the first ``explain.max_reviews`` are explained (no more
            than ``GRADIENT_REVIEWS`` with a ``cls`` head), the bias probes look for names among all.
        params: The settings.
        layout: Where pretrained weights are kept.

    Raises:
        DataError: fewer than two test reviews.
        ModelError: the pretrained weights cannot be had, or words are to be masked and nothing can stand for them.
    """
    settings = params.explain
    if len(test) < 2:
        raise DataError(f"{len(test)} test reviews are too few to explain a model by; raise clean.split.test_share.")
    if settings.removal == "mask":
        check_maskable(predictor)  # now, not after all reviews were explained
    head = head_of(predictor.regressor)
    explained = test.iloc[: min(settings.max_reviews, GRADIENT_REVIEWS) if head == "cls" else settings.max_reviews]
    reviews = explain_reviews(predictor, list(explained["text_clean"]), list(explained["stars"]))
    trust = _trust(predictor, reviews[: settings.faithfulness_reviews], list(explained["user_id"]), params)
    if head == "cls":
        reviews, _ = share_by_gradients(predictor, reviews)
    words = [review.words for review in reviews]
    # the ends of the scale would hide changes of ratings near them
    predict = partial(predictor.rate_clean_texts, cut=False)
    phrases = telling_phrases(phrase_statistics(reviews, settings.min_word_reviews, explained))
    tables = {
        **_word_tables(words, explained, settings.min_word_reviews, head),
        "phrases": check_by_removal(phrases, reviews, predict, params.seed),
        "probes": run_probes(test, predict, n_reviews=settings.probe_reviews, seed=params.seed),
        "faithfulness": trust.table,
    }
    if head == "attention":
        before = [review.words for review in explain_before(predictor, params, layout, reviews[:BEFORE_REVIEWS])]
        n = len(before)
        tables["words_before_after"] = words_before_after(
            before, words[:n], settings.min_word_reviews, explained.iloc[:n]
        )
    if "rollout" not in trust.left_out:
        tables[ATTENTION_BY_LAYER] = attention_by_layer(predictor, reviews[:LAYER_REVIEWS])
    return Explained(
        reviews=reviews,
        choices=choose_reviews(reviews, settings.page_reviews, params.seed),
        tables=tables,
        trust=trust,
        head=head,
    )


def _word_tables(
    words: Sequence[WordScores], test: pd.DataFrame, min_reviews: int, head: HeadName
) -> dict[str, pd.DataFrame]:
    statistics = word_statistics(words, min_reviews, test)
    tables = {
        "words_raising": words_raising(statistics),
        "words_lowering": words_lowering(statistics),
        "words_by_group": words_by_group(words, min_reviews, test),
    }
    if head == "attention":
        return {"words_by_attention": words_by_attention(statistics), **tables}
    return {name: without_attention(table) for name, table in tables.items()}


def _trust(
    predictor: Predictor, reviews: Sequence[ExplainedReview], reviewers: Sequence[str | None], params: Params
) -> Trust:
    settings = params.explain
    chosen = choose_methods(
        predictor,
        removal=settings.removal,
        shap_reviews=settings.shap_reviews,
        shap_evaluations=settings.shap_evaluations,
        seed=params.seed,
    )
    report = measure_faithfulness(
        predictor,
        reviews,
        chosen.methods,
        reviewers=reviewers[: len(reviews)],
        removal=settings.removal,
        draws=FAITHFULNESS_DRAWS,
        seed=params.seed,
    )
    removal = _how_removed(settings.removal, params.finetune.masked_words)
    return Trust(report, faithfulness_table(report), removal, chosen.left_out)


def _how_removed(removal: RemovalName, masked_words: float) -> str:
    if removal == "delete":
        return "Words were cut out of the text, which leaves sentences that nobody would write."
    known = f"hid {masked_words:.0%} of the words likewise" if masked_words else "hid none: it has never met such texts"
    return f"The mask token was put in place of the words; this model's fine-tuning {known}."
