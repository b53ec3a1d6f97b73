"""Attribution by gradients of the rating with respect to the word embeddings, through captum."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import captum.attr
import numpy as np
import torch
from torch import Tensor

from starsight.explain.attribution.method import Batch, TokenMethod, members_of
from starsight.explain.words import ExplainedReview, Floats
from starsight.metrics import Stars
from starsight.model.compute import Compute
from starsight.model.embeddings import embeddings_changed
from starsight.model.inference import BATCH_SIZE
from starsight.model.predictor import Predictor
from starsight.model.regressor import StarRegressor
from starsight.model.tokens import mask_id

STEPS = 16
"""Points on the way from the baseline, by the Gauss-Legendre rule. The convergence delta says whether they suffice."""

_REVIEWS = 4
"""Reviews at a time, each at all its points."""


class GradientTimesInput(TokenMethod):
    """Gradient of the rating times the embedding, summed over its width; signed, in stars.

    Shrikumar, Greenside, Kundaje 2017 (Learning Important Features Through Propagating Activation Differences).
    """

    name = "gradient_x_input"
    batch_size = BATCH_SIZE

    def score(self, regressor: StarRegressor, batch: Batch) -> Tensor:
        """See ``TokenMethod.score``."""
        method = captum.attr.InputXGradient(_rating_of(regressor, self.predictor.compute))
        embedded = _embed(regressor, batch.input_ids).requires_grad_()
        scores: Tensor = method.attribute(embedded, additional_forward_args=(batch.input_ids, batch.mask))
        return scores.detach().sum(dim=-1)


class IntegratedGradients(TokenMethod):
    """Gradients integrated on the straight way from a baseline to the review; signed, in stars.

    Sundararajan, Taly, Yan 2017 (Axiomatic Attribution for Deep Networks, eq. 1). They add up to the rating less that
    of the baseline. The baseline is the review with every token of its text hidden: in its place stands the mask token,
    or padding where the tokenizer has none. An embedding of zeros would be the same direction all the way for a network
    that normalises its input, and the gradient 0.

    Args:
        predictor: The fine-tuned model.
        steps: Points on the way.
    """

    name = "integrated_gradients"
    batch_size = _REVIEWS

    def __init__(self, predictor: Predictor, steps: int = STEPS) -> None:
        super().__init__(predictor)
        self.steps = steps
        hidden = mask_id(predictor.tokenizer)
        self._hidden: int = predictor.tokenizer.pad_token_id if hidden is None else hidden
        self.convergence_deltas: Stars = np.zeros(0)
        """``(reviews,)`` of the last call: sum of the attributions less the change of the rating, in stars."""
        self.base_stars: Stars = np.zeros(0)
        """``(reviews,)`` of the last call: the rating of the baseline, not cut to 1-5. With the attributions, those of
        tokens that show no word included, it adds up to the rating, but for the convergence delta."""

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """See ``Method.attribute``; sets ``convergence_deltas`` and ``base_stars``."""
        self.convergence_deltas, self.base_stars = np.zeros(len(reviews)), np.zeros(len(reviews))
        return super().attribute(reviews)

    def score(self, regressor: StarRegressor, batch: Batch) -> Tensor:
        """See ``TokenMethod.score``."""
        rate = _rating_of(regressor, self.predictor.compute)
        read = (batch.input_ids, batch.mask)
        baseline = _embed(regressor, torch.where(batch.of_text, self._hidden, batch.input_ids))
        scores, deltas = captum.attr.IntegratedGradients(rate).attribute(
            _embed(regressor, batch.input_ids),
            baselines=baseline,
            additional_forward_args=read,
            n_steps=self.steps,
            method="gausslegendre",
            internal_batch_size=max(BATCH_SIZE, len(batch.rows)),
            return_convergence_delta=True,
        )
        with torch.no_grad():
            base_stars = rate(baseline, *read)
        share = 1 / len(members_of(self.predictor.regressor))
        self.convergence_deltas[batch.rows] += share * deltas.double().cpu().numpy()
        self.base_stars[batch.rows] += share * base_stars.double().cpu().numpy()
        of_tokens: Tensor = scores.detach().sum(dim=-1)
        return of_tokens


def _embed(regressor: StarRegressor, input_ids: Tensor) -> Tensor:
    """Word embeddings ``(batch, tokens, width)`` of ``(batch, tokens)``."""
    with torch.no_grad():
        embedded: Tensor = regressor.backbone.get_input_embeddings()(input_ids)
    return embedded


def share_by_gradients(
    predictor: Predictor, reviews: Sequence[ExplainedReview]
) -> tuple[list[ExplainedReview], Floats]:
    """For a head that reads one token alone: the same ratings, shared out among the words by integrated gradients.

    Returns:
        The reviews, whose base value is now the rating of a review with every word hidden, and for each, ``(reviews,)``
        in stars, by how much base and contributions miss the rating.
    """
    gradients = IntegratedGradients(predictor)
    shared = []
    for i, of_words in enumerate(gradients.attribute(reviews)):
        review, base = reviews[i], float(gradients.base_stars[i])
        special = review.unheld_stars + float(gradients.convergence_deltas[i]) - base - float(of_words.sum())
        words = replace(review.words, contributions=of_words, special_contribution=special)
        shared.append(replace(review, words=words, base_stars=base))
    return shared, gradients.convergence_deltas


def _rating_of(regressor: StarRegressor, compute: Compute) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A function of word embeddings, ids and mask: stars ``(batch,)``, not cut to 1-5."""

    def rate(embedded: Tensor, input_ids: Tensor, mask: Tensor) -> Tensor:
        with embeddings_changed(regressor, lambda _: embedded), compute.autocast():
            stars: Tensor = regressor(input_ids, mask).stars
        return stars

    return rate
