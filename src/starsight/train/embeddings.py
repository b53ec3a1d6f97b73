"""Training on word embeddings that are shifted or mixed: adversaries and mixup."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from starsight.model.embeddings import embeddings_changed
from starsight.model.regressor import StarRegressor
from starsight.params import AdversaryParams

LossOf = Callable[[], Tensor]
"""Runs the network on a batch and gives its loss, a scalar."""

Padded = tuple[Tensor, Tensor]
"""Token ids and the mask of the real ones, both ``(batch, tokens)``."""


@contextmanager
def mixed(regressor: StarRegressor, own: Padded, partner: Padded, share: float) -> Iterator[Padded]:
    """Let the network read each review mixed with its partner: of every token's embedding ``share`` of its own and the
    rest of the partner's at the same place (Guo, Mao, Zhang 2019, wordMixup).

    Where one of the two has ended it adds 0, as in the paper: the tail is the longer one's embeddings, times its share.

    Args:
        regressor: Looks the tokens up.
        own: The reviews.
        partner: One for each of them, padded to the same width.
        share: 0 to 1.

    Yields:
        What to give to the network: the reviews' ids, continued by the longer partner's, since some families give
        padding no position, and the mask of the tokens that either has.
    """
    (own_ids, own_mask), (partner_ids, partner_mask) = own, partner
    table: nn.Module = regressor.backbone.get_input_embeddings()

    def mix(embedded: Tensor) -> Tensor:
        beside: Tensor = table.forward(partner_ids)  # not a call: that would be changed in its turn
        return share * embedded * own_mask[:, :, None] + (1 - share) * beside * partner_mask[:, :, None]

    with embeddings_changed(regressor, mix):
        yield torch.where(own_mask, own_ids, partner_ids), own_mask | partner_mask


def backward(loss_of: LossOf, regressor: StarRegressor, params: AdversaryParams) -> Tensor:
    """Add a batch's gradients to the weights', those against the adversary included.

    Returns:
        The loss of the batch as it is, or, under FreeLB, the mean over the shifted ones; detached.
    """
    match params.kind:
        case "none":
            loss = loss_of()
            with record_function("starsight/backward"):
                torch.autograd.backward(loss)
            return loss.detach()
        case "fgm":
            return _fast_gradient(loss_of, regressor, params)
        case "freelb":
            return _free_large_batch(loss_of, regressor, params)


def _fast_gradient(loss_of: LossOf, regressor: StarRegressor, params: AdversaryParams) -> Tensor:
    """Miyato, Dai, Goodfellow 2017, eq. 5: learn from the review, and from it moved ``epsilon`` up its gradient."""
    shift = _Shift()
    with embeddings_changed(regressor, shift.add):
        loss = loss_of()
        torch.autograd.backward(loss)
        shift.set(params.epsilon * shift.direction())
        torch.autograd.backward(loss_of())
    return loss.detach()


def _free_large_batch(loss_of: LossOf, regressor: StarRegressor, params: AdversaryParams) -> Tensor:
    """Zhu, Cheng, Gan, Sun, Goldstein, Liu 2020, algorithm 1: climb for some steps, and learn from each of them."""
    shift = _Shift(start=params.epsilon)
    losses = []
    with embeddings_changed(regressor, shift.add):
        for _ in range(params.steps):
            loss = loss_of() / params.steps
            torch.autograd.backward(loss)
            losses.append(loss.detach())
            shift.set(_within(shift.value + params.step_size * shift.direction(), params.epsilon))
    return torch.stack(losses).sum()


class _Shift:
    """What is added to the embeddings of one batch; collects its gradient as the weights do."""

    def __init__(self, start: float = 0.0) -> None:
        self.start = start
        self._value: Tensor | None = None

    @property
    def value(self) -> Tensor:
        """``(batch, tokens, width)``; there is one once the network has run."""
        if self._value is None:
            raise RuntimeError("the network has not run yet")
        return self._value

    def add(self, embedded: Tensor) -> Tensor:
        if self._value is None:
            first = torch.zeros_like(embedded)
            if self.start:
                first.uniform_(-self.start, self.start).div_(embedded[0].numel() ** 0.5)
            self.set(first)
        return embedded + self.value

    def set(self, value: Tensor) -> None:
        self._value = value.detach().requires_grad_()

    def direction(self) -> Tensor:
        """Its gradient, of length 1 in every review; 0 where there is none."""
        gradient = torch.zeros_like(self.value) if self.value.grad is None else self.value.grad
        return gradient / _length(gradient).clamp_min(1e-12)


def _within(shift: Tensor, length: float) -> Tensor:
    return shift * (length / _length(shift).clamp_min(1e-12)).clamp_max(1.0)


def _length(shift: Tensor) -> Tensor:
    """Of each review's, tokens and width together; ``(batch, 1, 1)``."""
    length: Tensor = torch.linalg.vector_norm(shift, dim=(1, 2), keepdim=True)
    return length
