"""Which reviews are copies of which, found in flat memory: bands lie on disk, texts are fetched when compared."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from starsight.clean.batch import Batch
from starsight.clean.duplicates import (
    DROP_REASONS,
    Index,
    Rows,
    choose,
    compared,
    disagreeing,
    exact_copies,
    in_chunks,
    join_clusters,
)
from starsight.clean.near import Bands, candidate_pairs, jaccard
from starsight.params import DuplicateParams
from starsight.progress import track
from starsight.workers import Workers

_PAIRS_AT_ONCE: Final = 20_000
"""Pairs whose texts are in memory together."""


@dataclass(frozen=True)
class Copies:
    """What becomes of each review; arrays ``(reviews,)``."""

    reason: NDArray[np.int8]
    """Place in ``DROP_REASONS``; -1 for a review that is kept."""
    stands_for: Rows
    """Row of the review that stands for it: itself where it is alone or the one that was chosen."""
    exact: Rows
    """Row of the first review that says exactly the same."""
    cluster: Rows
    """Row of the first review that says nearly the same."""
    similarity: NDArray[np.float32]
    """Jaccard similarity with the review that stands for it, 0 to 1."""
    disagree: NDArray[np.bool_]
    """Whether the reviews of its cluster disagree about the stars."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Reviews that stay."""
        return self.reason < 0

    @property
    def n_conflicts(self) -> int:
        """Clusters whose reviews disagree about the stars."""
        return len(np.unique(self.cluster[self.disagree]))

    def without_conflicts(self, test: NDArray[np.bool_]) -> "Copies":
        """The same, but a review that stands for a disagreeing cluster is dropped where it would be tested on: whether
        the model or the label is wrong, nobody could say."""
        conflicting = DROP_REASONS.index("conflicting_stars")
        return replace(
            self, reason=np.where(self.kept & test & self.disagree, conflicting, self.reason).astype(np.int8)
        )


@dataclass(frozen=True)
class Store:
    """Reviews by their row, wherever they lie."""

    batches: list[Batch]
    first_row: Rows
    """Of each batch, and behind them the number of reviews."""

    @classmethod
    def of(cls, batches: list[Batch]) -> "Store":
        """The reviews of ``batches``, in order."""
        sizes = [batch.n_reviews for batch in batches]
        return cls(batches, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    def by_batch(self, rows: Rows) -> Iterator[tuple[Batch, Rows, Rows]]:
        """Each batch that holds any of ``rows`` (ascending): the batch, which rows, and their places in it."""
        cuts = np.searchsorted(rows, self.first_row)
        for batch, first, (start, end) in zip(self.batches, self.first_row[:-1], pairwise(cuts), strict=True):
            if start < end:
                yield batch, rows[start:end], rows[start:end] - first

    def compared_texts(self, rows: Rows) -> dict[int, str]:
        """What is compared of each of ``rows``."""
        found: dict[int, str] = {}
        for batch, held, places in self.by_batch(np.unique(rows)):
            texts, joined = batch.texts()
            found |= {
                row: compared(texts[place], joined[place])
                for row, place in zip(held.tolist(), places.tolist(), strict=True)
            }
        return found

    def review_ids(self, rows: Rows) -> list[str]:
        """The ids of ``rows`` (ascending)."""
        ids: list[str] = []
        for batch, _, places in self.by_batch(rows):
            ids += batch.read(["review_id"])["review_id"].iloc[places].tolist()
        return ids


class BandFiles:
    """The bands of all reviews, a file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_bands = 0

    def append(self, bands: Bands) -> None:
        """Add the bands of the next reviews."""
        self.n_bands = bands.shape[1]
        for place in range(self.n_bands):
            with self._file(place).open("ab") as file:
                file.write(np.ascontiguousarray(bands[:, place]).tobytes())

    def candidates(self, rows: Rows) -> Rows:
        """Pairs of ``rows`` (ascending) that share a band."""
        pairs = np.empty((0, 2), dtype=np.int64)
        for place in track(range(self.n_bands), "compare bands", unit="bands", total=self.n_bands):
            band = np.fromfile(self._file(place), dtype=np.uint64)[rows]
            pairs = np.unique(np.concatenate([pairs, candidate_pairs(band, rows)]), axis=0)
        return pairs

    def _file(self, place: int) -> Path:
        return self.folder / f"band-{place:03d}"


def find_copies(index: Index, bands: BandFiles, store: Store, params: DuplicateParams, pool: Workers) -> Copies:
    """Find exact and near copies, and choose one review of each cluster."""
    exact = exact_copies(index)
    alone = np.flatnonzero((exact == np.arange(len(index))) & ~index.empty)
    pairs = bands.candidates(alone)
    near = pairs[_similarities(pairs, store, params, pool) >= params.threshold]
    cluster = join_clusters(exact, near)
    verdict = choose(index, cluster, exact, store.review_ids)

    similarity = np.ones(len(index), dtype=np.float32)
    apart = np.flatnonzero(exact != exact[verdict.stands_for])
    similarity[apart] = _similarities(np.stack([apart, verdict.stands_for[apart]], axis=1), store, params, pool)
    return Copies(verdict.reason, verdict.stands_for, exact, cluster, similarity, disagree=disagreeing(index, cluster))


def _similarities(pairs: Rows, store: Store, params: DuplicateParams, pool: Workers) -> NDArray[np.float64]:
    """Jaccard similarity of the two reviews of each pair."""
    measure = partial(_similarities_of, store=store, shingle=params.shingle)
    chunks = pool.map(measure, list(in_chunks(pairs, _PAIRS_AT_ONCE)))
    return np.concatenate([np.empty(0), *track(chunks, "compare reviews", unit="chunks")])


def _similarities_of(pairs: Rows, *, store: Store, shingle: int) -> NDArray[np.float64]:
    texts = store.compared_texts(pairs)
    return np.array([jaccard(texts[one], texts[other], shingle) for one, other in pairs.tolist()])
