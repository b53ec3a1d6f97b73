"""What the head is trained for, and how its logits become stars and each token's contribution in stars."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, huber_loss, l1_loss, mse_loss

from starsight.model.head import HeadOutput
from starsight.model.rating import Rating
from starsight.model.target import StarScale, spread_stars
from starsight.params import ObjectiveName
from starsight.records import WHOLE_STARS

HUBER_DELTA: Final = 1.0
"""Error, on the model's scale, from which Huber's loss grows linearly: one spread of the training stars."""

_NODES: Final = 64
"""Gauss-Legendre nodes on the line of integrated gradients: errors stay below 1e-8 stars while no logit moves against
another by more than 35, a change of odds by 1e15."""


@dataclass(frozen=True)
class ScoreObjective:
    """One logit a review, the score, on the model's scale (see ``target.py``); its error is made small."""

    name: Literal["mse", "mae", "huber"]
    scale: StarScale
    n_outputs: ClassVar[int] = 1

    def start(self, output: nn.Linear) -> None:
        """Leave the random bias as it is: on this scale any score near 0 is near the mean."""

    def target(self, stars: Tensor) -> Tensor:
        """Stars ``(batch,)`` as the loss compares them, ``(batch, 1)``."""
        return self.scale.to_score(stars)[:, None]

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean error over a batch.

        Args:
            logits: ``(batch, 1)``.
            target: Stars ``(batch,)``, or scores ``(batch, 1)`` as ``target`` makes them.
        """
        wanted = target if target.ndim == 2 else self.target(target)
        match self.name:
            case "mse":
                return mse_loss(logits, wanted)
            case "mae":
                return l1_loss(logits, wanted)
            case "huber":
                return huber_loss(logits, wanted, delta=HUBER_DELTA)

    def rate(self, output: HeadOutput) -> Rating:
        """The head's answer in stars: a score's share is a share of the stars."""
        return Rating(
            logits=output.logits,
            stars=self.scale.to_stars(output.logits[:, 0]),
            token_weights=output.token_weights,
            contributions=output.token_scores[:, :, 0] * self.scale.spread,
            bias_stars=self.scale.to_stars(output.bias[0]),
        )


@dataclass(frozen=True)
class DistributionObjective:
    """Five logits a review, whose softmax are the probabilities of 1 to 5 stars; their cross entropy is made small.

    The rating is the mean of the probabilities, which is best for the squared error; ``median_stars`` is best for the
    absolute one.
    """

    scale: StarScale
    name: ClassVar[ObjectiveName] = "distribution"
    n_outputs: ClassVar[int] = len(WHOLE_STARS)

    @torch.no_grad()
    def start(self, output: nn.Linear) -> None:
        """Set the bias to the mix of the training stars, instead of spending the first epochs on walking there."""
        output.bias.copy_(output.bias.new_tensor(self.scale.shares).log())

    def target(self, stars: Tensor) -> Tensor:
        """Stars ``(batch,)`` as the loss compares them, ``(batch, 5)``: see ``spread_stars``."""
        return spread_stars(stars)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean cross entropy over a batch, in nats.

        Args:
            logits: ``(batch, 5)``.
            target: Stars ``(batch,)``, or probabilities ``(batch, 5)`` as ``target``, a mix of reviews or another
                network makes them.
        """
        return cross_entropy(logits, target if target.ndim == 2 else self.target(target))

    def rate(self, output: HeadOutput) -> Rating:
        """The head's answer in stars; tokens share in them by integrated gradients from the bias to the logits."""
        bias, token_scores = output.bias.double(), output.token_scores.double()
        logits = bias + token_scores.sum(dim=1)  # float32 logits are rounded: they are not quite this sum
        distribution = logits.softmax(dim=-1)
        gradient = _mean_gradient(bias, logits)
        return Rating(
            logits=output.logits,
            stars=_mean_stars(distribution).float(),
            token_weights=output.token_weights,
            contributions=(token_scores @ gradient[:, :, None])[:, :, 0].float(),
            bias_stars=_mean_stars(bias.softmax(dim=-1)).float(),
            distribution=distribution.float(),
        )


Objective = ScoreObjective | DistributionObjective


def make_objective(name: ObjectiveName, scale: StarScale) -> Objective:
    """The objective of that name, on the scale of the training stars."""
    return DistributionObjective(scale) if name == "distribution" else ScoreObjective(name, scale)


def median_stars(distribution: Tensor) -> Tensor:
    """Median of probabilities ``(batch, 5)`` of 1 to 5 stars: ``(batch,)``, whole stars, the lower of two.

    Not interpolated: no number between two stars has a smaller expected absolute error than both of them.
    """
    reached = distribution.double().cumsum(dim=-1) >= 0.5 - 1e-6  # two halves, rounded, may fall short of it
    return distribution.new_tensor(WHOLE_STARS)[reached.long().argmax(dim=-1)]


def _mean_stars(distribution: Tensor) -> Tensor:
    """Mean of probabilities ``(..., 5)`` of 1 to 5 stars."""
    return torch.matmul(distribution, distribution.new_tensor(WHOLE_STARS))


def _mean_gradient(bias: Tensor, logits: Tensor) -> Tensor:
    """Mean of ``d stars / d logits`` along the straight line from ``bias`` to ``logits``.

    Integrated gradients (Sundararajan, Taly, Yan 2017, eq. 1) in the space of the logits: its product with
    ``logits - bias`` is the difference in stars, and it is linear in the parts of which that change is the sum. With
    ``p = softmax(logits)`` the gradient is ``p_k (k - stars)``.

    Args:
        bias: ``(5,)``, float64.
        logits: ``(batch, 5)``, float64: on a short line, rounding would be large beside the change.

    Returns:
        ``(batch, 5)``, in stars a logit.
    """
    nodes, weights = (logits.new_tensor(each) for each in _gauss_legendre())
    change = logits - bias
    on_the_way = (bias + nodes[:, None, None] * change).softmax(dim=-1)
    gradients = on_the_way * (logits.new_tensor(WHOLE_STARS) - _mean_stars(on_the_way)[:, :, None])
    gradient = (weights[:, None, None] * gradients).sum(dim=0)
    # On a very long line the stars may jump between two nodes. What is missed goes along the line itself,
    # so that the sum is right at any length; but not along what all logits share, which changes no star.
    moved = _mean_stars(logits.softmax(dim=-1)) - _mean_stars(bias.softmax(dim=-1))
    change = change - change.mean(dim=1, keepdim=True)
    missed = moved - (gradient * change).sum(dim=1)
    return gradient + (missed / change.square().sum(dim=1).clamp(min=1e-12))[:, None] * change


@cache
def _gauss_legendre() -> tuple[list[float], list[float]]:
    """Nodes and weights on 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
