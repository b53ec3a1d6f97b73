"""The processes that train together: under torchrun or accelerate launch several, else this one alone."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from starsight.errors import ModelError
from starsight.model.compute import choose_compute

_PATIENCE = timedelta(hours=1)
"""The leader writes checkpoints and downloads weights while the others wait."""


@dataclass(frozen=True)
class Group:
    """The place of this process among those that train the same weights."""

    rank: int = 0
    n: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes: files, logs and MLflow are one process's."""
        return self.rank == 0

    def share(self, n_rows: int) -> slice:
        """Which rows of a batch are this process's."""
        return slice(self.rank, n_rows, self.n)

    def add_up(self, tensors: Iterable[Tensor | None]) -> None:
        """Replace each tensor by its sum over all processes, in as few messages as there are types."""
        if self.n == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            if tensor is not None:
                by_type.setdefault(tensor.dtype, []).append(tensor)
        for alike in by_type.values():
            joined = torch.cat([tensor.reshape(-1) for tensor in alike])
            dist.all_reduce(joined)
            parts = torch.split(joined, [tensor.numel() for tensor in alike])
            torch._foreach_copy_(alike, [part.view_as(tensor) for part, tensor in zip(parts, alike, strict=True)])

    def wait(self) -> None:
        """Until every process has come this far."""
        if self.n > 1:
            dist.barrier()

    def check_shares(self, file: Path) -> None:
        """See that every process reads what the leading one writes; all call this once the leader has made ``file``.

        Raises:
            ModelError: this process does not see it.
        """
        self.wait()
        if self.n > 1 and not file.exists():
            raise ModelError(
                f"process {self.rank} does not see {file}, which the leading process has written; "
                "machines that train together need the repository on a file system that they share."
            )


ALONE = Group()


@contextmanager
def process_group() -> Iterator[Group]:
    """Meet the processes that the launcher started; ``ALONE`` where none did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    device = choose_compute().device
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Group(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
