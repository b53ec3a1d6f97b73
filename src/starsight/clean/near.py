"""Find reviews that say nearly the same: MinHash signatures, locality-sensitive hashing, and a check of what it finds.

A review's signature holds, for each of many random orders of all word shingles, the first shingle that it has; two
signatures agree in about the share of places that is the Jaccard similarity of the two sets (Broder 1997). Cut into
bands, signatures that agree in a whole band make a candidate pair (Leskovec, Rajaraman, Ullman: Mining of Massive
Datasets, 3.4). Bands alone let many a pair through that is half as similar as it must be, and the more reviews there
are, the more of those there are to a review: a candidate must also agree in enough places of the whole signature, of
which one byte each is kept (Li, Koenig 2010). Only what is left is compared word by word.

The signatures are rensa's. Its index of bands is not used: it holds all of them in memory, 1.2 KiB a review. Here a
band is one number a review, kept on disk, and candidates are what sorting one band brings together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rensa import RMinHash

from starsight.clean.duplicates import Pairs, Rows
from starsight.clean.words import split_words
from starsight.params import DuplicateParams
from starsight.progress import track

MIN_RECALL = 0.95
"""Share of the pairs at the very threshold that shall become candidates."""
NO_BAND = np.uint64(0)
"""Band of a review with fewer words than a shingle: it has no near copies."""
MAX_LOSS = 0.001
"""Share of the pairs at the very threshold that may be lost for agreeing in too few places of their signatures."""

_SEED = 1
"""Of the signatures. Not the run's seed: who is a copy of whom must not change with it."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
"""Two to the 64 over the golden ratio: odd, with its bits well spread."""


@dataclass(frozen=True)
class BandShape:
    """How signatures are cut."""

    n_bands: int
    rows: int
    """Places of the signature in each band."""

    @classmethod
    def of(cls, params: DuplicateParams) -> "BandShape":
        """The longest bands, hence the fewest candidates, of which enough pairs at the threshold share one."""
        for rows in range(params.permutations, 1, -1):
            n_bands = params.permutations // rows
            if 1 - (1 - params.min_similarity**rows) ** n_bands >= MIN_RECALL:
                return cls(n_bands, rows)
        return cls(params.permutations, 1)


@dataclass(frozen=True)
class Signatures:
    """What is kept of the MinHash signatures of some texts."""

    bands: NDArray[np.uint64]
    """A number for each band, ``(texts, bands)``; ``NO_BAND`` where a text is shorter than a shingle."""
    places: NDArray[np.uint8]
    """The last byte of each place, ``(texts, permutations)``."""


def sign(texts: Sequence[str], params: DuplicateParams) -> Signatures:
    """The signatures of ``texts``."""
    shape = BandShape.of(params)
    hashes, offsets = _shingle_hashes([words(text) for text in texts], params.shingle_words)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, params.permutations, _SEED)
    signatures = np.array(matrix.to_rows(), dtype=np.uint64).reshape(len(texts), params.permutations)
    cut = signatures[:, : shape.n_bands * shape.rows].reshape(len(texts), shape.n_bands, shape.rows)
    bands = np.zeros((len(texts), shape.n_bands), dtype=np.uint64)
    for row in range(shape.rows):
        bands = _mixed(bands * _MIX + cut[:, :, row])
    bands[np.diff(offsets) == 0] = NO_BAND
    return Signatures(bands, signatures.astype(np.uint8))


def words(text: str) -> list[str]:
    """The words of ``text`` as near copies are compared: case folded, without signs."""
    return split_words(text.casefold())


