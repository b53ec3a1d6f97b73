"""Whether the words that an explanation names are the words that the rating hangs on.

DeYoung et al. 2020 (ERASER, section 4.2), in stars and without sign. Comprehensiveness: remove the named words and see
how far the rating moves. Sufficiency: keep no others and see how far it moves; less is better. AOPC is the mean of
either over several shares of the words. And Kendall's tau with leaving out each word alone (Jain and Wallace 2019,
Attention is not Explanation, section 4.1). A random choice of as many words is the control: an explanation that moves
the rating no further than chance has named nothing. A text with words cut out is no ordinary review, which all methods
suffer alike.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from starsight.explain.attribution.gradients import IntegratedGradients
from starsight.explain.attribution.method import CONTROLS, LABELS, Method
from starsight.explain.removal import Removals, leave_one_out
from starsight.explain.words import ExplainedReview, Floats, Ints, WordScores
from starsight.intervals import ClusterBootstrap, number_clusters
from starsight.model.predictor import Predictor
from starsight.params import RemovalName

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Of the words of a review: those of ERASER."""

_PERCENT = [round(share * 100) for share in SHARES]

MEASURES = (
    *(f"comprehensiveness_{percent}" for percent in _PERCENT),
    *(f"sufficiency_{percent}" for percent in _PERCENT),
    "aopc_comprehensiveness",
    "aopc_sufficiency",
    "tau",
)
"""What is measured of each method; all in stars but ``tau``, -1 to 1."""

COMPARED = "comprehensiveness_10"
"""The measure by which each method is compared with the controls, review by review."""


def top_words(ranks: Floats, words: WordScores, share: float) -> Ints:
    """Numbers of the highest ranked words, in the order of the text; of words of one rank, a fixed random choice.

    Punctuation stays, and so does what the model did not read: a control that often draws a comma, or a word beyond
    the longest input, is beaten too easily.

    Args:
        ranks: ``(words,)``, the higher the more a word matters.
        words: The words of the review.
        share: Of the removable words, 0 to 1; at least one is taken.
    """
    removable = words.removable
    n_top = min(len(removable), max(1, math.ceil(share * len(removable) - 1e-9)))
    lots = np.random.default_rng(len(removable)).permutation(len(removable))
    chosen = removable[np.lexsort((lots, -ranks[removable]))[:n_top]]
    return np.sort(chosen)


def measure_faithfulness(
    predictor: Predictor,
    reviews: Sequence[ExplainedReview],
    methods: Sequence[Method],
    *,
    reviewers: Sequence[str | None],
    removal: RemovalName,
    draws: int,
    seed: int,
) -> dict[str, float]:
    """How far each method's words move the rating.

    Args:
        predictor: The fine-tuned model.
        reviews: As it explained them; two or more.
        methods: One of them named ``random``. Methods of one name count as one, from several seeds: their mean, and an
            interval over reviews and seeds.
        reviewers: Who wrote each review, the clusters of the intervals; None where nobody knows.
        removal: How a word is taken away; see ``Removals``.
        draws: Resamples behind the intervals.
        seed: Of the resamples.

    Returns:
        ``<method>_<measure>`` for each of ``MEASURES``, and ``<method>_minus_<control>_comprehensiveness_10`` on the
        same reviews with ``_p``, each with ``_low`` and ``_high``, a 95 % interval of the mean over reviews.
        ``n_faithfulness_reviews``; ``n_<method>_reviews`` where a method answered for fewer; ``n_tau_reviews``: tau is
        not defined for a review of one word, or one that no word moves. ``integrated_gradients_delta``: mean distance
        of the attributions from adding up, in stars.
    """
    removals = Removals(predictor, reviews, removal)
    changes = [np.abs(change) for change in leave_one_out(removals)]
    by_name: dict[str, list[Floats]] = {}
    report: dict[str, float] = {"n_faithfulness_reviews": len(reviews)}
    for method in methods:
        attributions = method.attribute(reviews)
        by_name.setdefault(method.name, []).append(_measure(attributions, removals, changes, method.name))
        if isinstance(method, IntegratedGradients):
            report["integrated_gradients_delta"] = float(np.abs(method.convergence_deltas).mean())
    measured = {name: np.stack(of_seeds) for name, of_seeds in by_name.items()}
    return report | _with_intervals(measured, reviewers, draws, seed)


