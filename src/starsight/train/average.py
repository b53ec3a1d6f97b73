"""A running average of the weights: at a constant learning rate it does what a falling one would do, at any epoch."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from starsight.model.regressor import StarRegressor


def average_weights(regressor: StarRegressor, decay: float) -> AveragedModel:
    """A copy of ``regressor`` that follows it. Call ``update_parameters`` after every optimizer step.

    Args:
        regressor: In training.
        decay: Share of the average that a step keeps, reached from below: with ``n`` steps behind it, an average
            keeps at most ``(1 + n) / (10 + n)``, so that the untrained weights are soon forgotten. 0 copies.
    """
    return AveragedModel(regressor, multi_avg_fn=_moving_average(decay))


Tensors = tuple[Tensor, ...] | list[Tensor]


def _moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    @torch.no_grad()
    def update(averages: Tensors, current: Tensors, n_steps: Tensor | int) -> None:
        kept = min(decay, (1 + int(n_steps)) / (10 + int(n_steps)))
        torch._foreach_lerp_(averages, current, 1 - kept)

    return update
