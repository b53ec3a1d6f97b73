"""Find reviews that say the same, and keep one of each.

Left in, copies stand in training and test at once and the score measures memory. ``find_clusters`` says who belongs
together, ``drop_duplicates`` who stays; another way to form clusters (near duplicates, say) only replaces the first.
"""

import unicodedata
from dataclasses import dataclass
from hashlib import blake2b

import pandas as pd

OWN_WORDS = 60
"""Letters from which a review's text alone tells a copy, whatever its summary says. Shorter texts ("True to size!") are
written by many people by chance, and are copies only together with their summary."""


@dataclass(frozen=True)
class Deduplicated:
    """Reviews told apart. ``dropped`` has two columns more: ``reason`` and ``kept_review_id``."""

    kept: pd.DataFrame
    dropped: pd.DataFrame
    stars_conflicts: int
    """Clusters whose reviews disagree about the stars."""


def find_clusters(text: "pd.Series[str]", text_clean: "pd.Series[str]") -> "pd.Series[str]":
    """An id for each review, the same for reviews that say the same and the same in every run.

    Args:
        text: the cleaned review without its summary.
        text_clean: what the model reads, summary and review.
    """
    keys = (
        alone if len(alone := letters(body)) >= OWN_WORDS else letters(whole)
        for body, whole in zip(text, text_clean, strict=True)
    )
    return pd.Series([cluster_id(key) for key in keys], index=text.index, dtype="str", name="cluster")


def letters(text: str) -> str:
    """The letters and digits of ``text`` in any script, case folded; the text itself where it has none.

    So "Loved it!!" and "loved it" are the same, and a thumb up and a thumb down are not.
    """
    folded = text.casefold()
    if folded.isascii():
        found = folded.encode().translate(None, _ASCII_SIGNS).decode()
    else:
        # marks carry the vowels of many scripts, but they are no letters to isalnum
        found = "".join(sign for sign in folded if unicodedata.category(sign) in _LETTERS and sign not in _EMOJI_STYLES)
    return found or folded


_ASCII_SIGNS = bytes(code for code in range(128) if not chr(code).isalnum())
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "Mn", "Mc"})
_EMOJI_STYLES = frozenset("\ufe0e\ufe0f")
"""Marks to Unicode, but they only say whether an emoji is coloured."""


def cluster_id(key: str) -> str:
    """A short stable name for ``key``: 16 hexadecimal digits."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def drop_duplicates(reviews: pd.DataFrame) -> Deduplicated:
    """Keep the earliest review of each ``cluster``, then the one with the first ``review_id``; undated reviews last.

    A review that repeats the id of an earlier one but says something else is dropped too (``same_id``): an id that
    names two reviews names none.

    Args:
        reviews: with columns ``review_id``, ``time``, ``stars`` and ``cluster``, in any order.
    """
    ordered = reviews.sort_values(["time", "review_id", "stars"], na_position="last", kind="stable")
    first_of_id = ordered.groupby("review_id", sort=False)["cluster"].transform("first")
    same_id = ordered["cluster"] != first_of_id
    candidates = ordered[~same_id]
    keeper = candidates.drop_duplicates("cluster").set_index("cluster")["review_id"]
    duplicate = same_id | candidates["cluster"].duplicated().reindex(ordered.index, fill_value=False)

    # cut to the dropped rows first: a table without rows takes on all rows of a column it is given
    dropped = ordered[duplicate].assign(
        reason=same_id[duplicate].map({True: "same_id", False: "duplicate"}),
        kept_review_id=first_of_id[duplicate].map(keeper),
    )
    stars = reviews.groupby("cluster")["stars"].nunique()
    return Deduplicated(
        kept=reviews[~duplicate.reindex(reviews.index)],
        dropped=dropped.sort_index(),
        stars_conflicts=int((stars > 1).sum()),
    )
