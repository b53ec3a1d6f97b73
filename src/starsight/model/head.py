"""The paper's attention layer and linear output (eq. 5-7), arranged so that the score splits into its tokens."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class HeadOutput:
    """What the head makes of a batch. The score is the bias plus the sum of the token scores, to float32 rounding."""

    score: Tensor
    """``(batch,)``, on the model's scale (see ``target.py``)."""
    token_weights: Tensor
    """``(batch, tokens)``, attention averaged over the queries: 0 on padding, sums to 1 over a review."""
    token_scores: Tensor
    """``(batch, tokens)``, signed share of each token in the score: 0 on padding."""


class AttentionHead(nn.Module):
    """One attention layer over the backbone's states, then a linear unit.

    With ``A = softmax(Q K^T / sqrt(d_k))`` the paper's score is ``u . mean_i(sum_j A_ij V_j) + b``. Averaging over the
    queries ``i`` first gives one weight a token, ``w_j = mean_i A_ij``, and the very same score as a sum over tokens:
    ``b + sum_j w_j (u . V_j)``. Padding is neither attended to (its ``A_ij`` is 0) nor does it ask (not in the mean).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, 1)

    def forward(self, states: Tensor, mask: Tensor) -> HeadOutput:
        """Score a batch.

        Args:
            states: ``(batch, tokens, width)``, the backbone's last hidden states.
            mask: ``(batch, tokens)``, True for real tokens; at least one a review.

        Returns:
            Scores and their split into tokens, in float32: a sum of bfloat16 parts would not add up.
        """
        states = states.float()
        queries, keys = self.query(states), self.key(states)
        logits = queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[-1])
        attention = logits.masked_fill(~mask[:, None, :], -torch.inf).softmax(dim=-1)

        asking = mask.to(attention.dtype)
        token_weights = (attention * asking[:, :, None]).sum(dim=1) / asking.sum(dim=1, keepdim=True)
        token_scores = token_weights * (self.value(states) @ self.output.weight[0])
        return HeadOutput(token_scores.sum(dim=1) + self.output.bias, token_weights, token_scores)
