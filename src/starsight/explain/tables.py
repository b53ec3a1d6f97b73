"""What words do across reviews: the paper's table of attention weights, and which words raise or lower a rating."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from starsight.evaluate.slices import MIN_SLICE_REVIEWERS, slices_of
from starsight.explain.clusters import clustered_errors, half_widths, reviewers_of
from starsight.explain.words import Ints, WordScores

MEANS: Final = ("weight", "relative_weight", "contribution")

N_GROUP_WORDS: Final = 25
"""Words of each ranking of a part of the reviews."""
LARGEST_SHARE: Final = 0.5
"""Of a word's reviews by one reviewer, or of one product, above which it says more of them than of reviews."""


def counted(word: str) -> str:
    """The word as tables count it: without its case, and with a plain apostrophe."""
    return word.casefold().replace("’", "'")


def words_in_reviews(reviews: Sequence[WordScores]) -> pd.DataFrame:
    """A row a word of each review: a word counts once a review, since its places in it are not independent.

    Args:
        reviews: One for each review.

    Returns:
        ``word`` (see ``counted``; punctuation and what the model did not read are left out), ``review`` (its number),
        ``n`` (places), and the means of ``MEANS`` over them; by word and review.
    """
    places = pd.DataFrame(
        {
            "review": np.repeat(np.arange(len(reviews)), [len(review.words) for review in reviews]),
            "word": pd.Series([counted(word) for review in reviews for word in review.words], dtype=object),
            "weight": _join([review.weights for review in reviews]),
            "relative_weight": _join([review.relative_weights for review in reviews]),
            "contribution": _join([review.contributions for review in reviews]),
        }
    )
    places = places[_join([review.speakable & review.was_read for review in reviews]).astype(bool)]
    columns = {"n": ("weight", "size"), **{name: (name, "mean") for name in MEANS}}
    return places.groupby(["word", "review"]).agg(**columns).reset_index()


def word_statistics(reviews: Sequence[WordScores], min_reviews: int, test: pd.DataFrame | None = None) -> pd.DataFrame:
    """Means and 95 % intervals for every word that stands in at least ``min_reviews`` reviews, of two reviewers.

    The means are over reviews; the intervals are Student's, with reviewers as clusters (see ``clustered_errors``).

    Args:
        reviews: One for each review.
        min_reviews: Fewest reviews of a word; 2 or more.
        test: ``user_id`` and ``product_id`` of the same reviews; where a column is missing, nobody knows. A review
            without ``user_id`` is by a reviewer of its own.

    Returns:
        A row a word (letter case ignored, punctuation left out), by falling relative weight: ``word``, ``n_reviews``,
        ``n`` (places), then ``weight`` (attention), ``relative_weight`` (attention a token; 1 is the average token of
        its review) and ``contribution`` (stars), each with ``_low`` and ``_high``; then on whom it rests:
        ``n_reviewers``, ``n_products`` (named ones), ``largest_reviewer_share`` and ``largest_product_share`` (0 to 1;
        NaN where no product is named), and ``rests_on_few``: whether the reviewers are fewer than
        ``MIN_SLICE_REVIEWERS``, or one reviewer or product has more than half of its reviews.
    """
    return _statistics(words_in_reviews(reviews), min_reviews, _test_of(test, len(reviews)))


def words_by_attention(statistics: pd.DataFrame) -> pd.DataFrame:
    """Words by falling attention a token, against the average token of their review: short reviews and words of many
    tokens would lead otherwise."""
    return statistics.sort_values(["relative_weight", "word"], ascending=[False, True], ignore_index=True)


def words_raising(statistics: pd.DataFrame) -> pd.DataFrame:
    """Words whose mean contribution lies above 0 with its whole interval, the strongest first."""
    chosen = statistics[statistics["contribution_low"] > 0]
    return chosen.sort_values(["contribution", "word"], ascending=[False, True], ignore_index=True)


