"""Two-word phrases that say more than their words do: "not good" is no "not" and a "good"."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from starsight.explain.clusters import clustered_errors, clustered_mean, half_widths, reviewers_of, student_p
from starsight.explain.removal import Predict, read_text_without
from starsight.explain.tables import counted
from starsight.explain.words import ExplainedReview, Floats, Ints

FALSE_DISCOVERIES: Final = 0.05
"""Share of the phrases that are named which may be there by chance."""

N_CHECKED: Final = 20
"""Phrases whose words are removed; each costs four ratings a review."""
CHECKED_REVIEWS: Final = 10
"""Reviews of each."""

COLUMNS: Final = (
    *("phrase", "n_reviews", "n", "n_reviewers", "contribution", "parts"),
    *("excess", "excess_low", "excess_high", "p", "q"),
)


@dataclass(frozen=True)
class _Places:
    """Every place of a word in the reviews, one after the other."""

    words: tuple[str, ...]
    """As tables count them; ``codes`` point into them."""
    codes: Ints
    """``(places,)``."""
    reviews: Ints
    """``(places,)``: number of the review."""
    contributions: Floats
    """``(places,)``, in stars."""
    opens: Ints
    """``(pairs,)``: places whose neighbour is the next place."""


def phrase_statistics(
    reviews: Sequence[ExplainedReview], min_reviews: int, test: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What neighbouring words contribute together, beside what they contribute elsewhere.

    Words are neighbours where only blanks on the same line part them. The excess of a pair is its mean contribution
    minus the sum of the mean contributions of its words at all other places. Each mean is over reviews (a pair or word
    counts once a review); its error takes what the three have in common into account, with reviewers as clusters (see
    ``clustered_errors``). P values are corrected for the many pairs by Benjamini and Hochberg 1995, Controlling the
    False Discovery Rate. A word contributes more in a short review than in a long one, and less to the stars in a
    complaint than in praise, so a phrase of such reviews has an excess of its own; ``check_by_removal`` is free of it.

    Args:
        reviews: Explained reviews.
        min_reviews: Fewest reviews of the pair, and of each of its words elsewhere; 2 or more.
        test: ``user_id`` of the same reviews; a review without is by a reviewer of its own.

    Returns:
        A row a pair, ``COLUMNS``, the largest excess first whatever its sign: ``contribution`` (of the pair),
        ``parts`` (the sum of the words elsewhere) and ``excess`` in stars, the last with its 95 % interval, ``p``, and
        ``q``: the least share of false discoveries at which the pair is named.
    """
    places, clusters = _find_places(reviews), reviewers_of(test, len(reviews))
    by_word = _grouped(places.codes)
    rows = []
    pair_codes = places.codes[places.opens] * len(places.words) + places.codes[places.opens + 1]
    for chosen in _grouped(pair_codes):
        first = places.opens[chosen]
        if len(np.unique(places.reviews[first])) >= min_reviews:
            row = _measure_pair(places, first, by_word, clusters, min_reviews)
            rows += [row] if row else []
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    table["q"] = false_discovery_control(table["p"].to_numpy(dtype=np.float64)) if len(table) else np.zeros(0)
    order = table["excess"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def telling_phrases(statistics: pd.DataFrame) -> pd.DataFrame:
    """The pairs that say more than their words beyond chance, in the same order."""
    return statistics[statistics["q"] < FALSE_DISCOVERIES].reset_index(drop=True)


def check_by_removal(
    phrases: pd.DataFrame, reviews: Sequence[ExplainedReview], predict: Predict, seed: int
) -> pd.DataFrame:
    """Ask the model itself about the first ``N_CHECKED`` phrases: does the pair move the rating as its words would?

    The excess of a review is how far the pair moves the rating of the text without it, minus how far each of its words
    does alone: f(text) - f(text without a) - f(text without b) + f(text without both).

    Args:
        phrases: From ``telling_phrases``.
        reviews: Those that the phrases are from.
        predict: The model.
        seed: Of the reviews drawn.

    Returns:
        The phrases with ``n_removal_reviews`` and ``removal_excess``, in stars, with its 95 % interval over reviews;
        NaN where it was not asked, or the phrase stands in one review only.
    """
    order = np.random.default_rng(seed).permutation(len(reviews))
    wanted = {tuple(phrase.split()): number for number, phrase in enumerate(phrases["phrase"].head(N_CHECKED))}
    texts: list[list[tuple[str, str, str, str]]] = [[] for _ in wanted]
    for i in order:
        for pair, first in _pairs_of(reviews[i], wanted).items():
            found = texts[wanted[pair]]
            if len(found) < CHECKED_REVIEWS:
                found.append(_without(reviews[i], first))
    flat = [text for found in texts for versions in found for text in versions]
    distinct = list(dict.fromkeys(flat))
    stars = dict(zip(distinct, np.asarray(predict(distinct), dtype=np.float64), strict=True)) if distinct else {}
    checked = phrases.assign(n_removal_reviews=0, removal_excess=np.nan)
    checked = checked.assign(removal_excess_low=np.nan, removal_excess_high=np.nan)
    for number, found in enumerate(texts):
        if len(found) > 1:
            rated = np.array([[stars[text] for text in versions] for versions in found])
            excess = rated[:, 0] - rated[:, 1] - rated[:, 2] + rated[:, 3]
            estimate, _ = clustered_mean(excess, [None] * len(found))
            row = {"n_removal_reviews": len(found)} | estimate.named("removal_excess")
            checked.loc[number, list(row)] = list(row.values())
    return checked


def _measure_pair(
    places: _Places, first: Ints, by_word: Sequence[Ints], clusters: Ints, min_reviews: int
) -> dict[str, object] | None:
    """The row of a pair whose first words stand at ``first``; None where a word is too rare elsewhere."""
    in_pair = np.concatenate([first, first + 1])
    pair = places.codes[first[0]], places.codes[first[0] + 1]
    values = [(places.contributions[first] + places.contributions[first + 1], first, 1.0)]
    for code in pair:
        elsewhere = np.setdiff1d(by_word[code], in_pair)
        values.append((places.contributions[elsewhere], elsewhere, -1.0))
    means, influences, owners = [], [], []
    for contributions, at, sign in values:
        reviews, place = np.unique(places.reviews[at], return_inverse=True)
        if len(reviews) < min_reviews:
            return None
        of_review = np.bincount(place, contributions) / np.bincount(place)
        means.append(float(of_review.mean()))
        influences.append(sign * (of_review - means[-1]) / len(reviews))
        owners.append(clusters[reviews])
    n_clusters = np.array([len(np.unique(owner)) for owner in owners])
    if n_clusters.min() < 2:
        return None
    joined = np.concatenate(influences)
    errors, _ = clustered_errors(joined, np.zeros(len(joined), np.int64), np.concatenate(owners), 1)
    excess, fewest = np.array([means[0] - means[1] - means[2]]), n_clusters.min(keepdims=True)
    margin = float(half_widths(errors, fewest)[0])
    return {
        "phrase": " ".join(places.words[code] for code in pair),
        "n_reviews": len(influences[0]),
        "n": len(first),
        "n_reviewers": int(n_clusters[0]),
        "contribution": means[0],
        "parts": means[1] + means[2],
        "excess": float(excess[0]),
        "excess_low": float(excess[0]) - margin,
        "excess_high": float(excess[0]) + margin,
        "p": float(student_p(excess, errors, fewest)[0]),
    }


def _find_places(reviews: Sequence[ExplainedReview]) -> _Places:
    """The words that the model read, and which of them are neighbours."""
    kept = [_read_words(review) for review in reviews]
    names = [counted(review.words.words[i]) for review, numbers in zip(reviews, kept, strict=True) for i in numbers]
    codes, words = pd.factorize(np.array(names, dtype=object))
    starts = np.cumsum([0, *map(len, kept)])
    opens = [
        start + position
        for review, numbers, start in zip(reviews, kept, starts[:-1], strict=True)
        for position in _neighbours(review, numbers)
    ]
    contributions = [review.words.contributions[numbers] for review, numbers in zip(reviews, kept, strict=True)]
    return _Places(
        words=tuple(words),
        codes=codes.astype(np.int64),
        reviews=np.repeat(np.arange(len(reviews)), np.diff(starts)),
        contributions=np.concatenate([np.zeros(0), *contributions]),
        opens=np.array(opens, dtype=np.int64),
    )


def _read_words(review: ExplainedReview) -> Ints:
    """Numbers of the words with a letter or a digit that reached the model."""
    return np.flatnonzero(review.words.speakable & review.words.was_read)


def _neighbours(review: ExplainedReview, numbers: Ints) -> Iterator[int]:
    """Positions in ``numbers`` (of words) after which the next word follows on the same line."""
    words = review.words
    for position, (one, other) in enumerate(pairwise(numbers)):
        between = review.text[words.ends[one] : words.starts[other]]
        if between and not between.strip() and "\n" not in between:
            yield position


def _pairs_of(review: ExplainedReview, wanted: dict[tuple[str, ...], int]) -> dict[tuple[str, ...], Ints]:
    """Numbers of the first words of the wanted pairs in a review."""
    numbers = _read_words(review)
    found: dict[tuple[str, ...], list[int]] = {}
    for position in _neighbours(review, numbers):
        one, other = numbers[position], numbers[position + 1]
        pair = counted(review.words.words[one]), counted(review.words.words[other])
        if pair in wanted:
            found.setdefault(pair, []).append(int(one))
    return {pair: np.array(first, dtype=np.int64) for pair, first in found.items()}


def _without(review: ExplainedReview, first: Ints) -> tuple[str, str, str, str]:
    """What the model read, and the same without the first words, without the second, and without both."""
    whole, both = np.array([], dtype=np.int64), np.union1d(first, first + 1)
    text, one, other, neither = (read_text_without(review, chosen) for chosen in (whole, first, first + 1, both))
    return text, one, other, neither


def _grouped(codes: Ints) -> list[Ints]:
    """Places of each code, the smallest code first."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(codes) else []
