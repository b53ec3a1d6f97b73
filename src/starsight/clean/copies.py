"""Which reviews are copies of which, found in flat memory: bands lie on disk, texts are fetched when compared."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from starsight.clean.batch import Store
from starsight.clean.duplicates import (
    KEPT,
    REASON_CODES,
    Index,
    Pairs,
    Rows,
    Verdict,
    choose,
    disputed,
    join_clusters,
)
from starsight.clean.near import SignatureFiles, jaccard
from starsight.memory import give_back_memory
from starsight.params import DuplicateParams
from starsight.progress import track
from starsight.workers import Workers

_PAIRS_AT_ONCE: Final = 20_000
"""Pairs whose texts are in memory together."""


@dataclass(frozen=True)
class Copies:
    """Who is a copy of whom, and what becomes of each review; arrays ``(reviews,)``."""

    verdict: Verdict
    exact: Rows
    """Row of the first review that says exactly the same."""
    cluster: Rows
    """Row of the first review that says nearly the same."""
    disputed: NDArray[np.bool_]
    """Whether the reviews of its cluster disagree about the stars."""

    @property
    def reason(self) -> NDArray[np.int8]:
        """As in ``Verdict``."""
        return self.verdict.reason

    @property
    def stands_for(self) -> Rows:
        """As in ``Verdict``."""
        return self.verdict.stands_for

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Reviews that stay."""
        return np.asarray(self.reason == KEPT)

    @property
    def n_disputed(self) -> int:
        """Clusters whose reviews disagree about the stars."""
        return len(np.unique(self.cluster[self.disputed]))

    def without_disputed(self, test: NDArray[np.bool_]) -> "Copies":
        """The same, but a review that stands for a disputed cluster is dropped where it would be tested on: whether the
        model or the label is wrong, nobody could say."""
        reason = np.where(self.kept & test & self.disputed, REASON_CODES["disputed_stars"], self.reason)
        return replace(self, verdict=replace(self.verdict, reason=reason))


def find_copies(
    index: Index, exact: Rows, signatures: SignatureFiles, store: Store, params: DuplicateParams, pool: Workers
) -> Pairs:
    """Near copies among the reviews that are no exact copies of an earlier one."""
    alone = np.flatnonzero((exact == np.arange(len(index))) & ~index.empty)
    pairs = signatures.candidates(alone, params)
    return pairs[_similarities(pairs, store, params, pool) >= params.min_similarity]


def settle(index: Index, exact: Rows, near: Pairs, store: Store) -> Copies:
    """Join copies to clusters, and choose one review of each.

    Args:
        index: of all reviews.
        exact: from ``exact_copies``.
        near: from ``find_copies``.
        store: the reviews.
    """
    cluster = join_clusters(exact, near)
    copies = Copies(choose(index, cluster, exact, store.review_ids), exact, cluster, disputed(index, cluster))
    give_back_memory()  # choosing needs more for a moment than all that follows
    return copies


def similarities(copies: Copies, store: Store, params: DuplicateParams, pool: Workers) -> NDArray[np.float32]:
    """Jaccard similarity of each review with the one that stands for it, 0 to 1; ``(reviews,)``."""
    similarity = np.ones(len(store), dtype=np.float32)
    apart = np.flatnonzero(copies.exact != copies.exact[copies.stands_for])
    pairs = np.stack([apart, copies.stands_for[apart]], axis=1)
    similarity[apart] = _similarities(pairs, store, params, pool)
    return similarity


def _similarities(pairs: Pairs, store: Store, params: DuplicateParams, pool: Workers) -> NDArray[np.float64]:
    """Jaccard similarity of the two reviews of each pair, ``(pairs,)``."""
    measure = partial(_similarities_of, store=store, shingle=params.shingle_words)
    # first the pairs of one batch: a chunk of them reads few batches, and one that holds a distant pair reads many
    order = np.lexsort((pairs[:, 0], np.abs(np.diff(store.batch_of(pairs), axis=1)[:, 0]) > 0))
    chunks = np.split(pairs[order], range(_PAIRS_AT_ONCE, len(pairs), _PAIRS_AT_ONCE))
    measured = track(pool.map(measure, chunks), "compare reviews", unit="chunks", total=len(chunks))
    similarity = np.empty(len(pairs))
    similarity[order] = np.concatenate(list(measured))
    return similarity


def _similarities_of(pairs: Pairs, *, store: Store, shingle: int) -> NDArray[np.float64]:
    texts = store.compared_texts(pairs)
    return np.array([jaccard(texts[one], texts[other], shingle) for one, other in pairs.tolist()])
