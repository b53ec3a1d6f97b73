"""Column names, split names and the schema of a review: one name for each thing, everywhere."""

from typing import Final, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

MIN_STARS = 1.0
MAX_STARS = 5.0
WHOLE_STARS: Final = (1, 2, 3, 4, 5)
"""The five that reviews are counted by."""

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

REVIEW_SCHEMA = pa.schema(
    [
        pa.field("review_id", pa.string(), nullable=False),
        pa.field("product_id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("stars", pa.float32(), nullable=False),
        pa.field("time", pa.timestamp("s", tz="UTC")),
        pa.field("summary", pa.string()),
        pa.field("text", pa.string(), nullable=False),
        pa.field("helpful_votes", pa.int32()),
        pa.field("total_votes", pa.int32()),
        pa.field("verified", pa.bool_()),
        pa.field("category", pa.string()),
        pa.field("source", pa.string(), nullable=False),
    ]
)
"""What ``ingest`` writes. ``review_id`` is the source's own or a hash of the record's fields; ``stars`` is 1 to 5."""

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("found", pa.string()),
        pa.field("raw", pa.string()),
    ]
)
"""Records that ``ingest`` refused: ``record`` counts from 1 in its source, ``found`` is the offending value and
``raw`` the start of the record as JSON."""

CLEAN_SCHEMA = pa.schema(
    [
        *REVIEW_SCHEMA,
        pa.field("text_clean", pa.string(), nullable=False),
        pa.field("spelling_corrected", pa.bool_(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)
"""What ``clean`` writes. ``text_clean`` is what the model reads: summary and text, joined and cleaned. ``cluster`` is
shared by reviews that say the same, and only one of them is kept."""

DROPPED_SCHEMA = pa.schema(
    [
        *REVIEW_SCHEMA,
        pa.field("text_clean", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("kept_review_id", pa.string()),
        pa.field("similarity", pa.float32()),
    ]
)
"""Reviews that ``clean`` removed, why, and the review that stands for them. ``similarity`` is the Jaccard similarity of
the two reviews' word shingles, 0 to 1; null where no review stands for it."""

CORRECTIONS_SCHEMA = pa.schema(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("correction", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
    ]
)
"""Spelling corrections, in lower case; ``n`` is how often the word stands in the reviews."""


def whole_stars(stars: ArrayLike) -> NDArray[np.int64]:
    """Stars rounded to ``WHOLE_STARS``, half stars up; none may be NaN."""
    return np.floor(np.asarray(stars, dtype=np.float64) + 0.5).astype(np.int64)
