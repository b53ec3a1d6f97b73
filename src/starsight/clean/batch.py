"""What is done with a batch of reviews by itself, in whatever process: first ``prepare``, then ``finish``.

A batch is a few row groups of the ingested table. Between the two its repaired texts lie in the scratch folder.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from starsight.clean.corrections import correct_spelling
from starsight.clean.duplicates import DROP_REASONS, UNDATED, Index, compared, hash64, letters
from starsight.clean.examples import Example, first_changes
from starsight.clean.near import Bands, band_hashes
from starsight.clean.spelling import WordCounts, count_words
from starsight.clean.text import Normalised, join_summary, normalise
from starsight.params import CleanParams
from starsight.records import CLEAN_SCHEMA, DROPPED_SCHEMA, SPLITS
from starsight.split import splits_by_hash

PART_SCHEMA = pa.schema([pa.field("text", pa.string()), pa.field("joined", pa.string())])
"""Repaired texts, not yet spelt: the review alone, and with its summary."""


@dataclass(frozen=True)
class Batch:
    """Where a batch comes from and where its part goes."""

    reviews: Path
    row_groups: tuple[int, ...]
    n_reviews: int
    part: Path

    def read(self, columns: list[str] | None = None) -> pd.DataFrame:
        """The ingested reviews of the batch."""
        reviews: pd.DataFrame = self.table(columns).to_pandas()
        return reviews

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """The same as Arrow has it."""
        return pq.ParquetFile(self.reviews).read_row_groups(self.row_groups, columns=columns)

    def texts(self) -> tuple[list[str], list[str]]:
        """The repaired texts of the batch: alone, and with their summaries."""
        table = pq.read_table(self.part)
        return table["text"].to_pylist(), table["joined"].to_pylist()


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` found in a batch."""

    index: Index
    bands: Bands | None
    """None where near copies are not looked for."""
    words: WordCounts
    changed: Counter[str]
    """Reviews that each rule changed."""
    examples: list[Example]


def prepare(batch: Batch, params: CleanParams) -> Prepared:
    """Repair the texts of a batch, and note what the search for copies and misspellings must know of it."""
    reviews = batch.read()
    summaries = reviews["summary"].astype(object).where(reviews["summary"].notna(), "").tolist()
    titles, bodies = [normalise(each) for each in summaries], [normalise(each) for each in reviews["text"]]
    texts = [body.text for body in bodies]
    joined = [join_summary(title.text, body.text) for title, body in zip(titles, bodies, strict=True)]
    pq.write_table(pa.table([texts, joined], schema=PART_SCHEMA), batch.part, compression="lz4")

    told_by = [compared(text, whole) for text, whole in zip(texts, joined, strict=True)]
    near = params.duplicates.threshold < 1
    return Prepared(
        index=_index(reviews, texts, told_by, params),
        bands=band_hashes(told_by, params.duplicates) if near else None,
        words=count_words(joined),
        changed=Counter(rule for pair in zip(titles, bodies, strict=True) for rule in _changed_by(*pair)),
        examples=first_changes([*reviews["text"], *summaries], [*bodies, *titles]),
    )


def _changed_by(title: Normalised, body: Normalised) -> frozenset[str]:
    return title.changed_by | body.changed_by


def _index(reviews: pd.DataFrame, texts: list[str], told_by: list[str], params: CleanParams) -> Index:
    time = reviews["time"]
    seconds = time.dt.tz_convert(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    by_hash = params.split.by != "time"
    return Index(
        key=np.array([hash64(letters(text)) for text in told_by], dtype=np.uint64),
        id_hash=np.array([hash64(each) for each in reviews["review_id"]], dtype=np.uint64),
        seconds=np.where(time.isna(), UNDATED, seconds.clip(0, int(UNDATED) - 1)).astype(np.uint32),
        stars=reviews["stars"].to_numpy(dtype=np.float32),
        empty=np.array([not text for text in texts], dtype=bool),
        split=splits_by_hash(reviews, params.split) if by_hash else np.full(len(reviews), -1, dtype=np.int8),
    )


def count_dropped(dropped: tuple[Batch, NDArray[np.int64]]) -> WordCounts:
    """The words of some reviews of a batch, by their places in it."""
    batch, places = dropped
    _, joined = batch.texts()
    return count_words(joined[place] for place in places)


@dataclass(frozen=True)
class Decided:
    """What was decided of each review of a batch."""

    reason: NDArray[np.int8]
    """Place in ``DROP_REASONS``; -1 for a review that is kept."""
    split: NDArray[np.int8]
    """Place in ``SPLITS``; read only where the review is kept."""
    cluster: NDArray[np.uint64]
    kept_review_id: list[str | None]
    """The review that stands for a dropped one."""
    similarity: NDArray[np.float32]
    """NaN where no review stands for it."""


@dataclass(frozen=True)
class Finished:
    """A batch as the stage writes it."""

    kept: pa.Table
    """Columns of ``CLEAN_SCHEMA``."""
    dropped: pa.Table
    """Columns of ``DROPPED_SCHEMA``."""

    @property
    def n_corrected(self) -> int:
        """Kept reviews with a corrected word."""
        return int(pc.sum(self.kept["spelling_corrected"]).as_py() or 0)


def finish(given: tuple[Batch, Decided], corrections: Mapping[str, str]) -> Finished:
    """Correct the spelling of a batch and part what is kept from what is dropped."""
    batch, decided = given
    reviews = batch.table()
    _, joined = batch.texts()
    spelt = [correct_spelling(text, corrections) for text in joined]
    columns = {
        **{name: reviews[name] for name in reviews.column_names},
        "text_clean": pa.array(spelt, pa.string()),
        "spelling_corrected": pa.array([one != other for one, other in zip(spelt, joined, strict=True)]),
        "cluster": pa.array([f"{key:016x}" for key in decided.cluster.tolist()]),
        "split": pa.array([SPLITS[place] for place in decided.split.tolist()]),
        "reason": pa.array([DROP_REASONS[place] if place >= 0 else "" for place in decided.reason.tolist()]),
        "kept_review_id": pa.array(decided.kept_review_id, pa.string()),
        "similarity": pa.array(decided.similarity, pa.float32(), from_pandas=True),
    }
    whole = pa.table(columns)
    is_kept = pa.array(decided.reason < 0)
    return Finished(
        kept=_of(whole.filter(is_kept), CLEAN_SCHEMA), dropped=_of(whole.filter(pc.invert(is_kept)), DROPPED_SCHEMA)
    )


def _of(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.select(schema.names).cast(schema)
