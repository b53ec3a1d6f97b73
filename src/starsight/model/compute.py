"""Which device computes, in which precision, and why: asked of the machine, never of the settings."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from starsight.errors import ModelError


@dataclass(frozen=True)
class Compute:
    """Device and precision of matrix products; weights and sums stay in float32."""

    device: torch.device
    precision: Literal["bf16", "fp32"]
    reason: str
    """Why this precision, in words."""

    def autocast(self) -> AbstractContextManager[None]:
        """Context in which the backbone computes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


@contextmanager
def must_fit(what: str, way_out: str) -> Iterator[None]:
    """Say what did not fit into memory, and the way out.

    Raises:
        ModelError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # Of a GPU torch raises OutOfMemoryError, of a CPU a plain RuntimeError.
        if not (isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)):
            raise
        raise ModelError(f"{what} does not fit into memory; {way_out}") from None


def describe_batch(n_reviews: int, n_tokens: int) -> str:
    """A batch in words, by the tokens of its longest review."""
    return f"a batch of {n_reviews} reviews of up to {n_tokens} tokens"


def choose_compute() -> Compute:
    """The GPU where there is one, else the CPU; bfloat16 where the chip multiplies it faster than float32.

    ``STARSIGHT_DEVICE`` (``cpu``, ``cuda``, ``cuda:1``) overrides the device.

    Raises:
        ModelError: ``STARSIGHT_DEVICE`` names no device of this machine.
    """
    own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"  # a launcher of several processes gives each its number
    wanted = os.environ.get("STARSIGHT_DEVICE") or (own if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ModelError(f"STARSIGHT_DEVICE: {wanted!r} is no device; use cpu, cuda or cuda:<number>.") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ModelError(f"STARSIGHT_DEVICE is {wanted!r}, but torch sees no GPU; use cpu or install its drivers.")
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Compute(device, "bf16", "the GPU has bfloat16 tensor cores")
        return Compute(device, "fp32", "the GPU has no bfloat16 tensor cores")
    if device.type != "cpu":
        raise ModelError(f"STARSIGHT_DEVICE: {wanted!r} is not supported; use cpu or cuda.")
    chip = torch.cpu.get_capabilities()
    for instructions in ("amx_bf16", "avx512_bf16"):
        if chip.get(instructions):
            return Compute(device, "bf16", f"the processor has {instructions} instructions")
    return Compute(device, "fp32", "the processor has no bfloat16 instructions")
