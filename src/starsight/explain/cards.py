"""A review as the pages show it: its text in coloured pieces, and the sum behind its stars."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from starsight.explain.words import ExplainedReview, Floats
from starsight.pages import signed
from starsight.records import MAX_STARS, MIN_STARS

N_STRONGEST = 8
"""Words listed under each review."""
FULL_COLOUR_QUANTILE = 0.9
"""In each review the strongest word has the full colour, if it is at least as strong as this share of the words on the
page: the words of a long review stay apart, and a review in which nothing stands out stays pale."""


NOT_READ: Final = "read: beyond the longest input, or nothing that the tokenizer knows"
"""Why words do not count."""


@dataclass(frozen=True)
class Piece:
    """A stretch of text: a word with its colours, what stands between two words, or what was not read."""

    text: str
    note: str = ""
    direction: str = ""
    """``up``, ``down``, ``unread``, or nothing for text between words."""
    contribution_opacity: float = 0.0
    attention_opacity: float = 0.0


@dataclass(frozen=True)
class FullColour:
    """Least values that are shown in full colour; above 0, so that a page of zeros is a white page."""

    contribution: float
    """In stars, without sign."""
    relative_weight: float

    @classmethod
    def of(cls, reviews: Sequence[ExplainedReview]) -> "FullColour":
        """For the reviews of one page."""
        return cls(
            _quantile([np.abs(review.words.contributions) for review in reviews]),
            _quantile([review.words.relative_weights for review in reviews]),
        )


@dataclass(frozen=True)
class Card:
    """What the template shows of one review."""

    review: ExplainedReview
    pieces: list[Piece]
    word_sum: float
    """Of the words' contributions, in stars."""
    unheld: float
    """The rating before it is held between 1 and 5."""
    strongest: list[tuple[str, float, float]]
    """Word, contribution and weight, by falling contribution without sign."""
    shows_weights: bool
    interval: str = ""
    """Around the stars, in words; empty where it is not shown."""

    @property
    def is_held(self) -> bool:
        """Whether the stars shown are not the sum."""
        return not MIN_STARS <= self.unheld <= MAX_STARS

    @property
    def is_rated(self) -> bool:
        """Whether the reviewer's own stars are known."""
        return not np.isnan(self.review.stars_true)


def make_card(review: ExplainedReview, full: FullColour, *, shows_weights: bool = True, interval: str = "") -> Card:
    """Lay out a review.

    Args:
        review: The review.
        full: What is shown in full colour.
        shows_weights: Whether the weights are attention; other heads have none to show.
        interval: Around the stars, in words.
    """
    words = review.words
    strongest = np.argsort(-np.abs(words.contributions), kind="stable")[:N_STRONGEST]
    word_sum = float(words.contributions.sum())
    return Card(
        review=review,
        pieces=colour_pieces(review, full, shows_weights=shows_weights),
        word_sum=word_sum,
        unheld=review.base_stars + word_sum + words.special_contribution,
        strongest=[(words.words[i], float(words.contributions[i]), float(words.weights[i])) for i in strongest],
        shows_weights=shows_weights,
        interval=interval,
    )


def colour_pieces(review: ExplainedReview, full: FullColour, *, shows_weights: bool = True) -> list[Piece]:
    """Cut the text into words, with the strength of their colours from 0 to 1, and the stretches between them.

    Neighbouring words that were not read make one piece: of a very long text that is nearly all.
    """
    words = review.words
    pieces: list[Piece] = []
    shown_to = unread_from = 0
    relative_weights = words.relative_weights
    full_contribution = max(full.contribution, float(np.abs(words.contributions).max(initial=0.0)))
    full_weight = max(full.relative_weight, float(relative_weights.max(initial=0.0)))

    def add_between(end: int) -> None:
        if end > shown_to:
            pieces.append(Piece(review.text[shown_to:end]))

    for i, word in enumerate(words.words):
        start, end = int(words.starts[i]), int(words.ends[i])
        if not words.was_read[i]:
            if i == 0 or words.was_read[i - 1]:
                add_between(start)
                unread_from = start
            if i == len(words.words) - 1 or words.was_read[i + 1]:
                pieces.append(
                    Piece(
                        review.text[unread_from:end],
                        f"not {NOT_READ}",
                        "unread",
                    )
                )
        else:
            add_between(start)
            contribution = float(words.contributions[i])
            note = f"{signed(contribution)} stars" + (f", attention {words.weights[i]:.1%}" if shows_weights else "")
            pieces.append(
                Piece(
                    text=word,
                    note=note,
                    direction="up" if contribution >= 0 else "down",
                    contribution_opacity=_strength(abs(contribution), full_contribution),
                    attention_opacity=_strength(float(relative_weights[i]), full_weight),
                )
            )
        shown_to = end
    add_between(len(review.text))
    return pieces


def _strength(value: float, full: float) -> float:
    return round(min(1.0, value / full), 2)


def _quantile(values: Sequence[Floats]) -> float:
    joined = np.concatenate([*values, np.zeros(1)])
    return max(float(np.quantile(joined, FULL_COLOUR_QUANTILE)), 1e-6)
