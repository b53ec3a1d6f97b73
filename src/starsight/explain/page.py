"""The pages of explanations: how far to trust them, highlighted reviews, and what words do across reviews."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from starsight.explain.cards import Card, FullColour, make_card
from starsight.explain.page_tables import N_TABLE_ROWS, PageTable, heat_maps, page_table
from starsight.explain.probes import summarise_probes
from starsight.explain.single import METHODS, Explanation
from starsight.explain.trust import Trust
from starsight.explain.words import ExplainedReview, Ints
from starsight.pages import interval, write_page
from starsight.params import HeadName
from starsight.records import MAX_STARS, MIN_STARS

N_TABLE_WORDS = 25
"""Words shown of each of the three tables of words; the CSV files beside the page hold all."""

WORD_COLUMNS = (
    "word",
    "n_reviews",
    "contribution",
    "relative_weight",
    "n_reviewers",
    "largest_product_share",
    "rests_on_few",
)
"""Shown of the three tables of words, where they are there."""

WORD_TABLES = {
    "words_raising": "Raise the rating",
    "words_lowering": "Lower the rating",
    "words_by_attention": "Draw the most attention",
}

SECTIONS = {
    "words_by_group": (
        "Words by stars and by category",
        "The same means apart for the reviewers’ stars, and for categories of products where these are known: a word "
        "may raise a poor review and do nothing in a good one.",
    ),
    "words_before_after": (
        "Before and after fine-tuning",
        "What the words drew before the model had seen a rating, with the pretrained network under a head of random "
        "weights, and what they draw now.",
    ),
    "phrases": (
        "Phrases that say more than their words",
        "Two neighbouring words whose joint contribution differs from what the same words contribute elsewhere, beyond "
        "chance and after correction for the many pairs that were tried.",
    ),
    "probes": (
        "What a name or a group changes",
        "In reviews a name, a pronoun or a group was swapped for another, and nothing else. Stars are after the swap "
        "minus before: a fair model stays at 0.",
    ),
}
"""Heading and introduction of the tables that are shown where they are given, by their names."""

N_SHOWN_GROUP_WORDS = 5
"""Words shown of each ranking of a group."""

ATTENTION_BY_LAYER = "attention_by_layer"
"""Name of the table that is drawn as a map of layers and heads."""


@dataclass(frozen=True)
class Choice:
    """Reviews shown together, and why these."""

    title: str
    indices: Ints
    """``(chosen,)``: into the reviews."""


def choose_reviews(reviews: Sequence[ExplainedReview], n_reviews: int, seed: int) -> tuple[Choice, ...]:
    """A quarter each: largest errors, strongest words on both sides, drawn at random, smallest errors; none twice.

    Words on both sides: of the words that raise and those that lower, the weaker side moves the rating most.
    """
    n_reviews = min(n_reviews, len(reviews))
    n_each = n_reviews // 4
    errors = np.array([abs(review.stars_pred - review.stars_true) for review in reviews])
    torn = np.array([_weaker_side(review) for review in reviews])
    by_error = np.argsort(-errors, kind="stable")
    worst, best = by_error[:n_each], by_error[len(by_error) - n_each :][::-1]
    between = by_error[n_each : len(by_error) - n_each]
    torn_most = between[np.argsort(-torn[between], kind="stable")][:n_each]
    others = np.setdiff1d(between, torn_most)
    drawn = np.random.default_rng(seed).choice(others, n_reviews - 3 * n_each, replace=False)
    return (
        Choice("Furthest off", worst),
        Choice("Torn: strong words on both sides", torn_most),
        Choice("A random sample", drawn),
        Choice("Closest", best),
    )


def _weaker_side(review: ExplainedReview) -> float:
    contributions = review.words.contributions
    return float(min(contributions.clip(min=0).sum(), -contributions.clip(max=0).sum()))


def write_explanations_page(
    path: Path,
    *,
    reviews: Sequence[ExplainedReview],
    choices: Sequence[Choice],
    trust: Trust,
    tables: Mapping[str, pd.DataFrame],
    facts: Mapping[str, str],
    head: HeadName = "attention",
) -> None:
    """Write the explanations as one self-contained page.

    Args:
        path: The HTML file.
        reviews: The reviews that ``choices`` points into.
        choices: From ``choose_reviews``.
        trust: How far they were tested.
        tables: Those of ``WORD_TABLES``; those of ``SECTIONS`` and ``ATTENTION_BY_LAYER`` where there are such. Others
            are not shown.
        facts: What was explained, such as the model and the dataset, shown as given.
        head: Of the model: only ``attention`` has attention to show.
    """
    full = FullColour.of([reviews[i] for choice in choices for i in choice.indices])
    shows_weights = head == "attention"
    groups = [
        {
            "title": choice.title,
            "cards": [make_card(reviews[i], full, shows_weights=shows_weights) for i in choice.indices],
        }
        for choice in choices
    ]
    columns = [name for name in WORD_COLUMNS if shows_weights or name != "relative_weight"]
    write_page(
        "explanations.html",
        path,
        trust=trust,
        trust_table=trust.page_table,
        n_tested=trust.report["n_faithfulness_reviews"],
        groups=groups,
        n_cards=sum(len(choice.indices) for choice in choices),
        word_tables=[
            page_table(tables[name], caption, N_TABLE_WORDS, columns)
            for name, caption in WORD_TABLES.items()
            if shows_weights or name != "words_by_attention"
        ],
        sections=[
            {
                "title": title,
                "introduction": introduction,
                "found": summarise_probes(tables[name]) if name == "probes" else "",
                "tables": _section_tables(tables[name]),
            }
            for name, (title, introduction) in SECTIONS.items()
            if name in tables and len(tables[name])
        ],
        maps=heat_maps(tables[ATTENTION_BY_LAYER]) if ATTENTION_BY_LAYER in tables else [],
        facts=facts,
        head=head,
        **_SCALE,
    )


def write_explanation_page(path: Path, explanation: Explanation, facts: Mapping[str, str]) -> None:
    """Write the explanation of one text as a self-contained page.

    Args:
        path: The HTML file.
        explanation: From ``explain_texts``.
        facts: Which model explains, shown as given.
    """
    write_page(
        "explanation.html",
        path,
        card=single_card(explanation),
        how=METHODS[explanation.method],
        delta=explanation.convergence_delta,
        head=explanation.head,
        facts=facts,
        **_SCALE,
    )


def single_card(explanation: Explanation) -> Card:
    """The card of a text whose true stars nobody told."""
    found = ""
    if explanation.stars_low is not None and explanation.stars_high is not None and explanation.coverage is not None:
        ends = interval(explanation.stars_low, explanation.stars_high, 1)
        found = f"{explanation.coverage:.0%} interval {ends}"
    full = FullColour.of([explanation.review])
    return make_card(explanation.review, full, shows_weights=explanation.head == "attention", interval=found)


_SCALE = {"min_stars": MIN_STARS, "max_stars": MAX_STARS}


def _section_tables(table: pd.DataFrame) -> list[PageTable]:
    """One table, or one for each ``group`` where there is such a column; the strongest words of each ``ranking``."""
    if "rank" in table.columns:
        table = table[table["rank"] <= N_SHOWN_GROUP_WORDS].drop(columns="rank")
    if "group" not in table.columns:
        return [page_table(table, "", N_TABLE_ROWS)]
    columns = ["value", "ranking", *WORD_COLUMNS]
    return [
        page_table(rows, f"By {group}", N_TABLE_ROWS, columns if "word" in rows else None)
        for group, rows in table.groupby("group", sort=False)
    ]
