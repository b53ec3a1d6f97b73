"""Clean the text of one review: repair it and take out what no reader would see, and keep every word.

Case, negation, stop words, punctuation and emoji stay: a transformer reads them, and they carry the stars. The pipeline
and the service call the same functions, so a model reads in use what it read in training.

A rule is a pure function from text to text. The rules run in order until none of them changes the text, so cleaning
clean text changes nothing, and an entity that spells a tag (``&lt;br&gt;``) is decoded first and taken out next.
"""

import html
import re
from collections.abc import Callable, Mapping
from functools import partial
from html.entities import html5
from typing import Final, NamedTuple

import ftfy

from starsight.clean.corrections import correct_spelling

MAX_ROUNDS: Final = 10
"""Rounds of rules. Two are the rule; more only for text that is built to need them."""


class Normalised(NamedTuple):
    """A text after the rules, and the names of the rules that changed it."""

    text: str
    changed_by: frozenset[str]


def clean_text(text: str, corrections: Mapping[str, str], summary: str | None = None) -> str:
    """What the model reads of a review.

    Args:
        text: the review.
        corrections: lower-case misspelling to lower-case word, as the pipeline found them.
        summary: the review's title.

    Returns:
        The cleaned summary, a line break and the cleaned text; empty where nothing readable is left.
    """
    title = normalise(summary).text if summary else ""
    return correct_spelling(join_summary(title, normalise(text).text), corrections)


def join_summary(summary: str | None, text: str) -> str:
    """``summary``, a line break and ``text``, both cleaned; ``text`` alone where it begins with the summary.

    Some sources cut the first words of the review to make its title, with or without an ellipsis.
    """
    if not summary or not text:
        return summary or text
    title = summary.casefold()
    beginning = title.rstrip(".… ") if title.endswith(("...", "…")) else title
    folded = text.casefold()
    # "Great" is not the beginning of "Greatly disappointed"
    whole_words = not beginning[-1:].isalnum() or not folded[len(beginning) : len(beginning) + 1].isalnum()
    begins = bool(beginning) and folded.startswith(beginning) and (whole_words or beginning != title)
    return text if begins else f"{summary}\n{text}"


def normalise(text: str) -> Normalised:
    """Apply the rules until none changes the text."""
    changed_by: frozenset[str] = frozenset()
    for _ in range(MAX_ROUNDS):
        changed_now = []
        for name, rule in RULES.items():
            before, text = text, rule(text)
            if text != before:
                changed_now.append(name)
        changed_by = changed_by.union(changed_now)
        if not changed_now or changed_now == ["whitespace"]:  # the last rule: it gives the others nothing new to do
            break
    return Normalised(text, changed_by)


# --- the rules ------------------------------------------------------------------------------------------------------


def repair_encoding(text: str) -> str:
    """Mend text that was decoded with the wrong encoding (``donâ€™t``), and compose accents (NFC).

    Typographic quotes, dashes and the like stay: they are no mistake.
    """
    return text if text.isascii() else ftfy.fix_text(text, _ENCODING)


_ENCODING = ftfy.TextFixerConfig(
    # each of these has a rule of its own below, or is no mistake
    unescape_html=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_control_chars=False,
    remove_terminal_escapes=False,
    normalization="NFC",  # NFKC would turn "½" into "1⁄2" and "™" into "TM"
    explain=False,
)


def decode_entities(text: str) -> str:
    """Decode HTML entities, nested ones too: ``&amp;amp;`` is ``&``.

    Only whole entities, with their semicolon: browsers also read ``&notebook`` as ``¬ebook``, but a review that says
    "pen&notebook" means a notebook.
    """
    while "&" in text:
        decoded = _ENTITY.sub(_decode, text)
        if decoded == text:
            break
        text = decoded
    return text


_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def _decode(entity: re.Match[str]) -> str:
    found = entity[0]
    return html.unescape(found) if found[1] == "#" or found[1:] in html5 else found


