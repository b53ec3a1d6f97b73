"""Put spelling corrections into a text. Finding them is ``spelling.py``'s; a served model carries what was found."""

from collections.abc import Mapping

from starsight.clean.words import WORD, split_words


def correct_spelling(text: str, corrections: Mapping[str, str]) -> str:
    """Replace the words of ``text`` that ``corrections`` holds, keeping their case."""
    # nearly every text needs no correction, and this is the fast way to know: a WORD is always one of these
    if corrections.keys().isdisjoint(split_words(text.lower())):
        return text
    return WORD.sub(lambda word: in_case_of(word[0], corrections.get(word[0].lower(), word[0])), text)


def in_case_of(word: str, correction: str) -> str:
    """``correction``, in lower case, in capitals or capitalised, as ``word`` is."""
    if word.isupper():
        return correction.upper()
    return correction[0].upper() + correction[1:] if word[0].isupper() else correction
