"""Put spelling corrections into a text. Finding them is ``spelling.py``'s; a served model carries what was found."""

import re
from collections.abc import Mapping

WORD = re.compile(r"(?<![\w'’@#*./-])[A-Za-z]{3,}+(?![\w'’@*/-])")
"""A word that may be counted and corrected: letters alone, not part of a contraction, a code, an address
or a masked word (``d*mn``)."""


_WORDS_APART = bytes(code if chr(code).isalnum() else ord(" ") for code in range(128))


def split_words(text: str) -> list[str]:
    """The runs of letters and digits of ``text``, in order. Plain ASCII, as most reviews are, has a fast way."""
    if text.isascii():
        return text.encode().translate(_WORDS_APART.ljust(256)).decode().split()
    return _RUN.findall(text)


_RUN = re.compile(r"[^\W_]+")


def correct_spelling(text: str, corrections: Mapping[str, str]) -> str:
    """Replace the words of ``text`` that ``corrections`` holds, keeping their case."""
    # nearly every text needs no correction, and this is the fast way to know: a WORD is always one of these
    if corrections.keys().isdisjoint(split_words(text.lower())):
        return text
    return WORD.sub(lambda word: _in_case_of(word[0], corrections.get(word[0].lower(), word[0])), text)


def _in_case_of(word: str, correction: str) -> str:
    if word.isupper():
        return correction.upper()
    return correction[0].upper() + correction[1:] if word[0].isupper() else correction