def remove_markup(text: str) -> str:
    """Take tags out and keep what they surround; ``<br>``, ``<p>`` and other blocks become line breaks.

    Only a known tag with nothing but ``name=value`` attributes is one: ``5 < 6``, ``<3``, ``(<highly recommend)`` and
    ``<sarcasm>`` are a reviewer's words, and an HTML parser would swallow some of them, up to the rest of the review.
    Comments, scripts and style sheets go with their content.
    """
    if "<" in text:
        text = _UNSEEN.sub("", text)
        text = _TAG.sub(partial(_without_tag, text.lower()), text)
    if "[[" in text:
        text = _AMAZON_PRODUCT.sub(r"\1", _AMAZON_VIDEO.sub("", text))
    return text


_BLOCK = "blockquote|br|center|dd|div|dl|dt|h[1-6]|hr|li|ol|p|pre|table|tbody|td|th|thead|tr|ul"
_INLINE = (
    "a|abbr|acronym|b|big|cite|code|del|em|embed|font|i|iframe|img|ins|kbd|mark|object|param|q|s|script|small|span|"
    "strike|strong|style|sub|sup|tt|u|var"
)
_ATTRIBUTE = r"""\s+[\w:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'|[^\s"'<>=]+)"""
_TAG = re.compile(rf"</?(?:({_BLOCK})|{_INLINE})(?:{_ATTRIBUTE})*\s*/?>", re.IGNORECASE)
# bounded, so that a text full of openings takes no quadratic time
_UNSEEN = re.compile(r"<!--.{0,5000}?-->|<(script|style)\b[^<>]*>.{0,5000}?</\1\s*>", re.IGNORECASE | re.DOTALL)
_AMAZON_VIDEO = re.compile(r"\[\[VIDEOID:[^\[\]]*\]\]")
_AMAZON_PRODUCT = re.compile(r"\[\[ASIN:\w+\s*([^\[\]]*)\]\]")


def _without_tag(whole: str, tag: re.Match[str]) -> str:
    letter = tag[0][1:-1].lower()
    if letter in _ONE_LETTER and f"</{letter}>" not in whole and not tag.string[tag.end() :][:1].isalnum():
        return tag[0]  # "sizes <a> and <b>": nothing is marked up
    return "\n" if tag[1] else ""


_ONE_LETTER = frozenset("abiqsu")


def remove_control_characters(text: str) -> str:
    """Take out control, zero-width and text-direction characters.

    Zero-width joiners stay between characters beyond Latin, where they make emoji and join or part letters.
    """
    return text if text.isascii() and text.isprintable() else _CONTROL.sub("", text)


_CONTROL = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters; those that break lines are whitespace
    "\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
    "|(?<![^\x00-\u024f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u024f])"
)


def replace_addresses(text: str) -> str:
    """Put ``[link]`` for a web address and ``[email]`` for an e-mail address, which may name a person.

    These are words that every pretrained vocabulary knows; ``<url>`` would look like markup and be new to the model.
    """
    if "://" in text or "www." in text or "WWW." in text:
        text = _LINK.sub("[link]", text)
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    return text


# the full stop or bracket after an address belongs to the sentence
_LINK = re.compile(r"""\b(?:https?://|www\.)[^\s<>"]*[^\s<>"'’”.,;:!?()\[\]{}…]""", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,8}")


def collapse_whitespace(text: str) -> str:
    """One space for a run of spaces and tabs, one line break for a run with a line break in it, none at the ends."""
    lines = text.splitlines()
    if len(lines) < 2:
        return " ".join(text.split())
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))


RULES: Final[Mapping[str, Callable[[str], str]]] = {
    "encoding": repair_encoding,
    "entities": decode_entities,
    "markup": remove_markup,
    "control": remove_control_characters,
    "addresses": replace_addresses,
    "whitespace": collapse_whitespace,
}
"""Each rule under the name that counts it in ``reports/clean.json``."""
