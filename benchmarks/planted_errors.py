"""Plant spelling errors into reviews, as people make them, and remember what stood there."""

import re
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

import numpy as np

from starsight.clean.corrections import in_case_of
from starsight.errors import DataError

TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""A word of the benchmark: letters of any script with apostrophes inside. Not the speller's own idea of a word."""
SHORTEST = 4
"""Fewest letters of a word that an error is planted in."""
HIT_SHARE = 0.02
"""Share of such words that are hit."""
LISTED_SHARE = 0.4
"""Chance that a hit word gets one of the misspellings that the public list has for it, if it has any."""
FIRST_LETTER_SHARE = 0.05
"""Chance that an edit may touch the first letter, which people rarely miss."""

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True)
class PublicList:
    """Common misspellings that other people have collected: those of codespell that have one correction."""

    corrections: Mapping[str, str]
    """Misspelling to correction, letters alone."""
    words: frozenset[str]
    """All words that the list corrects to."""

    def misspellings(self) -> dict[str, list[str]]:
        """Correction to its misspellings."""
        found = defaultdict(list)
        for wrong, right in self.corrections.items():
            found[right].append(wrong)
        return dict(found)


def read_public_list() -> PublicList:
    """The dictionary of the installed package codespell, which Debian carries too.

    Raises:
        DataError: codespell is not installed.
    """
    try:
        lines = (files("codespell_lib") / "data/dictionary.txt").read_text("utf-8").lower().splitlines()
    except ModuleNotFoundError:
        raise DataError(
            "codespell is not installed, and its list is the yardstick; run pip install codespell."
        ) from None
    pairs = [line.split("->") for line in lines]
    corrections = {wrong: right for wrong, right in pairs if wrong.isalpha() and right.isalpha()}
    words = {word.strip() for _, right in pairs for word in right.split(",") if word.strip().isalpha()}
    return PublicList(corrections, frozenset(words))


@dataclass(frozen=True)
class Planting:
    """A word that was made wrong, both in lower case."""

    original: str
    planted: str
    kind: str
    """``neighbour``, ``drop``, ``doubling``, ``swap`` or ``listed``."""


class Planter:
    """Makes errors: the same ones for the same seed."""

    def __init__(self, words: Container[str], listed: Mapping[str, list[str]], seed: int) -> None:
        """Errors are made in ``words``; ``listed`` holds known misspellings of some of them."""
        self.words = words
        self.listed = listed
        self.random = np.random.default_rng(seed)

    def plant(self, text: str) -> tuple[str, dict[int, Planting]]:
        """``text`` with errors, and which of its words, counted from 0, were made wrong."""
        tokens = list(TOKEN.finditer(text))
        hits = np.flatnonzero(self.random.random(len(tokens)) < HIT_SHARE)
        plantings: dict[int, Planting] = {}
        parts, end = [], 0
        for hit in hits.tolist():
            token = tokens[hit]
            word = token[0].lower()
            if len(word) < SHORTEST or word not in self.words:
                continue
            planting = self.misspell(word)
            plantings[hit] = planting
            parts += [text[end : token.start()], in_case_of(token[0], planting.planted)]
            end = token.end()
        return "".join([*parts, text[end:]]), plantings

    def misspell(self, word: str) -> Planting:
        """One error in the lower-case ``word``."""
        listed = self.listed.get(word)
        if listed and self.random.random() < LISTED_SHARE:
            return Planting(word, self._any_of(listed), "listed")
        first = 0 if self.random.random() < FIRST_LETTER_SHARE else 1
        while True:
            kind = self._any_of(list(EDITS))
            if choices := [wrong for wrong in EDITS[kind](word, first) if wrong != word]:
                return Planting(word, self._any_of(choices), kind)

    def _any_of(self, choices: list[str]) -> str:
        return choices[int(self.random.integers(len(choices)))]


def _neighbours(word: str, first: int) -> Iterator[str]:
    """A key beside the right one was hit."""
    for place in range(first, len(word)):
        for key in _BESIDE.get(word[place], ""):
            yield word[:place] + key + word[place + 1 :]


def _drops(word: str, first: int) -> Iterator[str]:
    for place in range(first, len(word)):
        yield word[:place] + word[place + 1 :]


def _doublings(word: str, first: int) -> Iterator[str]:
    for place in range(first, len(word)):
        yield word[: place + 1] + word[place:]


def _swaps(word: str, first: int) -> Iterator[str]:
    for place in range(first, len(word) - 1):
        yield word[:place] + word[place + 1] + word[place] + word[place + 2 :]


EDITS = {"neighbour": _neighbours, "drop": _drops, "doubling": _doublings, "swap": _swaps}


def _keys_beside() -> dict[str, str]:
    beside: defaultdict[str, str] = defaultdict(str)
    for row in _ROWS:
        for left, right in pairwise(row):
            beside[left] += right
            beside[right] += left
    for upper, lower in pairwise(_ROWS):
        for column, key in enumerate(lower):
            for above in upper[column : column + 2]:  # each row is shifted half a key to the right
                beside[key] += above
                beside[above] += key
    return dict(beside)


_BESIDE = _keys_beside()
