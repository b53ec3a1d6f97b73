"""Find reviews that say the same or nearly the same, and keep one of each.

Left in, copies stand in training and test at once, and the score rewards a model for remembering. Reviews are known
here by their row, and everything about them that must be in memory at once is a number in ``Index``: a table of
millions stays small.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from starsight.clean.words import letters

Rows = NDArray[np.signedinteger[Any]]
"""Places in the ingested table, from 0: ``(rows,)``. In 32 bits where there is one for every review."""
Pairs = NDArray[np.signedinteger[Any]]
"""Two rows each, the smaller first: ``(pairs, 2)``."""

MIN_OWN_LETTERS: Final = 60
"""Letters from which a review's text alone tells a copy, whatever its summary says. Shorter texts ("True to size!") are
written by many people by chance, and are copies only together with their summary."""
UNDATED: Final = np.uint32(2**32 - 1)
"""``Index.seconds`` of a review without a time: later than any."""

DropReason = Literal["empty", "same_id", "exact", "near", "disputed_stars"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)
REASON_CODES: Final = {reason: np.int8(code) for code, reason in enumerate(DROP_REASONS)}
KEPT: Final = np.int8(-1)
"""In place of a reason's code."""


@dataclass(frozen=True)
class Index:
    """What must be known of all reviews at once, an entry each."""

    key: NDArray[np.uint64]
    """The same for reviews that say exactly the same."""
    id_hash: NDArray[np.uint64]
    """Of the ``review_id``."""
    seconds: NDArray[np.uint32]
    """Since 1970; ``UNDATED`` for reviews without a time."""
    stars: NDArray[np.float32]
    """1 to 5."""
    empty: NDArray[np.bool_]
    """Nothing readable is left of the text."""
    split: NDArray[np.int8]
    """A value of ``SPLIT_CODES``, as the reviewer's (product's, review's) hash says; -1 where time decides."""

    def __len__(self) -> int:
        return len(self.key)

    @classmethod
    def of_size(cls, n: int) -> "Index":
        """An index to be filled, a batch at a time."""
        return cls(
            key=np.zeros(n, dtype=np.uint64),
            id_hash=np.zeros(n, dtype=np.uint64),
            seconds=np.zeros(n, dtype=np.uint32),
            stars=np.zeros(n, dtype=np.float32),
            empty=np.zeros(n, dtype=np.bool_),
            split=np.zeros(n, dtype=np.int8),
        )

    def fill(self, start: int, batch: "Index") -> None:
        """Put ``batch`` at its place, from row ``start``."""
        for name, values in vars(batch).items():
            getattr(self, name)[start : start + len(batch)] = values


@dataclass(frozen=True)
class Verdict:
    """What becomes of each review; arrays ``(reviews,)``."""

    reason: NDArray[np.int8]
    """A value of ``REASON_CODES``, or ``KEPT``."""
    stands_for: Rows
    """Row of the review that is kept in its place; its own where none is."""


def compared(text: str, joined: str) -> str:
    """What is compared with other reviews: the text alone, with its summary where it is short."""
    return text if len(letters(text)) >= MIN_OWN_LETTERS else joined


def hash64(text: str) -> int:
    """A number that stands for ``text``, the same in every run."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def exact_copies(key: NDArray[np.uint64], empty: NDArray[np.bool_]) -> Rows:
    """For each review, ``(reviews,)``, the first that says exactly the same; an empty one has no copies.

    Args:
        key: as in ``Index``.
        empty: as in ``Index``.
    """
    first = np.arange(len(key), dtype=np.int32)
    shared = np.flatnonzero(repeated(key) & ~empty)
    first[shared] = pd.Series(shared).groupby(key[shared]).transform("first")
    return first


def same_once_corrected(key: NDArray[np.uint64], index: Index) -> Pairs:
    """Pairs of reviews that say exactly the same only since their spelling is corrected.

    Args:
        key: as in ``Index``, but of the corrected texts.
        index: of all reviews.
    """
    first = exact_copies(key, index.empty)
    rows = np.flatnonzero((first != np.arange(len(key))) & (index.key != index.key[first]))
    return np.stack([first[rows], rows], axis=1)


def repeated(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of ``values`` occur more than once; in little more memory than they take themselves."""
    ordered = np.sort(values)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return np.zeros(len(values), dtype=bool)
    return np.asarray(twice[np.searchsorted(twice, values).clip(max=len(twice) - 1)] == values)


