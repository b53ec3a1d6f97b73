"""Matrix products: how many of them a review's training needs, how fast this machine can be at them, and where the rest
of a step's time goes."""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear, mse_loss
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from starsight.errors import ModelError
from starsight.model.batches import WIDTH_STEP
from starsight.model.compute import Compute
from starsight.model.families import FAMILIES
from starsight.model.regressor import StarRegressor

PARTS = ("data", "forward", "backward", "optimizer")
"""Ranges that the loop names ``starsight/data`` and so on, one after the other in every step."""

_WINDOW_S = 0.2
"""Seconds over which a rate is sustained."""

Shape = tuple[int, int, int]
"""Rows, columns and inner length of a matrix product."""


def flops_per_review(regressor: StarRegressor, lengths: NDArray[np.int64]) -> float:
    """Floating point operations of the matrix products, forward and backward, of the mean review without padding.

    Each length is counted once, on a batch of one review, and weighted with the reviews of this length. Attention is
    written out for the count: fused ones are not all known to the counter.

    Args:
        regressor: Left as it is.
        lengths: ``(reviews,)``, in tokens.
    """
    regressor = deepcopy(regressor)
    cast(PreTrainedModel, regressor.backbone).set_attn_implementation("eager")
    values, counts = np.unique(lengths, return_counts=True)
    return float(np.average([_flops(regressor, int(length)) for length in values], weights=counts))


def _flops(regressor: StarRegressor, length: int) -> int:
    device = next(regressor.parameters()).device
    input_ids = torch.zeros((1, length), dtype=torch.long, device=device)
    with FlopCounterMode(display=False) as counter:
        rating = regressor(input_ids, torch.ones_like(input_ids, dtype=torch.bool))
        torch.autograd.backward(mse_loss(rating.logits, torch.zeros_like(rating.logits)))
    return int(counter.get_total_flops())


def feed_forward_shapes(regressor: StarRegressor, lengths: NDArray[np.int64], batch_size: int) -> list[Shape]:
    """The two products of the backbone's feed-forward layers, the largest that it has, for a batch of mean length."""
    config = regressor.backbone.config
    width = config.hidden_size
    inner = getattr(config, FAMILIES[regressor.family].inner_key or "", None) or 4 * width
    rows = batch_size * int(np.ceil(lengths.mean() / WIDTH_STEP)) * WIDTH_STEP
    return [(rows, inner, width), (rows, width, inner)]


def best_rate(shapes: list[Shape], compute: Compute) -> float:
    """Floating point operations a second of the fastest of ``shapes``, each kept up for 0.2 seconds."""
    return max(_rate(shape, compute) for shape in shapes)


def _rate(shape: Shape, compute: Compute) -> float:
    rows, columns, inner = shape
    dtype = torch.bfloat16 if compute.precision == "bf16" else torch.float32
    states, weights = (
        torch.randn(size, inner, generator=torch.Generator().manual_seed(size)).to(compute.device, dtype)
        for size in (rows, columns)
    )
    with torch.inference_mode():
        n_products = 1
        while True:
            seconds = _seconds(linear, states, weights, n_products)
            if seconds >= _WINDOW_S:
                return 2 * rows * columns * inner * n_products / seconds
            n_products *= 2


def _seconds(product: Callable[[Tensor, Tensor], Tensor], states: Tensor, weights: Tensor, n_products: int) -> float:
    _wait_for(states.device)
    started = time.perf_counter()
    for _ in range(n_products):
        product(states, weights)
    _wait_for(states.device)
    return time.perf_counter() - started


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def shares_of(train: Callable[[], object]) -> dict[str, float]:
    """Shares of a step's time that its parts take, and ``rest``, from the first part of ``train`` to its last.

    On a GPU the process must run with ``CUDA_LAUNCH_BLOCKING=1``: a part is over when its work has been handed in.

    Raises:
        ModelError: the loop names no such parts.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        train()
    spans = {part: list(_spans(profiler, f"starsight/{part}")) for part in PARTS}
    if missing := [part for part, found in spans.items() if not found]:
        raise ModelError(f"the training loop has no record_function range starsight/{missing[0]}.")
    every = np.array([span for found in spans.values() for span in found])
    whole = every[:, 1].max() - every[:, 0].min()
    taken = {part: float(np.diff(np.array(found)).sum() / whole) for part, found in spans.items()}
    return taken | {"rest": 1 - sum(taken.values())}


def _spans(profiler: profile, name: str) -> Iterator[tuple[float, float]]:
    """Start and end of each range, in microseconds."""
    for event in cast(Any, profiler).events():
        if event.name == name:
            yield event.time_range.start, event.time_range.end