def _shingle_hashes(texts: list[list[str]], shingle: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """A number for each shingle of every text, one text after the other, and where each text's begin; the last entry
    is the end."""
    n_words = np.array([len(text) for text in texts], dtype=np.int64)
    codes, distinct = pd.factorize(np.array([word for text in texts for word in text], dtype=object))
    word_hashes = pd.util.hash_array(np.asarray(distinct, dtype=object), categorize=False)[codes]
    n_shingles = np.maximum(n_words - shingle + 1, 0)
    offsets = np.concatenate([[0], np.cumsum(n_shingles)])
    # the word that each shingle begins with: those of one text stand together, and a text's last words begin none
    first = np.repeat(np.cumsum(n_words) - n_words - offsets[:-1], n_shingles) + np.arange(offsets[-1])
    hashes = np.zeros(len(first), dtype=np.uint64)
    for place in range(shingle):
        hashes = _mixed(hashes * _MIX + word_hashes[first + place])
    return hashes, offsets.astype(np.uint64)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over all others (the finaliser of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def candidate_pairs(band: NDArray[np.uint64], rows: Rows) -> Pairs:
    """Reviews that share a number in one band.

    Each is paired with the next one of its bucket and with the first, not with all: what is similar in a bucket is
    similar to its neighbours, and a bucket of thousands makes no millions of pairs.

    Args:
        band: a number for each review.
        rows: which review it is; ascending.

    Returns:
        ``(pairs, 2)`` entries of ``rows``, the smaller first.
    """
    order = np.argsort(band, kind="stable")
    ordered = band[order]
    follows = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != NO_BAND)) + 1
    before = follows - 1
    first = np.maximum.accumulate(np.where(np.diff(follows, prepend=-1) > 1, before, 0))  # a gap begins a bucket
    row, partners = rows[order[follows]], rows[order[np.concatenate([first, before])]]
    return _distinct(np.stack([partners, np.tile(row, 2)], axis=1))


def _distinct(pairs: Pairs) -> Pairs:
    """Each pair once, in order. A pair is sorted as one number: comparing two at a time takes ten times as long."""
    numbers = np.unique(pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1])
    return np.stack([numbers >> 32, numbers & 0xFFFFFFFF], axis=1)


def fewest_agreeing(params: DuplicateParams) -> int:
    """Places of the signatures in which all but ``MAX_LOSS`` of the pairs at the threshold agree: each place of such a
    pair agrees with the chance that is its similarity."""
    from scipy.stats import binom  # here: it takes a while, and no worker needs it

    return int(binom.ppf(MAX_LOSS, params.permutations, params.min_similarity))


class SignatureFiles:
    """The signatures of all reviews, a file for each band and each place: what looks at one reads no other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_bands = self.n_places = 0

    def append(self, signatures: Signatures) -> None:
        """Add those of the next reviews."""
        self.n_bands, self.n_places = signatures.bands.shape[1], signatures.places.shape[1]
        for what, columns in vars(signatures).items():
            for number, column in enumerate(columns.T):
                with self._file(what, number).open("ab") as file:
                    file.write(np.ascontiguousarray(column).tobytes())

    def candidates(self, rows: Rows, params: DuplicateParams) -> Pairs:
        """Pairs of ``rows`` (ascending) that share a band, and of whose signatures enough places agree."""
        pairs = np.empty((0, 2), dtype=np.int64)
        for number in track(range(self.n_bands), "compare bands", unit="bands", total=self.n_bands):
            band = np.fromfile(self._file("bands", number), dtype=np.uint64)[rows]
            pairs = _distinct(np.concatenate([pairs, candidate_pairs(band, rows)]))
        return pairs[self._agreeing(pairs) >= fewest_agreeing(params)]

    def _agreeing(self, pairs: Pairs) -> NDArray[np.uint16]:
        """In how many places of their signatures the reviews of each pair agree, ``(pairs,)``."""
        agreeing = np.zeros(len(pairs), dtype=np.uint16)
        for number in range(self.n_places):
            place = np.fromfile(self._file("places", number), dtype=np.uint8)
            agreeing += place[pairs[:, 0]] == place[pairs[:, 1]]
        return agreeing

    def _file(self, what: str, number: int) -> Path:
        return self.folder / f"{what}-{number:03d}"


def jaccard(one: str, other: str, shingle: int) -> float:
    """Jaccard similarity of two texts' sets of word shingles, 0 to 1; of their sets of words where one is shorter."""
    ours, theirs = words(one), words(other)
    size = min(shingle, len(ours), len(theirs)) or 1
    first, second = set(_shingles(ours, size)), set(_shingles(theirs, size))
    return len(first & second) / (len(first | second) or 1)


def _shingles(of: list[str], size: int) -> Iterator[tuple[str, ...]]:
    return zip(*(of[start:] for start in range(size)), strict=False)
