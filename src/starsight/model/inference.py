"""Ratings of many reviews, and how their tokens made them."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from starsight.model.batches import TokenizedReviews, batches_by_length, pad
from starsight.model.compute import Compute
from starsight.model.rating import Rater, Rating
from starsight.progress import progress
from starsight.records import MAX_STARS, MIN_STARS

BATCH_SIZE = 64
"""Reviews a forward pass: no gradients are kept, so more fit than in training."""


def rate(regressor: Rater, reviews: TokenizedReviews, compute: Compute, what: str) -> NDArray[np.float64]:
    """Predicted stars ``(reviews,)``, not cut to 1-5. ``what`` names the progress bar."""
    stars = np.empty(len(reviews))
    for rows, rating in rate_batches(regressor, reviews, compute, what):
        stars[rows] = rating.stars.double().cpu().numpy()
    return stars


def rate_batches(
    regressor: Rater, reviews: TokenizedReviews, compute: Compute, what: str
) -> Iterator[tuple[NDArray[np.int64], Rating]]:
    """Batches of row numbers and their ratings, in an order that wastes little padding; each review once."""
    training = regressor.training
    regressor.to(compute.device).eval()
    try:
        with torch.inference_mode(), progress(what, len(reviews), unit="reviews") as bar:
            for rows in batches_by_length(reviews.lengths, BATCH_SIZE):
                input_ids, mask = pad([reviews.input_ids[row] for row in rows], reviews.pad_id)
                with compute.autocast():
                    yield rows, regressor(input_ids.to(compute.device), mask.to(compute.device))
                bar.update(len(rows))
    finally:
        regressor.train(training)


def within_scale(stars: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut predictions to the scale that reviewers have: nobody gives 5.2 stars."""
    return np.clip(stars, MIN_STARS, MAX_STARS)
