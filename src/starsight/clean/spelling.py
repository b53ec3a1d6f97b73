"""Correct spelling so carefully that the words of the field survive.

A speller with a general dictionary harms reviews: it turns ``flowy`` into ``flow``, ``spanx`` into ``span`` and
``favorite`` into ``favourite``. Here the reviews themselves decide. A word is corrected only where the dictionary does
not know it, hardly any review uses it, nothing known explains it (a name, an ending, a compound, drawn-out emphasis),
and one word that the reviews use far more often stands one slip away. When in doubt, the word stays: a tokenizer
copes with a misspelling, but a wrong correction puts a false word before the model.

Only lower-case ASCII forms are compared; tokens with apostrophes, digits, hyphens or accents are never touched.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain

from symspellpy import SymSpell, Verbosity

from starsight.clean.corrections import WORD
from starsight.params import SpellingParams

# Chosen by reading corrections of 192,394 RentTheRunway reviews; docs/experiments.md tells which were judged wrong.
MIN_TARGET_COUNT = 50
"""Fewest times the reviews must use a word for it to be a correction."""
MIN_TARGET_COUNT_TWO_EDITS = 200
"""The same for a correction two edits away."""
CLEAR_LEAD = 10.0
"""A correction must be this many times as frequent as the next word at the same distance."""
LEAD_OF_NEARER = 30.0
"""A word one edit farther but more frequent than the correction by this factor leaves it in doubt."""
TWO_EDITS_LENGTH = 9
"""Shorter words, in letters, are corrected by one edit only."""
SHORT_LENGTH = 7
"""Shorter words, in letters, have so many neighbours that any second one in use leaves them in doubt."""
RIVAL_COUNT = 5
"""Uses that make the neighbour of a short word a rival."""
COMMON_COUNT = 20
"""Uses that make both halves of a compound common."""
MIN_ENGLISH_SHARE = 0.5
"""Reviews with a smaller share of words in the dictionary are not in its language, and are left alone."""

# fmt: off
_ENDINGS = (
    "able", "d", "ed", "er", "es", "est", "ette", "ful", "ie", "ies", "ing", "ish", "ism",
    "ist", "ity", "less", "like", "ly", "ment", "ness", "r", "s", "st", "wise", "y",
)
_BEGINNINGS = (
    "anti", "dis", "extra", "faux", "inter", "micro", "mid", "mini", "mis", "multi",
    "non", "out", "over", "pre", "re", "semi", "sub", "super", "ultra", "un", "under",
)
# fmt: on
_VARIANTS = (("or", "our"), ("er", "re"), ("z", "s"), ("se", "ce"), ("l", "ll"), ("e", "ae"), ("e", "oe"))
"""American spelling and the British one, which is what the dictionary holds."""
_DRAWN_OUT = re.compile(r"(.)\1\1")


@dataclass(frozen=True)
class WordCounts:
    """How often the reviews use each word."""

    total: Counter[str]
    """Uses of the word in lower case."""
    capitalised: Counter[str]
    """Those that begin with a capital letter."""


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
    as_written: Counter[str] = Counter()
    for text in texts:
        as_written.update(WORD.findall(text))
    total: Counter[str] = Counter()
    capitalised: Counter[str] = Counter()
    for word, n in as_written.items():
        total[word.lower()] += n
        if word[0].isupper():
            capitalised[word.lower()] += n
    return WordCounts(total, capitalised)


def find_corrections(counts: WordCounts, params: SpellingParams) -> list[Correction]:
    """The corrections that the reviews themselves make plain, in alphabetical order.

    The counts may come from all reviews, the test split too: they hold no stars, so nothing leaks that a score
    could profit from.
    """
    lexicon = _Lexicon(counts, params)
    if not params.enabled or lexicon.english_share() < MIN_ENGLISH_SHARE:
        return []
    suspects = sorted(word for word, n in counts.total.items() if n <= params.max_count and lexicon.is_suspect(word))
    found = (lexicon.correct(word) for word in suspects)
    return [correction for correction in found if correction]


class _Lexicon:
    """What is a word: in the dictionary, in the reviews, or made of such words."""

    def __init__(self, counts: WordCounts, params: SpellingParams) -> None:
        self.counts = counts
        self.params = params
        self.dictionary, self.contractions = _english()
        self.neighbours = SymSpell(max_dictionary_edit_distance=2)
        for word, n in counts.total.items():
            if self.is_known(word):
                self.neighbours.create_dictionary_entry(word, n)

    def english_share(self) -> float:
        """Share of the reviews' words, by use, that the dictionary holds."""
        total = self.counts.total
        return sum(n for word, n in total.items() if word in self.dictionary) / max(total.total(), 1)

    def is_known(self, word: str) -> bool:
        return word in self.dictionary or self.counts.total[word] > self.params.max_count

    def is_suspect(self, word: str) -> bool:
        """Whether nothing known explains ``word``."""
        return not (
            len(word) < self.params.min_length
            or self.is_known(word)
            or self.counts.capitalised[word] * 2 > self.counts.total[word]  # a name
            or _DRAWN_OUT.search(word)  # "loooved" is emphasis, and carries stars
            or self._is_contraction(word)
            or self._is_variant(word)
            or self._is_derived(word)
            or self._is_compound(word)
        )

    def correct(self, word: str) -> Correction | None:
        """The one word that ``word`` can only have meant, if there is one."""
        n = self.counts.total[word]
        nearby = self.neighbours.lookup(word, Verbosity.ALL, max_edit_distance=2)  # nearest first, then most frequent
        if not nearby or nearby[0].distance > (2 if len(word) >= TWO_EDITS_LENGTH else 1):
            return None
        best, *others = nearby
        floor = MIN_TARGET_COUNT if best.distance == 1 else MIN_TARGET_COUNT_TWO_EDITS
        same_start = best.term[0] == word[0] or best.term[:2] == word[1::-1]  # hardly anyone misses the first letter
        plausible = (
            best.term in self.dictionary
            and best.count >= max(floor, self.params.min_ratio * n)
            and same_start
            and not (len(word) <= SHORT_LENGTH and (best.term.startswith(word) or word.startswith(best.term)))
        )
        if not plausible or any(self._rivals(word, best, other) for other in others):
            return None
        return Correction(word, best.term, n, f"edits {best.distance}, used {best.count} times")

    def _rivals(self, word: str, best: "SymSpell.SuggestItem", other: "SymSpell.SuggestItem") -> bool:
        if other.distance > best.distance:
            return bool(other.count >= LEAD_OF_NEARER * best.count)
        return bool(other.count * CLEAR_LEAD > best.count or (len(word) < SHORT_LENGTH and other.count >= RIVAL_COUNT))

    def _is_contraction(self, word: str) -> bool:
        """``didnt``, ``wouldn``, ``coudnt``, ``keepin``."""
        return (
            word in self.contractions
            or word.endswith(("dnt", "snt"))
            or (word.endswith("in") and word + "g" in self.dictionary)
        )

    def _is_variant(self, word: str) -> bool:
        """American spelling of a word that the dictionary has in British."""
        return any(
            word[: place.start()] + british + word[place.end() :] in self.dictionary
            for american, british in _VARIANTS
            for place in re.finditer(american, word)
        )

    def _is_derived(self, word: str) -> bool:
        """A known word with an ending or a beginning: ``flowy``, ``unflattering``, ``rewear``."""
        rests = [rest for begin in _BEGINNINGS if len(rest := word.removeprefix(begin)) > 3]  # word itself among them
        return any(map(self.is_known, rests)) or any(
            self.is_known(stem) for stem in chain.from_iterable(map(_stems, rests))
        )

    def _is_compound(self, word: str) -> bool:
        """Two common words written as one: ``bodytype``."""
        halves = ((word[:cut], word[cut:]) for cut in range(3, len(word) - 2))
        return any(
            half in self.dictionary and other in self.dictionary
            for half, other in halves
            if min(self.counts.total[half], self.counts.total[other]) >= COMMON_COUNT
        )


def _stems(word: str) -> Iterator[str]:
    """What ``word`` may be derived from, three letters or more."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        yield stem
        yield stem + "e"  # cinching
        if stem[-1] == "i":
            yield stem[:-1] + "y"  # flirtiness
        if stem[-1] == stem[-2] and len(stem) > 3:
            yield stem[:-1]  # tannish


@cache
def _english() -> tuple[frozenset[str], frozenset[str]]:
    """The words of symspellpy's dictionary, and its contractions without their apostrophe (``didnt``, ``didn``)."""
    lines = (files("symspellpy") / "frequency_dictionary_en_82_765.txt").read_text("utf-8-sig").splitlines()
    words = frozenset(line.split()[0] for line in lines)
    contracted = [word for word in words if "'" in word]
    forms = chain((word.replace("'", "") for word in contracted), (word.split("'")[0] for word in contracted))
    return words, frozenset(forms)
