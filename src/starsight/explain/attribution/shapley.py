"""Shapley values of words, through shap."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import shap
from scipy.cluster.hierarchy import linkage

from starsight.explain.removal import Removals
from starsight.explain.words import ExplainedReview, Floats, Ints
from starsight.metrics import Stars
from starsight.model.inference import BATCH_SIZE
from starsight.model.predictor import Predictor
from starsight.params import RemovalName
from starsight.progress import track


class PartitionShap:
    """Owen values: Shapley values that share out the effect of a stretch of text before that of its words; signed.

    Lundberg and Lee 2017 (A Unified Approach to Interpreting Model Predictions); Owen 1977 (Values of Games with a
    Priori Unions). Words are joined with their neighbours, two and two. They add up to the rating less that of the
    review without its words.

    Args:
        predictor: The fine-tuned model.
        removal: How a word is taken away; see ``Removals``.
        max_reviews: Reviews that are explained, the first ones.
        evaluations: Shortened reviews rated for each of them; where they run out, neighbours share alike.
        seed: Decides between stretches of equal effect.
    """

    name = "shap"

    def __init__(
        self, predictor: Predictor, *, removal: RemovalName, max_reviews: int, evaluations: int, seed: int
    ) -> None:
        self.predictor = predictor
        self.removal: RemovalName = removal
        self.max_reviews = max_reviews
        self.evaluations = evaluations
        self.seed = seed

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """Of the first ``max_reviews`` reviews; see ``Method.attribute``."""
        reviews = reviews[: self.max_reviews]
        removals = Removals(self.predictor, reviews, self.removal)
        by_review = []
        with _numpy_seeded(self.seed):  # shap draws from numpy's global generator
            for number, review in enumerate(track(reviews, "SHAP", unit="reviews", total=len(reviews))):
                scores = np.zeros(len(review.words.words))
                removable = review.words.removable
                scores[removable] = self._share_out(removals, number, removable)
                by_review.append(scores)
        return by_review

    def _share_out(self, removals: Removals, number: int, removable: Ints) -> Floats:
        """Values of the removable words, ``(removable,)``."""

        def rate_kept(kept: Floats) -> Stars:
            return removals.rate([(number, removable[row == 0]) for row in kept], "rate")

        n = len(removable)
        if n < 2:  # nothing to share out
            return np.repeat(rate_kept(np.ones((1, n))) - rate_kept(np.zeros((1, n))), n)
        neighbours = linkage(np.arange(n, dtype=np.float64)[:, None], method="complete")
        masker = shap.maskers.Partition(np.zeros((1, n)), clustering=neighbours)
        explain = shap.PartitionExplainer(rate_kept, masker)
        values: Floats = explain(
            np.ones((1, n)), max_evals=self.evaluations, batch_size=BATCH_SIZE, silent=True
        ).values[0]
        return values


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
