"""From ingested reviews to clean ones: texts, spelling, duplicates, splits, and an account of every row."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from starsight.clean.corrections import correct_spelling
from starsight.clean.duplicates import drop_duplicates, find_clusters
from starsight.clean.spelling import count_words, find_corrections
from starsight.clean.text import RULES, join_summary, normalise
from starsight.params import CleanParams
from starsight.progress import track
from starsight.records import CORRECTIONS_SCHEMA, SPLITS
from starsight.split import assign_splits

DROP_REASONS = ("empty", "same_id", "duplicate")


@dataclass(frozen=True)
class CleanReviews:
    """What ``clean`` hands on."""

    kept: pd.DataFrame
    """Columns of ``CLEAN_SCHEMA``, in the order of the ingested reviews."""
    dropped: pd.DataFrame
    """Columns of ``DROPPED_SCHEMA``."""
    corrections: pd.DataFrame
    """Columns of ``CORRECTIONS_SCHEMA``."""
    report: dict[str, int]
    """Counts of reviews, unless the name says words or tokens."""


def clean_reviews(reviews: pd.DataFrame, params: CleanParams) -> CleanReviews:
    """Clean every review, drop empty and repeated ones, and give the rest a split.

    Args:
        reviews: columns of ``REVIEW_SCHEMA``.
        params: how to correct and to split.
    """
    reviews = reviews.reset_index(drop=True)
    texts, changed = _normalise_all(reviews)

    # copies of a review count once: they would make their misspelling look like a word
    counts = count_words(track(texts["joined"].unique(), "count words", unit="reviews"))
    corrections = find_corrections(counts, params.spelling)
    mapping = {correction.word: correction.correction for correction in corrections}
    corrected = [correct_spelling(text, mapping) for text in track(texts["joined"], "correct spelling", unit="reviews")]

    reviews["text_clean"] = pd.Series(corrected, dtype="str")
    reviews["spelling_corrected"] = fixed = reviews["text_clean"] != texts["joined"]
    alone = texts["text"].copy()
    alone[fixed] = [correct_spelling(text, mapping) for text in alone[fixed]]
    reviews["cluster"] = find_clusters(alone, reviews["text_clean"])

    empty = texts["text"] == ""
    unique = drop_duplicates(reviews[~empty])
    nothing_said = reviews[empty].assign(reason="empty", kept_review_id=None)
    dropped = pd.concat([nothing_said, unique.dropped]).sort_index()
    kept = unique.kept.assign(split=assign_splits(unique.kept, params.split))

    reasons, splits = dropped["reason"].value_counts(), kept["split"].value_counts()
    return CleanReviews(
        kept=kept,
        dropped=dropped,
        corrections=pd.DataFrame(corrections, columns=CORRECTIONS_SCHEMA.names),
        report={
            "reviews": len(reviews),
            "kept": len(kept),
            "dropped": len(dropped),
            **{f"dropped_{reason}": int(reasons.get(reason, 0)) for reason in DROP_REASONS},
            "duplicate_stars_conflicts": unique.stars_conflicts,
            **{f"changed_by_{rule}": changed[rule] for rule in RULES},
            "spelling_words": len(corrections),
            "spelling_tokens": sum(correction.n for correction in corrections),
            "spelling_corrected": int(kept["spelling_corrected"].sum()),
            **{f"split_{split}": int(splits.get(split, 0)) for split in SPLITS},
        },
    )


def _normalise_all(reviews: pd.DataFrame) -> tuple[pd.DataFrame, Counter[str]]:
    """Each review's normalised ``text``, and ``joined`` with its summary; how many reviews each rule changed."""
    changed: Counter[str] = Counter()
    texts, joined = [], []
    summaries = reviews["summary"].astype(object).where(reviews["summary"].notna(), "")
    for summary, text in track(
        zip(summaries, reviews["text"], strict=True), "clean", unit="reviews", total=len(reviews)
    ):
        title, body = normalise(summary), normalise(text)
        changed.update(title.changed_by | body.changed_by)
        texts.append(body.text)
        joined.append(join_summary(title.text, body.text))
    return pd.DataFrame({"text": texts, "joined": joined}, dtype="str"), changed
