"""The words of a text, in the two ways that cleaning needs them: as they may be corrected, and as they are compared."""

import re
import unicodedata
from typing import Final

WORD: Final = re.compile(r"(?<![\w'’@#*./-])[A-Za-z]{3,}+(?![\w'’@*/-])")
"""A word that may be counted and corrected: letters alone, not part of a contraction, a code, an address
or a masked word (``d*mn``)."""

_RUN = re.compile(r"[^\W_]+")
# Plain ASCII, as most reviews are, has a fast way: bytes are translated many at a time.
_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum())
_WORDS_APART = bytes.maketrans(_SIGNS, b" " * len(_SIGNS))
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "Mn", "Mc"})
_EMOJI_STYLES = frozenset("\ufe0e\ufe0f")
"""Marks to Unicode, but they only say whether an emoji is coloured."""


def split_words(text: str) -> list[str]:
    """The runs of letters and digits of ``text``, in order; every ``WORD`` is one of them."""
    return text.encode().translate(_WORDS_APART).decode().split() if text.isascii() else _RUN.findall(text)


def letters(text: str) -> str:
    """The letters and digits of ``text`` in any script, case folded; the text itself where it has none.

    So "Loved it!!" and "loved it" are the same, and a thumb up and a thumb down are not.
    """
    folded = text.casefold()
    if folded.isascii():
        found = folded.encode().translate(None, _SIGNS).decode()
    else:
        # marks carry the vowels of many scripts, but they are no letters to isalnum
        found = "".join(sign for sign in folded if unicodedata.category(sign) in _LETTERS and sign not in _EMOJI_STYLES)
    return found or folded
