"""The page of explanations: how far to trust them, highlighted reviews, and the word tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from starsight.explain.words import ExplainedReview, Floats, Ints
from starsight.intervals import Estimate
from starsight.metrics import Stars
from starsight.pages import signed, stars, write_page
from starsight.records import MAX_STARS, MIN_STARS

N_TABLE_WORDS = 25
"""Words shown of each table; the CSV files beside the page hold all."""
N_STRONGEST = 8
"""Words listed under each review."""
FULL_COLOUR_QUANTILE = 0.9
"""In each review the strongest word has the full colour, if it is at least as strong as this share of the words on the
page: the words of a long review stay apart, and a review in which nothing stands out stays pale."""


@dataclass(frozen=True)
class Choice:
    """Reviews shown together, and why these."""

    title: str
    indices: Ints
    """``(chosen,)``: into the reviews."""


@dataclass(frozen=True)
class Piece:
    """A stretch of text: a word with its colours, or what stands between two words."""

    text: str
    note: str = ""
    direction: str = ""
    """``up``, ``down``, or nothing for text between words."""
    contribution_opacity: float = 0.0
    attention_opacity: float = 0.0


def choose_reviews(stars_true: Stars, stars_pred: Stars, n_reviews: int, seed: int) -> tuple[Choice, ...]:
    """A third with the largest errors, a third with the smallest, and the rest drawn at random; none twice."""
    order = np.argsort(-np.abs(stars_pred - stars_true), kind="stable")
    n_reviews = min(n_reviews, len(order))
    n_third = n_reviews // 3
    worst, best, between = order[:n_third], order[len(order) - n_third :][::-1], order[n_third : len(order) - n_third]
    drawn = np.random.default_rng(seed).choice(between, n_reviews - 2 * n_third, replace=False)
    return (
        Choice("Furthest off", worst),
        Choice("A random sample", drawn),
        Choice("Closest", best),
    )


def faithfulness_sentence(faithfulness: Mapping[str, float], ranking: str, percent: int = 10) -> str:
    """What removing the words that ``ranking`` names does to the rating, beside removing random ones.

    Args:
        faithfulness: From ``measure_faithfulness``.
        ranking: ``attention`` or ``contribution``.
        percent: Share of the words removed, as in the names of the metrics.
    """
    named = Estimate.of(faithfulness, f"{ranking}_comprehensiveness_{percent}")
    random = Estimate.of(faithfulness, f"random_comprehensiveness_{percent}")
    who = {"attention": "have the most attention", "contribution": "contribute most"}[ranking]
    sentence = (
        f"Removing the {percent} per cent of words that {who} moves the rating by {_with_interval(named)}; "
        f"as many random words move it by {_with_interval(random)}"
    )
    if beats_random(faithfulness, ranking, percent):
        return f"{sentence}."
    return f"{sentence}. Chance alone may explain the difference: do not take these words for the reason of the rating."


def beats_random(faithfulness: Mapping[str, float], ranking: str, percent: int = 10) -> bool:
    """Whether the words that ``ranking`` names move the rating further than random ones, beyond chance."""
    return Estimate.of(faithfulness, f"{ranking}_minus_random_comprehensiveness_{percent}").sign > 0


def colour_pieces(review: ExplainedReview, full_contribution: float, full_weight: float) -> list[Piece]:
    """Cut the text into words, with the strength of their colours from 0 to 1, and the stretches between them.

    Args:
        review: The review.
        full_contribution: Least contribution, in stars and without sign, that is shown in full colour.
        full_weight: Least relative weight that is shown in full colour.
    """
    words = review.words
    pieces, shown_to = [], 0
    relative_weights = words.relative_weights
    full_contribution = max(full_contribution, float(np.abs(words.contributions).max(initial=0.0)))
    full_weight = max(full_weight, float(relative_weights.max(initial=0.0)))
    for i, word in enumerate(words.words):
        if words.starts[i] > shown_to:
            pieces.append(Piece(review.text[shown_to : words.starts[i]]))
        contribution = float(words.contributions[i])
        pieces.append(
            Piece(
                text=word,
                note=f"{signed(contribution)} stars, attention {words.weights[i]:.1%}"
                if words.was_read[i]
                else "not read: beyond the longest input",
                direction="up" if contribution >= 0 else "down",
                contribution_opacity=_strength(abs(contribution), full_contribution),
                attention_opacity=_strength(float(relative_weights[i]), full_weight),
            )
        )
        shown_to = int(words.ends[i])
    if shown_to < len(review.text):
        pieces.append(Piece(review.text[shown_to:]))
    return pieces


def write_explanations_page(
    path: Path,
    *,
    reviews: Sequence[ExplainedReview],
    choices: Sequence[Choice],
    faithfulness: Mapping[str, float],
    tables: Mapping[str, pd.DataFrame],
    facts: Mapping[str, str],
) -> None:
    """Write the explanations as one self-contained page.

    Args:
        path: The HTML file.
        reviews: The reviews that ``choices`` points into.
        choices: From ``choose_reviews``.
        faithfulness: From ``measure_faithfulness``.
        tables: ``words_by_attention``, ``words_raising`` and ``words_lowering``, by these names.
        facts: What was explained, such as the model and the dataset, shown as given.
    """
    shown = [reviews[i] for choice in choices for i in choice.indices]
    full_contribution = _full_colour([np.abs(review.words.contributions) for review in shown])
    full_weight = _full_colour([review.words.relative_weights for review in shown])
    write_page(
        "explanations.html",
        path,
        claims=[
            {"text": faithfulness_sentence(faithfulness, ranking), "holds": beats_random(faithfulness, ranking)}
            for ranking in ("attention", "contribution")
        ],
        n_faithfulness_reviews=faithfulness["n_faithfulness_reviews"],
        groups=[
            {
                "title": choice.title,
                "reviews": [_card(reviews[i], full_contribution, full_weight) for i in choice.indices],
            }
            for choice in choices
        ],
        tables={name: table.head(N_TABLE_WORDS).to_dict("records") for name, table in tables.items()},
        sizes={name: len(table) for name, table in tables.items()},
        facts=facts,
        min_stars=MIN_STARS,
        max_stars=MAX_STARS,
    )


def _card(review: ExplainedReview, full_contribution: float, full_weight: float) -> dict[str, object]:
    """What the template shows of one review."""
    words = review.words
    strongest = np.argsort(-np.abs(words.contributions), kind="stable")[:N_STRONGEST]
    unclipped = review.base_stars + float(words.contributions.sum()) + words.special_contribution
    return {
        "review": review,
        "pieces": colour_pieces(review, full_contribution, full_weight),
        "word_sum": float(words.contributions.sum()),
        "unclipped": unclipped,
        "clipped": not MIN_STARS <= unclipped <= MAX_STARS,
        "strongest": [(words.words[i], words.contributions[i], words.weights[i]) for i in strongest],
    }


def _strength(value: float, full: float) -> float:
    return round(min(1.0, value / full), 2)


def _full_colour(values: Sequence[Floats]) -> float:
    """The value shown in full colour; above 0, so that a page of zeros is a white page."""
    joined = np.concatenate([*values, np.zeros(1)])
    return max(float(np.quantile(joined, FULL_COLOUR_QUANTILE)), 1e-6)


def _with_interval(value: Estimate) -> str:
    return f"{stars(value.value, 2)} stars (95 % interval {stars(value.low, 2)} to {stars(value.high, 2)})"
