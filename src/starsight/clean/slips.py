"""Which slip turns one word into another, and how likely people make it."""

from dataclasses import dataclass
from itertools import product
from typing import Final


@dataclass(frozen=True)
class Slip:
    """A kind of spelling error of one letter."""

    name: str
    likelihood: float
    """Relative to two letters swapped."""
    shortest: int = 4
    """Fewest letters of a word in which the slip is believed: of shorter ones it makes too many words."""


NEVER: Final = 1_000
"""Letters that no word has."""

SWAPPED: Final = Slip("letters swapped", 1.0)
DOUBLED: Final = Slip("letter doubled", 1.0)
SINGLE: Final = Slip("double letter written once", 1.0)
DROPPED: Final = Slip("letter dropped", 0.7)
CUT: Final = Slip("last letter dropped", 0.7, shortest=5)
STRETCHED: Final = Slip("last letter doubled", 1.0, shortest=6)
NEIGHBOUR: Final = Slip("neighbouring key", 0.5)
VOWEL: Final = Slip("other vowel", 0.5)
OTHER: Final = Slip("other letter", 0.05, shortest=6)
ADDED: Final = Slip("letter added", 0.05, shortest=6)
ENDING: Final = Slip("letter added at the end", 0.2, shortest=NEVER)
"""More often an ending: ``dressy`` is no misspelt ``dress``. It only leaves other corrections in doubt."""
FIRST: Final = Slip("first letter wrong", 0.5, shortest=NEVER)
"""More often another word: hardly anyone misses the first letter. It, too, only leaves others in doubt."""

_VOWELS: Final = frozenset("aeiouy")
_KEYS: Final = {
    key: (row, column + row / 2)  # each row is shifted half a key to the right
    for row, keys in enumerate(("qwertyuiop", "asdfghjkl", "zxcvbnm"))
    for column, key in enumerate(keys)
}
_NEIGHBOURS: Final = frozenset(
    (one, other)
    for (one, (row, column)), (other, (other_row, other_column)) in product(_KEYS.items(), repeat=2)
    if one != other and abs(row - other_row) <= 1 and abs(column - other_column) <= 1
)


def slip_between(meant: str, written: str) -> Slip:
    """The slip by which ``meant`` became ``written``; they are one edit or one swap of neighbours apart."""
    shorter = min(len(meant), len(written))
    place = next((at for at in range(shorter) if meant[at] != written[at]), shorter)
    if len(meant) == len(written):
        return _replaced(meant, written, place)
    if place == 0:
        return FIRST
    if len(written) < len(meant):
        if meant[place] == meant[place - 1]:
            return SINGLE
        return CUT if place == len(written) else DROPPED
    last = place == len(written) - 1
    if written[place] == written[place - 1]:
        return STRETCHED if last else DOUBLED
    return ENDING if last else ADDED


def _replaced(meant: str, written: str, place: int) -> Slip:
    if meant[place + 1 :] != written[place + 1 :]:
        return SWAPPED
    if place == 0:
        return FIRST
    pair = meant[place], written[place]
    if pair in _NEIGHBOURS:
        return NEIGHBOUR
    return VOWEL if _VOWELS.issuperset(pair) else OTHER
