"""Measuring a fine-tuned model's errors once more, on reviews kept for that: see ``model/calibration.py``."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from starsight.model.batches import TokenizedReviews
from starsight.model.calibration import LEAST_PROBABILITY, Calibration, Floats, at_temperature, groups_of
from starsight.model.inference import rate_with_distribution, within_scale
from starsight.model.predictor import Predictor
from starsight.model.target import spread_stars
from starsight.model.tokens import read_tokens
from starsight.params import FinetuneParams

MIN_REVIEWS = 200
"""Fewer reviews that did not choose the epoch are not worth their honesty: the coverage of intervals made from 200
scatters by 2 % around what is stated (Vovk 2012: a beta distribution), more than the choice of an epoch moves it."""

MIN_GROUP_REVIEWS = 100
"""In a group of predicted stars; its coverage scatters by 3 %, and is too high by 1 % at most."""

MAX_GROUPS = 10
"""More made the intervals no narrower on 2,000 reviews."""

_ROUNDING = 1e-4
"""Stars. An interval that ends at many reviews' stars at once must not lose them all to a rounding."""

_TEMPERATURES = (0.05, 20.0)


def calibrated(predictor: Predictor, validation: Path, params: FinetuneParams) -> Predictor:
    """The same with its intervals, measured on reviews that did not choose the epoch if there are enough of them.

    Args:
        predictor: Fine-tuned.
        validation: The tokenized split.
        params: How many of its reviews chose the epoch, how many may be used here, and the coverage.
    """
    tokens = read_tokens(validation, params.max_calibration_reviews, skip=params.max_validation_reviews)
    chose_the_epoch = len(tokens) < MIN_REVIEWS
    if chose_the_epoch:
        tokens = read_tokens(validation, min(params.max_calibration_reviews, params.max_validation_reviews))
    reviews = TokenizedReviews.from_dataset(tokens, predictor.tokenizer.pad_token_id)
    stars, distribution = rate_with_distribution(predictor.regressor, reviews, predictor.compute, "calibrate")
    calibration = calibrate(
        reviews.stars.astype(np.float64),
        stars,
        distribution,
        coverage=params.interval_coverage,
        chose_the_epoch=chose_the_epoch,
    )
    return replace(predictor, calibration=calibration)


def calibration_facts(calibration: Calibration | None) -> dict[str, float]:
    """What the training's report says of it."""
    if calibration is None:
        return {}
    facts: dict[str, float] = {
        "n_calibration_reviews": calibration.n_reviews,
        "calibration_reviews_chose_the_epoch": int(calibration.chose_the_epoch),
    }
    return facts if calibration.temperature is None else facts | {"temperature": calibration.temperature}


def calibrate(
    stars_true: Floats, stars: Floats, distribution: Floats | None, *, coverage: float, chose_the_epoch: bool
) -> Calibration:
    """Keep what the true stars of some reviews say of a model's errors.

    Args:
        stars_true: ``(reviews,)``.
        stars: Predicted, ``(reviews,)``, not cut to 1-5.
        distribution: Probabilities ``(reviews, 5)`` of 1 to 5 stars, from a network that gives some.
        coverage: Share of the intervals that shall hold the reviewer's stars.
        chose_the_epoch: Whether the reviews served that purpose before.
    """
    edges = group_edges(stars)
    groups = groups_of(stars, edges)
    distances = _distances(stars_true, stars)
    return Calibration(
        coverage=coverage,
        edges=edges,
        half_widths=tuple(half_width(distances[groups == group], coverage) for group in range(len(edges) + 1)),
        n_reviews=len(stars),
        chose_the_epoch=chose_the_epoch,
        temperature=None if distribution is None else fit_temperature(stars_true, distribution),
    )


def group_edges(stars: Floats) -> tuple[float, ...]:
    """Edges between groups of about as many predictions ``(reviews,)`` each; equal predictions stay together."""
    ordered = np.sort(stars)
    size = max(MIN_GROUP_REVIEWS, -(-len(stars) // MAX_GROUPS))
    edges: list[float] = []
    start = 0
    while start + size < len(stars):
        first, behind = (int(np.searchsorted(ordered, ordered[start + size], side)) for side in ("left", "right"))
        start = first if first - start >= size else behind
        if len(stars) - start < size:
            break
        edges.append(float(ordered[start]))
    return tuple(edges)


def half_width(distances: Floats, coverage: float) -> float | None:
    """The distance within which a new one stays with probability ``coverage``, by the count of ``(reviews,)`` others.

    The ``ceil((n + 1) coverage)``-th smallest of ``n`` (Lei et al. 2018, algorithm 2); None where ``n`` is too small
    for there to be one.
    """
    rank = math.ceil((len(distances) + 1) * coverage - 1e-9)  # 0.9 times 70 is 63, whatever floats say
    return float(np.sort(distances)[rank - 1]) + _ROUNDING if rank <= len(distances) else None


def fit_temperature(stars_true: Floats, distribution: Floats) -> float:
    """The temperature at which the true stars ``(reviews,)`` are most likely under ``(reviews, 5)`` probabilities."""
    shares = spread_stars(torch.from_numpy(stars_true)).numpy()

    def loss(log_temperature: float) -> float:
        scaled = at_temperature(distribution, math.exp(log_temperature))
        return -float((shares * np.log(np.maximum(scaled, LEAST_PROBABILITY))).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=tuple(math.log(end) for end in _TEMPERATURES), method="bounded")
    return math.exp(found.x)


def _distances(stars_true: Floats, stars: Floats) -> Floats:
    """How far each interval must reach to hold the true stars: not at all where the prediction, cut to 1-5, hits them.

    Both ``(reviews,)``, as the distances. The prediction itself is not cut: most of the surest are above 5, and would
    all have the same distance from 4. With many ties no interval covers just the stated share; with each at its own
    distance one does.
    """
    return np.where(within_scale(stars) == stars_true, 0.0, np.abs(stars_true - stars))
