"""What the model's own head says of words, and the same from heads that have not learned to attend."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch

from starsight.explain.attribution.method import change_heads
from starsight.explain.reviews import explain_reviews
from starsight.explain.words import ExplainedReview, Floats
from starsight.model.head import AttentionHead
from starsight.model.predictor import Predictor
from starsight.model.rating import Rater


class AttentionWeight:
    """The paper's attention, averaged over the queries; without sign."""

    name = "attention"

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """What the explained reviews hold already."""
        return [review.words.weights for review in reviews]


class Contribution:
    """Shares in stars that add up to the rating; signed."""

    name = "contribution"

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """What the explained reviews hold already."""
        return [review.words.contributions for review in reviews]


class UniformWeights:
    """Contributions where every token weighs the same: what the values say without the attention; signed, in stars.

    The control of Wiegreffe and Pinter 2019 (Attention is not not Explanation, section 3.2), on a trained head.
    """

    name = "uniform"

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """See ``Method.attribute``."""
        rater = change_heads(self.predictor.regressor, _asking_nothing)
        return [review.words.contributions for review in _explain_anew(self.predictor, rater, reviews)]


class UntrainedHead:
    """Attention of a head of random weights over the fine-tuned backbone: what the states alone make of attention.

    Args:
        predictor: The fine-tuned model.
        seed: Of the random weights.
    """

    name = "untrained"

    def __init__(self, predictor: Predictor, seed: int) -> None:
        self.predictor = predictor
        self.seed = seed

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """See ``Method.attribute``."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            rater = change_heads(self.predictor.regressor, _random_like)
        return [review.words.weights for review in _explain_anew(self.predictor, rater, reviews)]


class RandomRanking:
    """A random number for each word, 0 to 1."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """See ``Method.attribute``."""
        generator = np.random.default_rng(self.seed)
        return [generator.random(len(review.words.words)) for review in reviews]


def _explain_anew(predictor: Predictor, rater: Rater, reviews: Sequence[ExplainedReview]) -> list[ExplainedReview]:
    texts = [review.text for review in reviews]
    return explain_reviews(replace(predictor, regressor=rater), texts, [review.stars_true for review in reviews])


@torch.no_grad()
def _asking_nothing(head: AttentionHead) -> AttentionHead:
    """The head with queries of 0, to which all keys are alike."""
    changed = deepcopy(head)
    changed.query.weight.zero_()
    changed.query.bias.zero_()
    return changed


def _random_like(head: AttentionHead) -> AttentionHead:
    return AttentionHead(head.query.in_features, head.output.out_features)
