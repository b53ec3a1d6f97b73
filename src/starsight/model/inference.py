"""Ratings of many reviews, and how their tokens made them."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from starsight.model.batches import TokenizedReviews, batches_by_length, pad
from starsight.model.compute import Compute, describe_batch, must_fit
from starsight.model.rating import Rater, Rating
from starsight.progress import progress
from starsight.records import MAX_STARS, MIN_STARS

BATCH_SIZE = 32
"""Reviews a forward pass. More would fit, since no gradients are kept, but not into the processor's cache: 64 are a
tenth slower on two cores."""

_WAY_OUT = "lower tokenize.max_tokens, or choose a smaller model."


def rate(regressor: Rater, reviews: TokenizedReviews, compute: Compute, what: str) -> NDArray[np.float64]:
    """Predicted stars ``(reviews,)``, not cut to 1-5. ``what`` names the progress bar."""
    return rate_with_distribution(regressor, reviews, compute, what)[0]


def rate_with_distribution(
    regressor: Rater, reviews: TokenizedReviews, compute: Compute, what: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """The same stars, and the probabilities ``(reviews, 5)`` whose mean they are, from a network that gives some."""
    stars = np.empty(len(reviews))
    distribution: NDArray[np.float64] | None = None
    for rows, rating in rate_batches(regressor, reviews, compute, what):
        stars[rows] = rating.stars.double().cpu().numpy()
        if rating.distribution is not None:
            if distribution is None:
                distribution = np.empty((len(reviews), rating.distribution.shape[1]))
            distribution[rows] = rating.distribution.double().cpu().numpy()
    return stars, distribution


def rate_batches(
    regressor: Rater, reviews: TokenizedReviews, compute: Compute, what: str
) -> Iterator[tuple[NDArray[np.int64], Rating]]:
    """Batches of row numbers and their ratings, in an order that wastes little padding; each review once.

    Raises:
        ModelError: a batch does not fit into memory.
    """
    training = regressor.training
    regressor.to(compute.device).eval()
    try:
        with torch.inference_mode(), progress(what, len(reviews), unit="reviews") as bar:
            for rows in batches_by_length(reviews.lengths, BATCH_SIZE):
                input_ids, mask = pad([reviews.input_ids[row] for row in rows], reviews.pad_id)
                with must_fit(describe_batch(*input_ids.shape), _WAY_OUT), compute.autocast():
                    rating = regressor(input_ids.to(compute.device), mask.to(compute.device))
                yield rows, rating
                bar.update(len(rows))
    finally:
        regressor.train(training)


def within_scale(stars: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut predictions to the scale that reviewers have: nobody gives 5.2 stars."""
    return np.clip(stars, MIN_STARS, MAX_STARS)