def join_clusters(exact: Rows, near: Pairs) -> Rows:
    """For each review the first one of its cluster.

    Args:
        exact: for each review its first exact copy.
        near: pairs ``(pairs, 2)`` of rows that are near copies; they join whole groups.
    """
    cluster = exact.copy()
    if len(near):
        ends = exact[near]
        nodes, places = np.unique(ends, return_inverse=True)
        one, other = places.reshape(ends.shape).T
        graph = coo_array((np.ones(len(one), dtype=np.int32), (one, other)), shape=(len(nodes), len(nodes)))
        _, component = connected_components(graph, directed=False)
        first_of_component = pd.Series(nodes).groupby(component).transform("min").to_numpy()
        joined = np.flatnonzero(np.isin(exact, nodes))
        cluster[joined] = first_of_component[np.searchsorted(nodes, exact[joined])]
    return cluster


def choose(index: Index, cluster: Rows, exact: Rows, review_ids: Callable[[Rows], list[str]]) -> Verdict:
    """Keep the earliest review of each cluster, then the one with the first ``review_id``; undated reviews last.

    A review that repeats the id of an earlier one but says something else is dropped too (``same_id``): an id
    that two different reviews share identifies neither.

    Args:
        index: of all reviews.
        cluster: from ``join_clusters``.
        exact: from ``exact_copies``.
        review_ids: the ids of some rows.
    """
    reason = np.where(index.empty, REASON_CODES["empty"], KEPT)
    stands_for = np.arange(len(index), dtype=np.int32)

    reason[_same_id(index, cluster)] = REASON_CODES["same_id"]

    shared = np.flatnonzero(repeated(cluster) & ~index.empty)
    members = pd.DataFrame({"row": shared, "cluster": cluster[shared], "seconds": index.seconds[shared]})
    members["review_id"] = pd.Series(review_ids(shared), dtype="str")
    candidates = members[reason[shared] == KEPT].sort_values(["seconds", "review_id", "row"])
    chosen = candidates.groupby("cluster")["row"].transform("first")
    stands_for[candidates["row"]] = chosen
    copies = candidates["row"][candidates["row"] != chosen].to_numpy()
    is_exact = exact[copies] == exact[stands_for[copies]]
    reason[copies] = np.where(is_exact, REASON_CODES["exact"], REASON_CODES["near"])

    return Verdict(reason, stands_for)


def disputed(index: Index, cluster: Rows) -> NDArray[np.bool_]:
    """Reviews of clusters that disagree about the stars, ``(reviews,)``."""
    shared = np.flatnonzero(repeated(cluster) & ~index.empty)
    stars = pd.Series(index.stars[shared]).groupby(cluster[shared])
    found = np.zeros(len(index), dtype=bool)
    found[shared] = stars.transform("min").to_numpy() != stars.transform("max").to_numpy()
    return found


def _same_id(index: Index, cluster: Rows) -> Rows:
    """Rows that repeat the id of an earlier review but say something else."""
    namesakes = np.flatnonzero(repeated(index.id_hash) & ~index.empty)
    order = np.lexsort((namesakes, index.stars[namesakes], index.seconds[namesakes]))
    rows = namesakes[order]
    first = pd.Series(cluster[rows]).groupby(index.id_hash[rows]).transform("first").to_numpy()
    return np.asarray(rows[cluster[rows] != first])