def words_lowering(statistics: pd.DataFrame) -> pd.DataFrame:
    """Words whose mean contribution lies below 0 with its whole interval, the strongest first."""
    chosen = statistics[statistics["contribution_high"] < 0]
    return chosen.sort_values(["contribution", "word"], ascending=[True, True], ignore_index=True)


RANKINGS: Final = {"attention": words_by_attention, "raising": words_raising, "lowering": words_lowering}
"""The orders in which words are listed."""


def words_by_group(reviews: Sequence[WordScores], min_reviews: int, test: pd.DataFrame) -> pd.DataFrame:
    """The strongest words by true stars and by product category.

    Args:
        reviews: One for each review.
        min_reviews: Fewest reviews of a word within a part; 2 or more.
        test: ``stars`` of the same reviews; ``category``, ``user_id`` and ``product_id`` where known.

    Returns:
        In long form: ``group`` (``stars`` or ``category``), ``value`` (``5``, ``gown``), ``ranking`` (one of
        ``RANKINGS``), ``rank`` from 1 to ``N_GROUP_WORDS``, then the columns of ``word_statistics`` within the part. A
        part in which no word is frequent enough has no row; neither has a group of one part.
    """
    in_reviews, facts = words_in_reviews(reviews), _test_of(test, len(reviews))
    tables = [_statistics(in_reviews.iloc[:0], min_reviews, facts).assign(group="", value="", ranking="", rank=0)]
    for part in slices_of(test[[name for name in ("stars", "category") if name in test]]):
        within = in_reviews[part.rows[in_reviews["review"].to_numpy()]]
        statistics = _statistics(within, min_reviews, facts)
        for name, ranking in RANKINGS.items():
            chosen = ranking(statistics).head(N_GROUP_WORDS)
            ranks = np.arange(1, len(chosen) + 1)
            tables.append(chosen.assign(group=part.group, value=part.name, ranking=name, rank=ranks))
    table = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    first = ["group", "value", "ranking", "rank"]
    return table[[*first, *(column for column in table if column not in first)]]


def without_attention(table: pd.DataFrame) -> pd.DataFrame:
    """A table of words for a head that does not weigh them: no columns of weights, no ranking by them."""
    columns = [name for name in table.columns if not name.startswith(("weight", "relative_weight"))]
    return (table[table["ranking"] != "attention"] if "ranking" in table else table)[columns].reset_index(drop=True)


