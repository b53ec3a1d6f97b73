"""Training on word embeddings that are shifted or mixed: adversaries and mixup."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from starsight.model.prefix import Backbone
from starsight.params import AdversaryParams

LossOf = Callable[[], Tensor]
"""Runs the network on a batch and gives its loss, a scalar."""


@contextmanager
def embeddings_changed(backbone: Backbone, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let ``change`` have the word embeddings ``(batch, tokens, width)`` of every pass, before anything reads them."""
    embeddings: nn.Module = backbone.get_input_embeddings()
    hook = embeddings.register_forward_hook(lambda _module, _ids, embedded: change(embedded))
    try:
        yield
    finally:
        hook.remove()


def backward(loss_of: LossOf, backbone: Backbone, params: AdversaryParams) -> Tensor:
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
            return _fast_gradient(loss_of, backbone, params)
        case "freelb":
            return _free_large_batch(loss_of, backbone, params)


def _fast_gradient(loss_of: LossOf, backbone: Backbone, params: AdversaryParams) -> Tensor:
    """Miyato, Dai, Goodfellow 2017, eq. 5: learn from the review, and from it moved ``epsilon`` up its gradient."""
    shift = _Shift()
    with embeddings_changed(backbone, shift.add):
        loss = loss_of()
        torch.autograd.backward(loss)
        shift.set(params.epsilon * shift.direction())
        torch.autograd.backward(loss_of())
    return loss.detach()


def _free_large_batch(loss_of: LossOf, backbone: Backbone, params: AdversaryParams) -> Tensor:
    """Zhu, Cheng, Gan, Sun, Goldstein, Liu 2020, algorithm 1: climb for some steps, and learn from each of them."""
    shift = _Shift(start=params.epsilon)
    losses = []
    with embeddings_changed(backbone, shift.add):
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
            raise RuntimeError("the backbone did not look its tokens up")
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


def mix(embedded: Tensor, partner: Tensor, share: float) -> Tensor:
    """Each review's embeddings, ``share`` of its own and the rest of its partner's (Guo, Mao, Zhang 2019).

    Args:
        embedded: ``(batch, tokens, width)``.
        partner: ``(batch,)``, rows of the same batch.
        share: 0 to 1.
    """
    return share * embedded + (1 - share) * embedded[partner]
