"""Correct spelling so carefully that the words of the field survive.

A speller with a general dictionary harms reviews: it turns ``flowy`` into ``flow``, ``spanx`` into ``span`` and
``favorite`` into ``favourite``. Here the reviews themselves decide. A word is corrected only where the dictionary does
not know it, hardly any review uses it, nothing known explains it (a name, an ending, a compound, drawn-out emphasis),
and one word that the reviews use far more often stands one likely slip away. When in doubt, the word stays: a tokenizer
copes with a misspelling, but a wrong correction puts a false word before the model.

Only lower-case ASCII forms are compared; tokens with apostrophes, digits, hyphens or accents are never touched.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from symspellpy import SymSpell, Verbosity

from starsight.clean.lexicon import Lexicon
from starsight.clean.slips import SINGLE, slip_between
from starsight.clean.words import WORD
from starsight.params import SpellingParams

# Chosen with `python -m benchmarks.spelling`; docs/experiments.md tells what was tried.
MIN_TARGET_COUNT = 50
"""Fewest times the reviews must use a word for it to be a correction."""
MIN_TARGET_COUNT_TWO_EDITS = 200
"""The same for a correction two edits away."""
CLEAR_LEAD = 10.0
"""Uses times likelihood of the slip must be this many times those of the next word at the same distance."""
RIVAL_COUNT = 3
"""Fewest uses of a word that can leave a correction in doubt."""
TWO_EDITS_LENGTH = 8
"""Shorter words, in letters, are corrected by one edit only."""
MIN_ENGLISH_SHARE = 0.5
"""Reviews with a smaller share of words in the dictionary are not in its language, and are left alone."""
LARGE = 10_000_000
"""Words in the reviews from which ``max_count`` grows in proportion, or a common slip would count as a word."""

_DRAWN_OUT = re.compile(r"(.)\1\1")
_NAME = re.compile(r"""[A-Z](?:(?<=[^.!?:…\s] [A-Z])|(?<=[("“][A-Z]))[a-z]{2,}+(?![\w'’@/-])""")
"""A capitalised word where no sentence begins."""


@dataclass
class WordCounts:
    """How often the reviews use each word, in lower case."""

    total: Counter[str] = field(default_factory=Counter)
    """Its uses."""
    named: Counter[str] = field(default_factory=Counter)
    """Those that begin with a capital letter where no sentence begins."""

    def update(self, other: "WordCounts") -> None:
        """Add the counts of other reviews."""
        self.total.update(other.total)
        self.named.update(other.named)

    def subtract(self, other: "WordCounts") -> None:
        """Take away the counts of some of the reviews."""
        self.total.subtract(other.total)
        self.named.subtract(other.named)


@dataclass(frozen=True)
class Correction:
    """A misspelling and its correction, both in lower case."""

    word: str
    correction: str
    n: int
    """Uses of the misspelling."""
    why: str


def count_words(texts: Iterable[str]) -> WordCounts:
    """Count the words of ``texts``. Pass each text once: copies would make their misspelling look like a word."""
    total: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for text in texts:
        total.update(WORD.findall(text))
        named.update(_NAME.findall(text))
    return WordCounts(_in_lower_case(total), _in_lower_case(named))


def _in_lower_case(as_written: Counter[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for word, n in as_written.items():
        counts[word.lower()] += n
    return counts


def find_corrections(
    counts: WordCounts, params: SpellingParams, *, veto: frozenset[str] = frozenset()
) -> list[Correction]:
    """The corrections that the reviews themselves make plain, in alphabetical order.

    The counts may come from all reviews, the test split too: they hold no stars, so nothing leaks that a score
    could profit from.

    Args:
        counts: of all reviews together.
        params: how careful to be.
        veto: lower-case words that are never corrected.
    """
    total = +counts.total  # a word of dropped reviews alone is left with no uses
    lexicon = Lexicon(total, often=params.max_count * max(1.0, total.total() / LARGE))
    if not params.enabled or lexicon.english_share() < MIN_ENGLISH_SHARE:
        return []
    speller = _Speller(lexicon, params)
    suspects = sorted(
        word
        for word, n in total.items()
        if len(word) >= params.min_length
        and not lexicon.is_known(word)
        and counts.named[word] * 2 <= n  # a name
        and not _DRAWN_OUT.search(word)  # "loooved" is emphasis, and carries stars
        and not lexicon.is_joined(word)
        and word not in veto
    )
    found = map(speller.correct, suspects)
    return [correction for correction in found if correction]


class _Speller:
    """Finds the one word that another can only have meant."""

    def __init__(self, lexicon: Lexicon, params: SpellingParams) -> None:
        self.lexicon = lexicon
        self.params = params
        self.neighbours = SymSpell(max_dictionary_edit_distance=2)
        for word, n in lexicon.total.items():
            if n >= RIVAL_COUNT and lexicon.is_known(word):
                self.neighbours.create_dictionary_entry(word, n)

    def correct(self, word: str) -> Correction | None:
        """Its correction, if there is only one that can be meant."""
        if near := self._within(word, 1):
            return self._one_slip_away(word, near)
        return self._two_edits_away(word) if len(word) >= TWO_EDITS_LENGTH else None

    def _one_slip_away(self, word: str, near: list[str]) -> Correction | None:
        slips = {term: slip_between(term, word) for term in near}
        weights = {term: self.lexicon.total[term] * slip.likelihood for term, slip in slips.items()}
        best = max(weights, key=lambda term: (weights[term], term))
        n, slip = self.lexicon.total[word], slips[best]
        plausible = len(word) >= slip.shortest and weights[best] >= self.params.min_ratio * n
        if not plausible or not self._may_be_meant(best, n, MIN_TARGET_COUNT):
            return None
        if any(weights[best] < CLEAR_LEAD * weight for term, weight in weights.items() if term != best):
            return None
        if slip is not SINGLE and self.lexicon.is_derived(word):  # "prefered" is derived from "prefer", but "preferred"
            return None
        return self._correction(word, best, slip.name)

    def _two_edits_away(self, word: str) -> Correction | None:
        near = self._within(word, 2)
        if not near:
            return None
        best, *others = near
        total = self.lexicon.total
        if not self._may_be_meant(best, total[word], MIN_TARGET_COUNT_TWO_EDITS) or best[0] != word[0]:
            return None
        if (others and total[best] < CLEAR_LEAD * total[others[0]]) or self.lexicon.is_derived(word):
            return None
        return self._correction(word, best, "two slips")

    def _within(self, word: str, edits: int) -> list[str]:
        """Known words, nearest first, then the most frequent."""
        return [item.term for item in self.neighbours.lookup(word, Verbosity.ALL, max_edit_distance=edits)]

    def _may_be_meant(self, target: str, n: int, floor: int) -> bool:
        return target in self.lexicon.dictionary and self.lexicon.total[target] >= max(floor, self.params.min_ratio * n)

    def _correction(self, word: str, correction: str, slip: str) -> Correction:
        uses = self.lexicon.total[correction]
        return Correction(word, correction, self.lexicon.total[word], f"{slip}, used {uses} times")
