"""What the learning rate does from step to step."""

import math

from torch.optim import Optimizer

from starsight.params import Schedule


def set_rate(optimizer: Optimizer, factor: float) -> None:
    """Every group's learning rate as a share of its ``peak_lr``."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor


def rate_factor(step: int, n_steps: int, schedule: Schedule, warmup_steps: int) -> float:
    """Learning rate of a step as a share of its peak, 0 to 1: rising over the warm-up, then as the schedule says.

    Args:
        step: Optimizer steps done before, from 0.
        n_steps: Steps of the whole training; early stopping may end it long before.
        schedule: What comes after the warm-up.
        warmup_steps: Over which the rate rises.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    left = max(n_steps - step, 0) / max(n_steps - warmup_steps, 1)
    match schedule:
        case "constant":
            return 1.0
        case "linear":
            return left
        case "cosine":
            return (1 - math.cos(math.pi * left)) / 2
