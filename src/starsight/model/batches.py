"""Token lists to padded tensors, in batches of like length: padding is work that nobody sees."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import Tensor

WIDTH_STEP = 8
"""Batches are this many tokens wide, or a multiple. The processor's library compiles, and keeps, a matrix product for
every width that it meets: with 120 widths training is a fifth slower and takes twice the memory, with eight in place of
sixteen there is more padding than that saves."""

_POOL_BATCHES = 64
"""Batches whose reviews are sorted by length together: long enough for little padding, short enough to stay random."""


@dataclass(frozen=True)
class TokenizedReviews:
    """Reviews in memory, ready to be put into batches."""

    input_ids: list[NDArray[np.int64]]
    """One ``(tokens,)`` array a review."""
    stars: NDArray[np.float32]
    """``(reviews,)``."""
    pad_id: int
    word_ids: list[NDArray[np.int32]] = field(default_factory=list)
    """Number of the word that each token is a part of, -1 for the tokenizer's own marks: ``(tokens,)`` a review. Empty
    where nobody asks."""

    @classmethod
    def from_dataset(cls, tokens: Dataset, pad_id: int) -> "TokenizedReviews":
        """Bring the rows of a tokenized split to memory."""
        columns = tokens.with_format("numpy")
        input_ids = [ids.astype(np.int64) for ids in columns["input_ids"]]
        return cls(input_ids, np.asarray(columns["stars"]), pad_id, [ids.astype(np.int32) for ids in columns["words"]])

    def take(self, rows: NDArray[np.int64]) -> "TokenizedReviews":
        """Some of the reviews."""
        input_ids, word_ids = ([each[row] for row in rows if each] for each in (self.input_ids, self.word_ids))
        return TokenizedReviews(input_ids, self.stars[rows], self.pad_id, word_ids)

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(reviews,)``, in tokens."""
        return np.array([len(ids) for ids in self.input_ids])


def pad(input_ids: Sequence[NDArray[np.int64]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token lists to ``input_ids`` and ``mask``, both ``(batch, tokens)``, padded on the right.

    ``tokens`` is the longest list's length, raised to a multiple of ``WIDTH_STEP``.
    """
    width = -(-max(len(ids) for ids in input_ids) // WIDTH_STEP) * WIDTH_STEP
    padded = np.full((len(input_ids), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(input_ids), width), dtype=bool)
    for row, ids in enumerate(input_ids):
        padded[row, : len(ids)] = ids
        mask[row, : len(ids)] = True
    return torch.from_numpy(padded), torch.from_numpy(mask)


def shuffled_batches(lengths: NDArray[np.int64], batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Row numbers of every batch of an epoch; each review once. The same seed and epoch give the same batches.

    Args:
        lengths: ``(reviews,)``, in tokens.
        batch_size: Reviews a batch; the last of a pool may be smaller.
        seed: Of the whole run.
        epoch: Counts from 1.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    batches = []
    pool = batch_size * _POOL_BATCHES
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def batches_by_length(lengths: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Row numbers for a pass without training: longest first, so that memory runs out at once or never."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