def faithfulness_table(report: Mapping[str, float]) -> pd.DataFrame:
    """The measures, a row a method, for people.

    Args:
        report: From ``measure_faithfulness``.

    Returns:
        ``method``, ``label``, ``control`` (whether it is there to be beaten), ``n_reviews``, then each of ``MEASURES``
        and ``minus_<control>_comprehensiveness_10`` with its ``_low`` and ``_high``; the methods of ``LABELS`` that
        were measured, in its order. Missing where a measure is not defined.
    """
    measures = [*MEASURES, *(f"minus_{control}_{COMPARED}" for control in CONTROLS)]
    ends = ("", "_low", "_high")
    rows = [
        {
            "method": name,
            "label": label,
            "control": name in CONTROLS,
            "n_reviews": report.get(f"n_{name}_reviews", report["n_faithfulness_reviews"]),
            **{f"{measure}{end}": report.get(f"{name}_{measure}{end}", np.nan) for measure in measures for end in ends},
        }
        for name, label in LABELS.items()
        if f"{name}_{COMPARED}" in report
    ]
    return pd.DataFrame(rows)


def _measure(attributions: Sequence[Floats], removals: Removals, changes: Sequence[Floats], name: str) -> Floats:
    """All measures of one method: ``(reviews, measures)``; tau is NaN where it is not defined.

    Args:
        attributions: Of the first reviews, or of all.
        removals: Rates the reviews.
        changes: From leaving out each removable word, in stars, without sign.
        name: Of the method.
    """
    ranks = [np.abs(each) for each in attributions]
    words = [review.words for review in removals.reviews[: len(ranks)]]
    top = [[top_words(rank, each, share) for share in SHARES] for rank, each in zip(ranks, words, strict=True)]
    without = [(i, chosen) for i, of_review in enumerate(top) for chosen in of_review]
    alone = [(i, np.setdiff1d(words[i].removable, chosen)) for i, chosen in without]
    whole = removals.rate_whole()[: len(ranks)]
    stars = removals.rate(without + alone, f"remove words: {LABELS[name]}").reshape(2, len(ranks), len(SHARES))
    comprehensiveness, sufficiency = np.abs(stars - whole[:, None])
    tau = [_tau(rank[each.removable], change) for rank, each, change in zip(ranks, words, changes, strict=False)]
    return np.column_stack(
        [comprehensiveness, sufficiency, comprehensiveness.mean(axis=1), sufficiency.mean(axis=1), tau]
    )


def _with_intervals(
    measured: Mapping[str, Floats], reviewers: Sequence[str | None], draws: int, seed: int
) -> dict[str, float]:
    """Means over ``(seeds, reviews, measures)`` of each method, and of its lead over the controls."""
    has_tau = np.isfinite(measured["random"][0, :, MEASURES.index("tau")])
    compared = MEASURES.index(COMPARED)
    report: dict[str, float] = {"n_tau_reviews": int(has_tau.sum())}

    @cache  # the same draws for all methods
    def bootstrap(rows: tuple[int, ...]) -> ClusterBootstrap:
        return ClusterBootstrap([reviewers[row] for row in rows], draws=draws, seed=seed)

    for name, values in measured.items():
        n_reviews = values.shape[1]
        every, with_tau = tuple(range(n_reviews)), tuple(np.flatnonzero(has_tau[:n_reviews]).tolist())
        if n_reviews < len(has_tau):
            report[f"n_{name}_reviews"] = n_reviews
        for number, measure in enumerate(MEASURES):
            rows = with_tau if measure == "tau" else every
            if number_clusters([reviewers[row] for row in rows]).max(initial=0) > 0:  # of two reviewers or more
                estimate = bootstrap(rows).mean_over_seeds(values[:, rows, number])
                report |= estimate.named(f"{name}_{measure}")
        for control in CONTROLS if name not in CONTROLS else ("random",):
            if control in measured and control != name:
                rival = measured[control][:, :n_reviews, compared].mean(axis=0)
                # both are distances, so that their means are what mae_difference takes for errors
                lead = bootstrap(every).mae_difference(values[:, :, compared].mean(axis=0), rival)
                report |= lead.named(f"{name}_minus_{control}_{COMPARED}")
    return report


def _tau(ranks: Floats, changes: Floats) -> float:
    """Kendall's tau-b of two rankings of the same words; 0 where the first ranks nothing, NaN where the second does."""
    if len(changes) < 2 or np.ptp(changes) == 0:
        return math.nan
    return float(kendalltau(ranks, changes).statistic) if np.ptp(ranks) > 0 else 0.0
