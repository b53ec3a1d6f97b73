"""Explain raw texts, as they come in: stars, their interval, and each word's share, with its place in the raw text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from starsight.clean.text import clean_text
from starsight.explain.attribution.gradients import share_by_gradients
from starsight.explain.attribution.method import head_of
from starsight.explain.origins import find_origins
from starsight.explain.reviews import explain_reviews
from starsight.explain.words import ExplainedReview, Ints
from starsight.model.predictor import Predictor
from starsight.params import HeadName

ShareMethod = Literal["contribution", "integrated_gradients"]

METHODS: Final[Mapping[ShareMethod, str]] = {
    "contribution": "exact shares of the rating",
    "integrated_gradients": "integrated gradients, since this model's head reads one token alone and weighs no words",
}
"""What the words' shares are, in a sentence."""


@dataclass(frozen=True)
class Explanation:
    """A raw text, its rating and what made it."""

    review: ExplainedReview
    """Text, words and shares as the model reads them; the true stars are not known: NaN."""
    origins: Ints
    """``(words, 2)``: first character of each word in the raw text, and the one after its last."""
    stars_low: float | None
    """Lower end of the interval around the stars, 1 to 5; None where the model is not calibrated."""
    stars_high: float | None
    """Upper end."""
    coverage: float | None
    """Share of such intervals that hold the reviewer's stars."""
    head: HeadName
    method: ShareMethod = "contribution"
    """``contribution``: the words' exact shares. ``integrated_gradients``: for a head that reads one token alone."""
    convergence_delta: float | None = None
    """By how many stars base and shares miss the rating; None for exact shares."""

    @property
    def has_weights(self) -> bool:
        """Whether the head weighs words: by attention, or all alike."""
        return self.head != "cls"

    @property
    def words(self) -> list[dict[str, Any]]:
        """Plain values a word, in the order of the text: ``word`` as the model reads it, ``start`` and ``end`` in the
        raw text, ``weight`` (None where the head weighs none), ``contribution`` in stars, ``read`` by the model."""
        words = self.review.words
        return [
            {
                "word": word,
                "start": int(start),
                "end": int(end),
                "weight": round(float(weight), 6) if self.has_weights else None,
                "contribution": round(float(contribution), 6),
                "read": bool(read),
            }
            for word, (start, end), weight, contribution, read in zip(
                words.words, self.origins, words.weights, words.contributions, words.was_read, strict=True
            )
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything in plain values. Base, special and all words' contributions add up to the stars, but for the
        convergence delta, before these are held between 1 and 5."""
        words = self.review.words
        return {
            "text": self.review.text,
            "stars": round(self.review.stars_pred, 6),
            "stars_low": self.stars_low,
            "stars_high": self.stars_high,
            "coverage": self.coverage,
            "base": round(self.review.base_stars, 6),
            "special_weight": round(words.special_weight, 6) if self.has_weights else None,
            "special_contribution": round(words.special_contribution, 6),
            "head": self.head,
            "method": self.method,
            "convergence_delta": self.convergence_delta,
            "words": self.words,
        }


def explain_texts(predictor: Predictor, raw_texts: Sequence[str]) -> list[Explanation]:
    """Stars of raw texts and what made them, one explanation a text, in their order.

    A text is cleaned as the training reviews were. Any text has an answer, the empty one too.
    """
    if not raw_texts:
        return []
    clean_texts = [clean_text(text, predictor.corrections) for text in raw_texts]
    reviews = explain_reviews(predictor, clean_texts, [np.nan] * len(clean_texts))
    head = head_of(predictor.regressor)
    stars = [review.unheld_stars for review in reviews]
    method: ShareMethod = "contribution"
    deltas: list[float | None] = [None] * len(reviews)
    if head == "cls":
        method = "integrated_gradients"
        reviews, found = share_by_gradients(predictor, reviews)
        deltas = [float(delta) for delta in found]
    explanations = []
    for i, review in enumerate(reviews):
        words = np.column_stack([review.words.starts, review.words.ends])
        explanations.append(
            Explanation(
                review=review,
                origins=find_origins(raw_texts[i], review.text, words, lambda t: clean_text(t, predictor.corrections)),
                **_interval(predictor, stars[i]),
                head=head,
                method=method,
                convergence_delta=deltas[i],
            )
        )
    return explanations


def _interval(predictor: Predictor, stars: float) -> dict[str, float | None]:
    if predictor.calibration is None:
        return {"stars_low": None, "stars_high": None, "coverage": None}
    low, high = predictor.calibration.intervals(np.array([stars]))
    return {"stars_low": float(low[0]), "stars_high": float(high[0]), "coverage": predictor.calibration.coverage}
