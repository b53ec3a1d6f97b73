"""Attention followed through all layers of the backbone, to one number a word."""

import torch
from torch import Tensor

from starsight.explain.attribution.layers import ATTENTION_BATCH_SIZE, read_attentions
from starsight.explain.attribution.method import Batch, TokenMethod
from starsight.model.regressor import StarRegressor


class AttentionRollout(TokenMethod):
    """Attention followed through the layers; without sign.

    Abnar and Zuidema 2020 (Quantifying Attention Flow in Transformers, section 3): each layer passes on half of a token
    by its attention, averaged over the heads, and half by the residual, ``0.5 A + 0.5 I``; the product over the layers
    says how much of each token is in each last state. The states count as much as the head weighs them.
    """

    name = "rollout"
    batch_size = ATTENTION_BATCH_SIZE

    @torch.no_grad()
    def score(self, regressor: StarRegressor, batch: Batch) -> Tensor:
        """See ``TokenMethod.score``."""
        flow, attentions = read_attentions(regressor, batch, self.predictor.compute)
        for attention in reversed(attentions):
            flow = 0.5 * (flow[:, None, :] @ attention.float().mean(dim=1))[:, 0] + 0.5 * flow
        return flow
