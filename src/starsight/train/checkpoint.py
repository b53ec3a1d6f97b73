"""The state of a training under way, so that a killed one goes on where it was and ends with the same weights."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from starsight.errors import ModelError
from starsight.model.compute import choose_compute
from starsight.params import Params
from starsight.tables import replacing

_LIBRARIES = ("torch", "transformers", "peft", "tokenizers")
"""Whose versions may change what a training comes to."""


def shaping_settings(params: Params, **own: Any) -> dict[str, Any]:
    """What shapes any training besides files, for ``training_key``: seed, model, tokens, device and precision; and its
    ``own`` settings."""
    compute = choose_compute()
    return {
        "seed": params.seed,
        "model": params.model_row.model_dump(),
        "tokenize": params.tokenize.model_dump(),
        "device": compute.device.type,
        "precision": compute.precision,
        **own,
    }


def training_key(settings: Mapping[str, Any], folders: Iterable[Path]) -> str:
    """Name of a training: a hash of all that shapes its weights, the versions of the libraries among it. Another key
    never resumes from this one's state.

    Args:
        settings: JSON-like.
        folders: Data, code and pretrained weights: every file below counts, or a file by itself.
    """
    files = [
        path
        for folder in folders
        for path in (sorted(folder.rglob("*")) if folder.is_dir() else [folder])
        if path.is_file() and path.suffix != ".pyc"
    ]
    said = {**settings, "libraries": {name: version(name) for name in _LIBRARIES}}
    digest = hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8)
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "blake2b").digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class CheckpointFolder:
    """Files of one training, below the scratch folder. Gone when the training has ended well."""

    root: Path

    def member(self, number: int) -> "CheckpointFolder":
        """Of one of several models that are trained one after the other, from 0."""
        return CheckpointFolder(self.root / str(number))

    @property
    def state(self) -> Path:
        """Weights, optimizer and position; replaced as a whole."""
        return self.root / "state.pt"

    @property
    def best(self) -> Path:
        """Weights of the best epoch so far."""
        return self.root / "best.pt"

    @contextmanager
    def alone(self, *, keep: bool = False) -> Iterator[None]:
        """Keep a second process from the same training; it would overwrite this one's state. When the block has ended
        well, the state goes, unless asked to ``keep`` it.

        Raises:
            ModelError: another process is at it.
        """
        lock = FileLock(self.root.with_suffix(".lock"))
        self.root.parent.mkdir(parents=True, exist_ok=True)
        try:
            with lock.acquire(blocking=False):
                self._sweep()
                yield
                if self.root.exists() and not keep:
                    self._clear()
        except Timeout:
            raise ModelError(
                "another process is at this very training (same data, settings and code); wait for it to end, then "
                "run again: DVC restores what it made."
            ) from None

    def _clear(self) -> None:
        """All at once: a kill in the middle leaves no half of a state, which a training would go on from."""
        self.root.rename(self._gone)
        self._sweep()

    def _sweep(self) -> None:
        if self._gone.exists():
            shutil.rmtree(self._gone)

    @property
    def _gone(self) -> Path:
        return self.root.with_suffix(".gone")

    @property
    def run_id(self) -> Path:
        """The MLflow run that this training reports to. It outlives the state: where the stage has ended and DVC was
        killed before it knew, the same training is done again, in the same run."""
        return self.root.with_suffix(".run_id")


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write beside and rename: a kill leaves the old state or the new one, never half of one."""
    with replacing(path) as partial:
        torch.save(dict(state), partial)


def load_state(path: Path) -> dict[str, Any] | None:
    """What ``save_state`` wrote; None where there is nothing. Tensors and plain values only, no code is run."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
