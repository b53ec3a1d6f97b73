"""Whether the words that an explanation names are the words that the rating hangs on.

Comprehensiveness (DeYoung et al. 2020, ERASER, section 4.2), in stars: remove the named words and see how far the
rating moves. A random choice of as many words is the control; an explanation that moves the rating no further than
chance has named nothing. A text with words cut out is no ordinary review, which all three rankings suffer alike.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from starsight.explain.words import Floats, Ints, WordScores
from starsight.intervals import ClusterBootstrap
from starsight.metrics import Stars

Predict = Callable[[Sequence[str]], Stars]
"""Texts to ratings ``(reviews,)``, in stars."""

RANKINGS = ("attention", "contribution", "random")
"""Ways to choose the words to remove."""


def top_words(ranks: Floats, words: WordScores, share: float) -> Ints:
    """Numbers of the highest ranked words, in the order of the text.

    Punctuation stays, and so does what the model did not read: a control that often draws a comma, or a word beyond
    the longest input, is beaten too easily.

    Args:
        ranks: ``(words,)``, the higher the more a word matters.
        words: The words of the review.
        share: Of the words with a letter or a digit, 0 to 1; at least one is taken.
    """
    candidates = np.flatnonzero(words.speakable & words.was_read)
    n_top = min(len(candidates), max(1, math.ceil(share * len(candidates) - 1e-9)))
    chosen = candidates[np.argsort(-ranks[candidates], kind="stable")[:n_top]]
    return np.sort(chosen)


def remove_words(text: str, words: WordScores, chosen: Ints) -> str:
    """The text without the chosen words, and without the blank that would otherwise stand doubled."""
    pieces, kept_to = [], 0
    for number in chosen:
        start, end = int(words.starts[number]), int(words.ends[number])
        pieces.append(text[kept_to:start])
        opens_gap = start == 0 or text[start - 1].isspace()
        kept_to = end + 1 if opens_gap and text[end : end + 1].isspace() else end
    return "".join([*pieces, text[kept_to:]])


def comprehensiveness(
    texts: Sequence[str],
    words: Sequence[WordScores],
    ranks: Sequence[Floats],
    predict: Predict,
    stars_pred: Stars,
    share: float = 0.1,
) -> Stars:
    """How far each rating moves when the top words are removed: ``(reviews,)``, in stars, without sign.

    Args:
        texts: The reviews.
        words: Their words.
        ranks: For each review ``(words,)``, the higher the more a word matters.
        predict: The model.
        stars_pred: Its ratings of the whole texts, ``(reviews,)``, in stars.
        share: Of the words of each review, 0 to 1; at least one is removed.
    """
    shortened = [
        remove_words(text, review, top_words(rank, review, share))
        for text, review, rank in zip(texts, words, ranks, strict=True)
    ]
    return np.abs(np.asarray(predict(shortened), dtype=np.float64) - stars_pred)


def measure_faithfulness(
    texts: Sequence[str],
    words: Sequence[WordScores],
    predict: Predict,
    *,
    seed: int,
    draws: int,
    share: float = 0.1,
) -> dict[str, float]:
    """Comprehensiveness of attention weights, of contributions and of a random choice, in stars.

    Returns:
        ``<ranking>_comprehensiveness_<per cent>`` for each of ``RANKINGS``, and for the first two
        ``<ranking>_minus_random_comprehensiveness_<per cent>`` on the same reviews; each with ``_low`` and ``_high``, a
        95 % interval of the mean from a bootstrap over reviews.
    """
    generator = np.random.default_rng(seed)
    ranks = {
        "attention": [review.weights for review in words],
        "contribution": [np.abs(review.contributions) for review in words],
        "random": [generator.random(len(review.words)) for review in words],
    }
    before = np.asarray(predict(texts), dtype=np.float64)
    moves = {name: comprehensiveness(texts, words, ranks[name], predict, before, share) for name in RANKINGS}
    bootstrap = ClusterBootstrap([None] * len(texts), draws=draws, seed=seed)
    suffix = f"comprehensiveness_{round(share * 100)}"
    report: dict[str, float] = {"n_faithfulness_reviews": len(texts)}
    for name in RANKINGS:
        report |= bootstrap.mean(moves[name]).named(f"{name}_{suffix}")
    for name in RANKINGS[:2]:
        report |= bootstrap.mean(moves[name] - moves["random"]).named(f"{name}_minus_random_{suffix}")
    return report
