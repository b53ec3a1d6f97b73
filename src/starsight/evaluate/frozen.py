"""What a network knows of reviews before it was fine-tuned: the states of its backbone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from starsight.metrics import Stars
from starsight.model.inference import rate_batches
from starsight.model.predictor import Predictor
from starsight.model.regressor import StarRegressor


@dataclass(frozen=True)
class Reading:
    """What one pass over some reviews yields."""

    stars_pred: Stars
    """``(reviews,)``, the head's answer in stars, not cut to 1-5."""
    states: NDArray[np.float32]
    """``(reviews, width)``, the mean of the backbone's last hidden states over the real tokens of each review."""


def read_texts(regressor: StarRegressor, predictor: Predictor, texts: Sequence[str], what: str) -> Reading:
    """Let ``regressor`` read clean texts as ``predictor`` tokenizes them. ``what`` names the progress bar."""
    reviews = predictor.reviews(predictor.tokenize(texts))
    stars_pred = np.empty(len(reviews))
    states = np.empty((len(reviews), regressor.backbone.config.hidden_size), dtype=np.float32)
    means: list[Tensor] = []

    def keep_mean(_head: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
        means.append(_mean_over_tokens(*batch))

    # The head is handed the states with their mask: reading them there costs no second pass.
    hook = regressor.head.register_forward_pre_hook(keep_mean)
    try:
        for rows, rating in rate_batches(regressor, reviews, predictor.compute, what):
            stars_pred[rows] = rating.stars.double().cpu().numpy()
            states[rows] = means.pop().cpu().numpy()
    finally:
        hook.remove()
    return Reading(stars_pred, states)


def _mean_over_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``states`` ``(batch, tokens, width)`` over the tokens where ``mask`` ``(batch, tokens)`` is True."""
    weights = mask.float()
    return (states.float() * weights[:, :, None]).sum(dim=1) / weights.sum(dim=1, keepdim=True)
