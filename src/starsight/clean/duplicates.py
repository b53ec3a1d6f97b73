"""Find reviews that say the same or nearly the same, and keep one of each.

Left in, copies stand in training and test at once and the score measures memory. Reviews are known here by their row,
and everything about them that must be in memory at once is a number in ``Index``: a table of millions stays small.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Rows = NDArray[np.int64]

OWN_WORDS: Final = 60
"""Letters from which a review's text alone tells a copy, whatever its summary says. Shorter texts ("True to size!") are
written by many people by chance, and are copies only together with their summary."""
UNDATED: Final = np.uint32(2**32 - 1)
"""``Index.seconds`` of a review without a time: later than any."""

DropReason = Literal["empty", "same_id", "exact", "near", "conflicting_stars"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)


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
    empty: NDArray[np.bool_]
    """Nothing readable is left of the text."""
    split: NDArray[np.int8]
    """Place in ``records.SPLITS``, as the reviewer's (product's, review's) hash says; -1 where another rule decides."""

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
    """Place in ``DROP_REASONS``; -1 for a review that is kept."""
    stands_for: Rows
    """Row of the review that stands for it: itself where it is alone or the one that was chosen."""


def compared(text: str, joined: str) -> str:
    """What is compared with other reviews: the text alone, with its summary where it is short."""
    return text if len(letters(text)) >= OWN_WORDS else joined


def letters(text: str) -> str:
    """The letters and digits of ``text`` in any script, case folded; the text itself where it has none.

    So "Loved it!!" and "loved it" are the same, and a thumb up and a thumb down are not.
    """
    folded = text.casefold()
    if folded.isascii():
        found = folded.encode().translate(None, _ASCII_SIGNS).decode()
    else:
        # marks carry the vowels of many scripts, but they are no letters to isalnum
        found = "".join(sign for sign in folded if unicodedata.category(sign) in _LETTERS and sign not in _EMOJI_STYLES)
    return found or folded


_ASCII_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum())
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "Mn", "Mc"})
_EMOJI_STYLES = frozenset("\ufe0e\ufe0f")
"""Marks to Unicode, but they only say whether an emoji is coloured."""


def hash64(text: str) -> int:
    """A number that stands for ``text``, the same in every run."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def exact_copies(index: Index) -> Rows:
    """For each review the first one that says exactly the same; an empty review says nothing that another could."""
    first = np.arange(len(index))
    shared = np.flatnonzero(repeated(index.key) & ~index.empty)
    first[shared] = pd.Series(shared).groupby(index.key[shared]).transform("first")
    return first


def repeated(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of ``values`` occur more than once; in little more memory than they take themselves."""
    ordered = np.sort(values)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return np.zeros(len(values), dtype=bool)
    return np.asarray(twice[np.searchsorted(twice, values).clip(max=len(twice) - 1)] == values)


def join_clusters(exact: Rows, near: Rows) -> Rows:
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
        graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(nodes), len(nodes)))
        _, component = connected_components(graph, directed=False)
        first_of_component = pd.Series(nodes).groupby(component).transform("min").to_numpy()
        joined = np.flatnonzero(np.isin(exact, nodes))
        cluster[joined] = first_of_component[np.searchsorted(nodes, exact[joined])]
    return cluster


def choose(index: Index, cluster: Rows, exact: Rows, review_ids: Callable[[Rows], list[str]]) -> Verdict:
    """Keep the earliest review of each cluster, then the one with the first ``review_id``; undated reviews last.

    A review that repeats the id of an earlier one but says something else is dropped too (``same_id``): an id that
    names two reviews names none.

    Args:
        index: of all reviews.
        cluster: from ``join_clusters``.
        exact: from ``exact_copies``.
        review_ids: the ids of some rows.
    """
    reason = np.where(index.empty, np.int8(DROP_REASONS.index("empty")), np.int8(-1))
    stands_for = np.arange(len(index))

    says_else, first_namesake = _same_id(index, cluster)
    reason[says_else] = DROP_REASONS.index("same_id")

    shared = np.flatnonzero(repeated(cluster) & ~index.empty)
    members = pd.DataFrame({"row": shared, "cluster": cluster[shared], "seconds": index.seconds[shared]})
    members["review_id"] = pd.Series(review_ids(shared), dtype="str")
    candidates = members[reason[shared] < 0].sort_values(["seconds", "review_id", "row"])
    chosen = candidates.groupby("cluster")["row"].transform("first")
    stands_for[candidates["row"]] = chosen
    copies = candidates["row"][candidates["row"] != chosen].to_numpy()
    is_exact = exact[copies] == exact[stands_for[copies]]
    reason[copies] = np.where(is_exact, DROP_REASONS.index("exact"), DROP_REASONS.index("near"))

    stands_for[says_else] = stands_for[first_namesake]
    return Verdict(reason, stands_for)


def disagreeing(index: Index, cluster: Rows) -> NDArray[np.bool_]:
    """Reviews of clusters that disagree about the stars."""
    shared = np.flatnonzero(repeated(cluster) & ~index.empty)
    stars = pd.Series(index.stars[shared]).groupby(cluster[shared])
    found = np.zeros(len(index), dtype=bool)
    found[shared] = stars.transform("min").to_numpy() != stars.transform("max").to_numpy()
    return found


def _same_id(index: Index, cluster: Rows) -> tuple[Rows, Rows]:
    """Rows that repeat the id of an earlier review but say something else, and that earlier review of each."""
    namesakes = np.flatnonzero(repeated(index.id_hash) & ~index.empty)
    table = pd.DataFrame({"row": namesakes, "id": index.id_hash[namesakes], "cluster": cluster[namesakes]})
    order = np.lexsort((namesakes, index.stars[namesakes], index.seconds[namesakes]))
    table = table.iloc[order]
    first = table.groupby("id")[["row", "cluster"]].transform("first")
    says_else = (table["cluster"] != first["cluster"]).to_numpy()
    return table["row"].to_numpy()[says_else], first["row"].to_numpy()[says_else]


def in_chunks(pairs: Rows, size: int) -> Iterator[Rows]:
    """``pairs`` in pieces of at most ``size``."""
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]
