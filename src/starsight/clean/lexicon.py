"""What is a word: in the dictionary, in use, or made of such words.

The dictionary is symspellpy's, British with some American words; the American spellings it lacks are made from the
British ones. Nothing here says what a misspelling means: ``spelling.py`` does.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import chain

IN_USE = 3
"""Uses that make a word of the dictionary a stem: ``flow`` explains ``flowy`` where reviews say flow."""
COMMON_COUNT = 20
"""Uses that make both halves of a compound common."""

# fmt: off
_ENDINGS = (
    "able", "ed", "er", "es", "est", "ette", "ful", "ie", "ies", "ing", "ish", "ism",
    "ist", "ity", "less", "like", "ly", "ment", "ness", "s", "wise", "y",
)
_BEGINNINGS = (
    "anti", "dis", "extra", "faux", "inter", "micro", "mid", "mini", "mis", "multi",
    "non", "out", "over", "pre", "re", "semi", "sub", "super", "ultra", "un", "under",
)
_SMALL_WORDS = ("at", "in", "is", "it", "of", "on", "so", "to")
_AMERICAN = (
    "airplane", "aluminum", "artifact", "cozier", "coziest", "cozy", "diarrhea", "donut", "grayish", "jewelry",
    "maneuver", "math", "mold", "molded", "mom", "moms", "mustache", "offense", "pajamas", "plow", "pretense",
    "skeptical", "tidbit", "whiskey",
)
# fmt: on
_AMERICAN_RULES = (
    (re.compile(r"(?<=\w\w)our"), "or"),
    (re.compile(r"(?<=[bcdghkptv])re(?=s?$)"), "er"),
    (re.compile(r"(?<=cent)red$"), "ered"),
    (re.compile(r"(?<=[aeiou][^aeiou][aeiou])ll(?=(?:ed|ing|ers?|ous|ously)$)"), "l"),
    (re.compile(r"(?<=[ar]ly)s(?=e[drs]?$|ing$)"), "z"),
    (re.compile(r"ogue(?=s?$)"), "og"),
    (re.compile(r"(?<=\w\w\w)iz(?=e[drs]?$|ing$|ations?$)"), "is"),
)
"""From the British spelling to the American one; the last goes the other way."""


class Lexicon:
    """What the dictionary and the reviews' own counts say about a word in lower case."""

    def __init__(self, total: Counter[str], often: float) -> None:
        """``total`` holds the uses of each word; those used more than ``often`` times are words."""
        self.total = total
        self.often = often
        self.dictionary, self.contractions = _english()

    def english_share(self) -> float:
        """Share of the reviews' words, by use, that the dictionary holds."""
        return sum(n for word, n in self.total.items() if word in self.dictionary) / max(self.total.total(), 1)

    def is_known(self, word: str) -> bool:
        """Whether the dictionary holds ``word``, or the reviews use it often."""
        return word in self.dictionary or self.total[word] > self.often

    def is_joined(self, word: str) -> bool:
        """Whether ``word`` is two known words in one: ``didnt``, ``bodytype``, ``unableto``."""
        return self._is_contraction(word) or self._is_compound(word)

    def is_derived(self, word: str) -> bool:
        """Whether ``word`` is a known word with an ending or a beginning: ``flowy``, ``unflattering``, ``rewear``."""
        rests = [rest for begin in _BEGINNINGS if len(rest := word.removeprefix(begin)) > 3]  # word itself among them
        return any(map(self._is_stem, rests)) or any(map(self._is_stem, chain.from_iterable(map(_stems, rests))))

    def _is_contraction(self, word: str) -> bool:
        """``didnt``, ``wouldn``, ``coudnt``, ``keepin``."""
        return (
            word in self.contractions
            or word.endswith(("dnt", "snt", "dve"))
            or (word.endswith("in") and word + "g" in self.dictionary)
        )

    def _is_stem(self, word: str) -> bool:
        n = self.total[word]
        return n > self.often or (n >= IN_USE and word in self.dictionary)

    def _is_compound(self, word: str) -> bool:
        if word.endswith(_SMALL_WORDS) and self._is_common(word[:-2]):
            return True
        return any(self._is_common(word[:cut]) and self._is_common(word[cut:]) for cut in range(3, len(word) - 2))

    def _is_common(self, word: str) -> bool:
        return self.total[word] >= COMMON_COUNT and word in self.dictionary


def _stems(word: str) -> Iterator[str]:
    """What ``word`` may be derived from, three letters or more."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        yield stem
        if ending[0] in "aeiy":
            yield stem + "e"  # cinching
        if stem[-1] == "i":
            yield stem[:-1] + "y"  # flirtiness
        if stem[-1] == stem[-2] and len(stem) > 3:
            yield stem[:-1]  # tannish


@cache
def _english() -> tuple[frozenset[str], frozenset[str]]:
    """The words of the dictionary, and its contractions without their apostrophe (``didnt``, ``didn``)."""
    lines = (files("symspellpy") / "frequency_dictionary_en_82_765.txt").read_text("utf-8-sig").splitlines()
    british = [line.split()[0] for line in lines]
    american = (pattern.sub(letters, word) for pattern, letters in _AMERICAN_RULES for word in british)
    contracted = [word for word in british if "'" in word]
    forms = chain((word.replace("'", "") for word in contracted), (word.split("'")[0] for word in contracted))
    return frozenset(chain(british, american, _AMERICAN)), frozenset(forms)
