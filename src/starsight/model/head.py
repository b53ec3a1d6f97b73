"""From the backbone's states to logits: the paper's attention layer (eq. 5-7) and two simpler heads.

Every head weighs the tokens and sends each through one linear unit, so that its logits split into its tokens.
"""

import math
from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, one_hot

from starsight.params import HeadName

SummaryToken = Literal["first", "last"]


@dataclass(frozen=True)
class HeadOutput:
    """What a head makes of a batch. Logits are the bias plus the sum of the token scores, to float32 rounding."""

    logits: Tensor
    """``(batch, outputs)``; what they mean is the objective's matter (see ``objective.py``)."""
    bias: Tensor
    """``(outputs,)``."""
    token_weights: Tensor
    """``(batch, tokens)``: 0 on padding, sums to 1 over a review."""
    token_scores: Tensor
    """``(batch, tokens, outputs)``, signed share of each token in the logits: 0 on padding."""


class AttentionHead(nn.Module):
    """One attention layer over the backbone's states, then a linear unit.

    With ``A = softmax(Q K^T / sqrt(d_k))`` the paper's score is ``u . mean_i(sum_j A_ij V_j) + b``. Averaging over the
    queries ``i`` first gives one weight a token, ``w_j = mean_i A_ij``, and the very same score as a sum over tokens:
    ``b + sum_j w_j (u . V_j)``. Padding is neither attended to (its ``A_ij`` is 0) nor does it ask (not in the mean).
    """

    name: HeadName = "attention"

    def __init__(self, width: int, n_outputs: int = 1) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, n_outputs)

    def forward(self, states: Tensor, mask: Tensor) -> HeadOutput:
        """Score a batch.

        Args:
            states: ``(batch, tokens, width)``, the backbone's last hidden states.
            mask: ``(batch, tokens)``, True for real tokens; at least one a review.

        Returns:
            Logits and their split into tokens, in float32: a sum of bfloat16 parts would not add up.
        """
        states = states.float()
        queries, keys = self.query(states), self.key(states)
        logits = queries @ keys.transpose(1, 2) / math.sqrt(queries.shape[-1])
        attention = logits.masked_fill(~mask[:, None, :], -torch.inf).softmax(dim=-1)

        asking = mask.to(attention.dtype)
        token_weights = (attention * asking[:, :, None]).sum(dim=1) / asking.sum(dim=1, keepdim=True)
        # u . V_j = (u W) . h_j + u . c, so the values themselves, a vector a token, are never needed
        values = linear(states, self.output.weight @ self.value.weight, self.output.weight @ self.value.bias)
        return _add_up(values, token_weights, self.output.bias)


class MeanHead(nn.Module):
    """A linear unit over the mean of the states: every real token weighs the same."""

    name: HeadName = "mean"

    def __init__(self, width: int, n_outputs: int = 1) -> None:
        super().__init__()
        self.output = nn.Linear(width, n_outputs)

    def forward(self, states: Tensor, mask: Tensor) -> HeadOutput:
        """Score a batch; shapes and precision are those of ``AttentionHead.forward``."""
        weights = mask.float()
        values = linear(states.float(), self.output.weight)
        return _add_up(values, weights / weights.sum(dim=1, keepdim=True), self.output.bias)


class SummaryHead(nn.Module):
    """A linear unit over one token's state, in which the backbone gathers what it read: that token weighs 1.

    No word but that token gets a weight or a contribution, so this head shows no words.
    """

    name: HeadName = "cls"

    def __init__(self, width: int, summary_token: SummaryToken, n_outputs: int = 1) -> None:
        super().__init__()
        self.output = nn.Linear(width, n_outputs)
        self.summary_token: SummaryToken = summary_token

    def forward(self, states: Tensor, mask: Tensor) -> HeadOutput:
        """Score a batch; shapes and precision are those of ``AttentionHead.forward``."""
        counted = mask.long().cumsum(dim=1)  # 1 at the first real token, the number of them from the last one on
        wanted = counted[:, -1:] if self.summary_token == "last" else torch.ones_like(counted[:, -1:])
        place = (counted == wanted).long().argmax(dim=1)
        values = linear(states.float(), self.output.weight)
        return _add_up(values, one_hot(place, mask.shape[1]).float(), self.output.bias)


Head = AttentionHead | MeanHead | SummaryHead


def make_head(name: HeadName, width: int, n_outputs: int, summary_token: SummaryToken) -> Head:
    """A head of random weights (from torch's generator: seed it first).

    Args:
        name: Which head.
        width: Of the backbone's states.
        n_outputs: Logits a review.
        summary_token: In which of the real tokens the backbone gathers what it read; for ``cls`` alone.
    """
    match name:
        case "attention":
            return AttentionHead(width, n_outputs)
        case "mean":
            return MeanHead(width, n_outputs)
        case "cls":
            return SummaryHead(width, summary_token, n_outputs)
    assert_never(name)


def _add_up(values: Tensor, token_weights: Tensor, bias: Tensor) -> HeadOutput:
    """Logits as a sum over tokens, from ``(batch, tokens, outputs)``, ``(batch, tokens)`` and ``(outputs,)``."""
    token_scores = token_weights[:, :, None] * values
    return HeadOutput(token_scores.sum(dim=1) + bias, bias, token_weights, token_scores)
