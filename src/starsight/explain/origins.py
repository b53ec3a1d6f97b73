"""Where the words of a clean text stand in the text as it came in.

Cleaning takes out markup, decodes entities, corrects spelling; its rules say nothing of places. So both texts are cut
into pieces, each piece of the raw text is cleaned by itself, and the longest common subsequence of the two rows is
what stayed: first of pieces between blanks, then, where they differ, of words. What lies between two matches came from
what lies between them in the other text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from starsight.explain.words import Ints, find_words

_WINDOW = 2048
"""Pieces compared at a time: time grows with the length of a text and memory does not. Cleaning takes out no longer
stretch, but for a script of more pieces than this; places after one may be off."""

_BETWEEN_BLANKS = re.compile(r"\S+")
_ENTITY = re.compile(r"&(?:amp;)*(?:#\w{1,7}|[A-Za-z]\w{1,31});")


class Piece(NamedTuple):
    """A stretch of a text, and what it is compared by."""

    start: int
    end: int
    key: str


class Run(NamedTuple):
    """Neighbouring pieces of the raw text and those of the clean text that came from them, as slices."""

    raw: slice
    clean: slice


def find_origins(raw: str, clean: str, words: Ints, clean_piece: Callable[[str], str]) -> Ints:
    """Places in ``raw`` of the words of ``clean``.

    Args:
        raw: The text as it came in.
        clean: The same after cleaning.
        words: ``(words, 2)``, first character of each word in ``clean`` and the one after its last, ascending.
        clean_piece: The cleaning, for a piece of the text.

    Returns:
        ``(words, 2)``, the same for ``raw``. Words that came from one stretch together, such as ``[link]``, share it.
    """
    if raw == clean or not len(words):
        return words.copy()
    clean_piece = lru_cache(maxsize=10_000)(clean_piece)  # a text repeats its words
    origins = np.zeros_like(words)
    raw_pieces = [Piece(*match.span(), clean_piece(match[0])) for match in _BETWEEN_BLANKS.finditer(raw)]
    clean_pieces = [Piece(*match.span(), match[0]) for match in _BETWEEN_BLANKS.finditer(clean)]
    for run in align(raw_pieces, clean_pieces):
        (start, end), (clean_start, clean_end) = _extent(raw_pieces, run.raw), _extent(clean_pieces, run.clean)
        first, after = np.searchsorted(words[:, 0], [clean_start, clean_end])
        inside = slice(int(first), int(after))
        if raw[start:end] == clean[clean_start:clean_end]:
            origins[inside] = words[inside] + (start - clean_start)
        else:
            in_clean = [Piece(int(a), int(b), clean[a:b]) for a, b in words[inside]]
            origins[inside] = _among_words(_cut(raw, start, end, clean_piece), in_clean, start)
    return origins


def _among_words(raw_pieces: Sequence[Piece], clean_pieces: Sequence[Piece], start: int) -> Ints:
    """Places ``(words, 2)`` of the clean pieces; those that nothing is left for stand behind their neighbour."""
    places = np.full((len(clean_pieces), 2), start)
    for run in align(raw_pieces, clean_pieces):
        n_raw, n_clean = run.raw.stop - run.raw.start, run.clean.stop - run.clean.start
        if n_raw == n_clean:
            places[run.clean] = [(piece.start, piece.end) for piece in raw_pieces[run.raw]]
        elif n_raw:
            places[run.clean] = _extent(raw_pieces, run.raw)
        elif run.raw.start:
            places[run.clean] = raw_pieces[run.raw.start - 1].end
    return places


def _cut(raw: str, start: int, end: int, clean_piece: Callable[[str], str]) -> list[Piece]:
    """Words of a stretch of the raw text and, whole, the entities that cleaning decodes; what it takes out is left out,
    since nothing can have come from it."""
    pieces = []

    def add(words_from: int, words_to: int) -> None:
        for a, b in find_words(raw[words_from:words_to]):
            word = raw[words_from + a : words_from + b]
            pieces.append(Piece(words_from + a, words_from + b, clean_piece(word)))

    done = start
    for match in _ENTITY.finditer(raw, start, end):
        if (decoded := clean_piece(match[0])) != match[0]:
            add(done, match.start())
            pieces.append(Piece(*match.span(), decoded))
            done = match.end()
    add(done, end)
    return [piece for piece in pieces if piece.key]


def align(raw: Sequence[Piece], clean: Sequence[Piece]) -> Iterator[Run]:
    """Runs that hold every clean piece once: one match each, or what lies between two matches."""
    n_same = 0  # at the end: a full stop after an address is the sentence's, not one within the address
    while n_same < min(len(raw), len(clean)) and raw[-1 - n_same].key == clean[-1 - n_same].key:
        n_same += 1
    n_raw, n_clean = len(raw) - n_same, len(clean) - n_same
    matches = _matches([piece.key for piece in raw[:n_raw]], [piece.key for piece in clean[:n_clean]])
    same = ((n_raw + i, n_clean + i) for i in range(n_same))
    raw_at = clean_at = 0
    for i, j in chain(matches, same, [(len(raw), len(clean))]):
        if j > clean_at:
            yield Run(slice(raw_at, i), slice(clean_at, j))
        if j < len(clean):
            yield Run(slice(i, i + 1), slice(j, j + 1))
        raw_at, clean_at = i + 1, j + 1


def _matches(raw: Sequence[str], clean: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of equal keys, ascending in both; the longest such list within each window."""
    i = j = 0
    while i < len(raw) and j < len(clean):
        if raw[i] == clean[j]:
            yield i, j
            i, j = i + 1, j + 1
            continue
        is_last = max(len(raw) - i, len(clean) - j) <= _WINDOW
        found = longest_common(raw[i : i + _WINDOW], clean[j : j + _WINDOW])
        # what is far down the window may match better with what follows it
        kept = found if is_last else [match for match in found if max(match) < _WINDOW // 2] or found[:1]
        for a, b in kept:
            yield i + a, j + b
        if is_last:
            return
        i, j = (i + kept[-1][0] + 1, j + kept[-1][1] + 1) if kept else (i + _WINDOW, j + _WINDOW)


def longest_common(raw: Sequence[str], clean: Sequence[str]) -> list[tuple[int, int]]:
    """Places in both of a longest common subsequence, by bit vectors (Hyyrö 2004, Bit-Parallel LCS-length Computation
    Revisited, figure 3): a row of the table of lengths is one number, a bit a raw piece, 0 where the length grows."""
    where: dict[str, int] = {}
    for i, key in enumerate(raw):
        where[key] = where.get(key, 0) | 1 << i
    full = row = (1 << len(raw)) - 1
    rows = [row]
    for key in clean:
        equal = row & where.get(key, 0)
        row = ((row + equal) | (row - equal)) & full
        rows.append(row)
    i, j, found = len(raw) - 1, len(clean), []
    while i >= 0 and j > 0:
        if rows[j] >> i & 1:
            i -= 1
        elif not rows[j - 1] >> i & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append((i + 1, j))
    return found[::-1]


def _extent(pieces: Sequence[Piece], run: slice) -> tuple[int, int]:
    """From the first of the pieces to the last; where there are none, the place between their neighbours."""
    if run.stop > run.start:
        return pieces[run.start].start, pieces[run.stop - 1].end
    place = pieces[run.start - 1].end if run.start else 0
    return place, place