def words_before_after(
    before: Sequence[WordScores], after: Sequence[WordScores], min_reviews: int, test: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What fine-tuning did to the words, on the same reviews (the paper's Table 3).

    Args:
        before: Words of each review under an untrained head on the pretrained backbone. Its contributions are of a
            random sign and size, and say nothing: only attention is compared.
        after: The same under the fine-tuned model.
        min_reviews: Fewest reviews of a word; 2 or more.
        test: As in ``word_statistics``.

    Returns:
        A row a word, by falling relative weight after: ``word``, ``n_reviews``, ``rank_before`` and ``rank_after`` (by
        relative weight, from 1); then the means ``relative_weight_before`` and ``_after``, ``_change`` from one to the
        other in the same reviews, and ``contribution_after``, each with ``_low`` and ``_high``.

    Raises:
        ValueError: the two are not of the same words.
    """
    one, other = words_in_reviews(before), words_in_reviews(after)
    keys = ["word", "review", "n"]
    if not one[keys].equals(other[keys]):
        raise ValueError("before and after are of different words; explain the same texts with the same tokenizer")
    rows = one[keys].assign(
        relative_weight_before=one["relative_weight"],
        relative_weight_after=other["relative_weight"],
        relative_weight_change=other["relative_weight"] - one["relative_weight"],
        contribution_after=other["contribution"],
    )
    table = _means(rows, list(rows.columns[len(keys) :]), min_reviews, reviewers_of(test, len(after))).drop(
        columns=["n", "n_reviewers"]
    )
    for place, when in ((2, "before"), (3, "after")):
        ranks = table[f"relative_weight_{when}"].rank(ascending=False, method="first")
        table.insert(place, f"rank_{when}", ranks.astype(np.int64))
    return table.sort_values("rank_after", ignore_index=True)


def _statistics(in_reviews: pd.DataFrame, min_reviews: int, test: pd.DataFrame) -> pd.DataFrame:
    """``word_statistics`` of some rows of ``words_in_reviews``."""
    table = _means(in_reviews, MEANS, min_reviews, reviewers_of(test, len(test)))
    in_reviews = in_reviews[in_reviews["word"].isin(table["word"])]
    review, by_word = in_reviews["review"].to_numpy(dtype=np.int64), table.set_index("word")["n_reviews"]
    for name, owner in (("reviewer", reviewers_of(test, len(test))), ("product", pd.factorize(test["product_id"])[0])):
        owners = pd.DataFrame({"word": in_reviews["word"], "owner": owner[review]})
        sizes = owners[owners["owner"] >= 0].groupby(["word", "owner"]).size().groupby("word")
        table[f"n_{name}s"] = sizes.size().reindex(by_word.index, fill_value=0).to_numpy(dtype=np.int64)
        table[f"largest_{name}_share"] = (sizes.max().reindex(by_word.index) / by_word).to_numpy(dtype=np.float64)
    table["rests_on_few"] = (
        (table["n_reviewers"] < MIN_SLICE_REVIEWERS)
        | (table["largest_reviewer_share"] > LARGEST_SHARE)
        | (table["largest_product_share"] > LARGEST_SHARE)
    )
    return words_by_attention(table)


def _means(in_reviews: pd.DataFrame, names: Sequence[str], min_reviews: int, reviewers: Ints) -> pd.DataFrame:
    """Means over reviews of the columns ``names`` with intervals, for each frequent enough word.

    Args:
        in_reviews: ``word``, ``review``, ``n`` and ``names``.
        names: What is averaged.
        min_reviews: Fewest reviews of a word.
        reviewers: Number of each review's reviewer, ``(reviews,)``.
    """
    if min_reviews < 2:
        raise ValueError(f"a mean over fewer than 2 reviews has no interval; found min_reviews {min_reviews}")
    n_reviews = in_reviews.groupby("word")["review"].transform("size")
    in_reviews = in_reviews[n_reviews >= min_reviews]
    codes, words = pd.factorize(in_reviews["word"])
    codes, clusters = codes.astype(np.int64), reviewers[in_reviews["review"].to_numpy(dtype=np.int64)]
    sizes = np.bincount(codes, minlength=len(words))
    places = np.bincount(codes, in_reviews["n"], len(words)).astype(np.int64)
    columns: dict[str, object] = {"word": np.asarray(words, dtype=object), "n_reviews": sizes, "n": places}
    n_clusters = np.zeros(len(words), dtype=np.int64)
    for name in names:
        values = in_reviews[name].to_numpy(dtype=np.float64)
        means = np.bincount(codes, values, len(words)) / sizes
        errors, n_clusters = clustered_errors((values - means[codes]) / sizes[codes], codes, clusters, len(words))
        margins = half_widths(errors, n_clusters)
        columns |= {name: means, f"{name}_low": means - margins, f"{name}_high": means + margins}
    table = pd.DataFrame({**columns, "n_reviewers": n_clusters})
    return table[table["n_reviewers"] > 1].reset_index(drop=True)


def _test_of(test: pd.DataFrame | None, n_reviews: int) -> pd.DataFrame:
    """``user_id`` and ``product_id`` of the reviews, missing where nobody knows them."""
    known = pd.DataFrame(index=range(n_reviews)) if test is None else test.reset_index(drop=True)
    if len(known) != n_reviews:
        raise ValueError(f"facts of {len(known)} reviews beside explanations of {n_reviews}")
    return known.reindex(columns=["user_id", "product_id"])


def _join(columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0)
