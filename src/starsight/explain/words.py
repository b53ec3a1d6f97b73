"""From tokens, which a tokenizer cuts as it likes, to the words that a reader sees. Nothing is lost on the way."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WORD = re.compile(r"w[wmz]*(?:jw[wmz]*)*|[^ ]m*(?:z[^ wj]m*)*")
"""Over the kinds of the characters (see ``_kind``): letters with inner apostrophes or hyphens, or one other character
with what modifies it; a joiner makes one emoji of several."""

NO_WORD = -1
"""In place of a word's number: a token, or a character, that shows a reader nothing."""

_JOINS_LETTERS = frozenset("'’-‐‑")
_SKIN_TONES = range(0x1F3FB, 0x1F400)


@dataclass(frozen=True)
class TokenScores:
    """What the head says of each token of a review."""

    offsets: Ints
    """``(tokens, 2)``: first character and the one after the last, in the text; equal for special tokens."""
    weights: Floats
    """``(tokens,)``: attention, summing to 1."""
    contributions: Floats
    """``(tokens,)``: signed, in stars; they and the base value add up to the rating."""


@dataclass(frozen=True)
class WordScores:
    """The same, word by word. The sums over words and the special share equal the sums over tokens."""

    words: tuple[str, ...]
    """As written; punctuation and emoji stand as words of their own."""
    starts: Ints
    """``(words,)``: first character in the text."""
    ends: Ints
    """``(words,)``: the character after the last."""
    weights: Floats
    """``(words,)``: attention; 0 where the model did not read the word."""
    n_tokens: Ints
    """``(words,)``: how many tokens the tokenizer cut the word into; 0 where the model did not read it."""
    contributions: Floats
    """``(words,)``: signed, in stars."""
    was_read: NDArray[np.bool_]
    """``(words,)``: False for words of which no token reached the model: a longer text is cut before it."""
    special_weight: float
    """Attention on tokens that show nothing to a reader: the tokenizer's own marks, and blanks."""
    special_contribution: float
    """Their contribution, in stars."""

    @property
    def relative_weights(self) -> Floats:
        """``(words,)``: attention on a token of the word as a multiple of that on the review's average token. Neither a
        review's length matters, nor into how many tokens a word was cut; 0 where the model did not read it."""
        total = self.weights.sum()
        a_token = self.weights / np.maximum(self.n_tokens, 1)
        return a_token * (self.n_tokens.sum() / total) if total else np.zeros(len(self.words))

    @property
    def removable(self) -> Ints:
        """Numbers of the words that a ranking may name: read, with a letter or a digit."""
        return np.flatnonzero(self.speakable & self.was_read)

    @property
    def speakable(self) -> NDArray[np.bool_]:
        """``(words,)``: True for words with a letter or a digit, False for punctuation and emoji."""
        return np.array([any(character.isalnum() for character in word) for word in self.words], dtype=bool)


@dataclass(frozen=True)
class ExplainedReview:
    """A review, its rating and what made it."""

    text: str
    """As the model read it."""
    stars_true: float
    stars_pred: float
    """In stars, held between 1 and 5."""
    base_stars: float
    """The rating before any word is read; it and all contributions add up to the prediction."""
    words: WordScores

    @property
    def unheld_stars(self) -> float:
        """The rating before it is held between 1 and 5: base value and all contributions."""
        return self.base_stars + float(self.words.contributions.sum()) + self.words.special_contribution


def find_words(text: str) -> list[tuple[int, int]]:
    """First character of each word and the one after its last; every visible character is in exactly one word."""
    return [match.span() for match in _WORD.finditer("".join(map(_kind, text)))]


def find_owners(text: str, offsets: Ints) -> Ints:
    """Number of the word that each token belongs to: ``(tokens,)``, ``NO_WORD`` where it shows a reader nothing.

    A token that spans several words belongs to the one in which most of its visible characters lie (the first of
    equals): some tokenizers count the blank before a word, or a full stop after it, as part of the token.

    Args:
        text: As the model reads it.
        offsets: ``(tokens, 2)``, as in ``TokenScores``.

    Raises:
        ValueError: an offset lies outside the text; the tokens belong to another one.
    """
    return _owners(_number_characters(text, find_words(text), offsets), offsets)


def sum_by_word(values: Floats, owners: Ints, n_words: int) -> Floats:
    """Sums of the tokens' ``values`` ``(tokens,)`` over each word, ``(words + 1,)``; last the share of no word."""
    places = np.where(owners == NO_WORD, n_words, owners)
    return np.bincount(places, weights=values, minlength=n_words + 1).astype(np.float64)


def merge_words(text: str, scores: TokenScores) -> WordScores:
    """Sum the scores of the tokens of each word; which token belongs to which is said by ``find_owners``.

    Raises:
        ValueError: an offset lies outside the text; the scores belong to another one.
    """
    spans = find_words(text)
    word_at = _number_characters(text, spans, scores.offsets)
    was_read = np.zeros(len(spans), dtype=bool)
    for start, end in scores.offsets:
        touched = word_at[start:end]
        was_read[touched[touched >= 0]] = True
    owners = _owners(word_at, scores.offsets)
    weights, contributions = (
        sum_by_word(values, owners, len(spans)) for values in (scores.weights, scores.contributions)
    )
    return WordScores(
        words=tuple(text[start:end] for start, end in spans),
        starts=np.array([start for start, _ in spans], dtype=np.int64),
        ends=np.array([end for _, end in spans], dtype=np.int64),
        weights=weights[:-1],
        n_tokens=np.bincount(owners[owners != NO_WORD], minlength=len(spans)).astype(np.int64),
        was_read=was_read,
        contributions=contributions[:-1],
        special_weight=float(weights[-1]),
        special_contribution=float(contributions[-1]),
    )


def _number_characters(text: str, spans: Sequence[tuple[int, int]], offsets: Ints) -> Ints:
    """Number of the word in which each character of the text stands, ``(characters,)``; ``NO_WORD`` between words."""
    if len(offsets) and (offsets.min() < 0 or offsets.max() > len(text)):
        raise ValueError(
            f"token offsets run from {offsets.min()} to {offsets.max()}, outside a text of {len(text)} characters; "
            "scores and text are of different reviews"
        )
    word_at = np.full(len(text), NO_WORD)
    for number, (start, end) in enumerate(spans):
        word_at[start:end] = number
    return word_at


def _owners(word_at: Ints, offsets: Ints) -> Ints:
    return np.array([_owner(word_at[start:end]) for start, end in offsets], dtype=np.int64)


def _owner(word_at: Ints) -> int:
    """The word with the most characters among those of a token."""
    visible = word_at[word_at != NO_WORD]
    return int(np.bincount(visible).argmax()) if len(visible) else NO_WORD


def _kind(character: str) -> str:
    """``w`` letter or digit, ``m`` mark on the character before, ``z`` invisible joiner, ``j`` apostrophe or hyphen,
    blank, or ``.`` anything else. Python's own pattern for letters leaves out the vowel signs of Indian scripts."""
    if character.isspace():
        return " "
    if character in _JOINS_LETTERS:
        return "j"
    category = unicodedata.category(character)
    if category[0] in "LN":
        return "w"
    if category[0] == "M" or ord(character) in _SKIN_TONES:
        return "m"
    return "z" if category == "Cf" else "."
