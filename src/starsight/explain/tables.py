"""What words do across reviews: the paper's table of attention weights, and which words raise or lower a rating."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from starsight.explain.words import WordScores

LEVEL = 0.95
"""Of the intervals. One word in forty that does nothing still lies above 0 by chance, and as many below."""

MEANS = ("weight", "relative_weight", "contribution")


def word_statistics(reviews: Sequence[WordScores], min_reviews: int) -> pd.DataFrame:
    """Means and 95 % intervals for every word that stands in at least ``min_reviews`` reviews.

    A word counts once a review, with the mean over its places in it: reviews are independent, places in one are not.
    The intervals are Student's for a mean over reviews.

    Args:
        reviews: One for each review.
        min_reviews: Fewest reviews of a word; 2 or more.

    Returns:
        A row a word (letter case ignored, punctuation left out), by falling relative weight: ``word``, ``n_reviews``,
        ``n`` (places), then ``weight`` (attention), ``relative_weight`` (1 is the average word of its review) and
        ``contribution`` (stars), each with ``_low`` and ``_high``.
    """
    if min_reviews < 2:
        raise ValueError(f"a mean over fewer than 2 reviews has no interval; found min_reviews {min_reviews}")
    places = pd.DataFrame(
        {
            "review": np.repeat(np.arange(len(reviews)), [len(review.words) for review in reviews]),
            "word": [word.casefold().replace("’", "'") for review in reviews for word in review.words],
            "weight": _join([review.weights for review in reviews]),
            "relative_weight": _join([review.relative_weights for review in reviews]),
            "contribution": _join([review.contributions for review in reviews]),
        }
    )
    places = places[_join([review.speakable for review in reviews]).astype(bool)]
    in_review = places.groupby(["word", "review"]).agg(n=("weight", "size"), **{m: (m, "mean") for m in MEANS})
    by_word = in_review.groupby("word")
    table = pd.DataFrame({"n_reviews": by_word.size(), "n": by_word["n"].sum()})
    half_width = stats.t.ppf((1 + LEVEL) / 2, (table["n_reviews"] - 1).clip(lower=1)) / np.sqrt(table["n_reviews"])
    for name in MEANS:
        mean, margin = by_word[name].mean(), by_word[name].std() * half_width
        table[name], table[f"{name}_low"], table[f"{name}_high"] = mean, mean - margin, mean + margin
    table = table[table["n_reviews"] >= min_reviews].reset_index()
    return table.sort_values(["relative_weight", "word"], ascending=[False, True], ignore_index=True)


def words_by_attention(statistics: pd.DataFrame) -> pd.DataFrame:
    """Words by falling attention, each against the average word of its review (short reviews would lead otherwise)."""
    return statistics.sort_values(["relative_weight", "word"], ascending=[False, True], ignore_index=True)


def words_raising(statistics: pd.DataFrame) -> pd.DataFrame:
    """Words whose mean contribution lies above 0 with its whole interval, the strongest first."""
    chosen = statistics[statistics["contribution_low"] > 0]
    return chosen.sort_values(["contribution", "word"], ascending=[False, True], ignore_index=True)


def words_lowering(statistics: pd.DataFrame) -> pd.DataFrame:
    """Words whose mean contribution lies below 0 with its whole interval, the strongest first."""
    chosen = statistics[statistics["contribution_high"] < 0]
    return chosen.sort_values(["contribution", "word"], ascending=[True, True], ignore_index=True)


def _join(columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0)
