"""What is done with a batch of reviews by itself, in whatever process: ``prepare``, then ``correct``, then ``finish``.

A batch is a row group of the ingested table, some ten thousand reviews. In between its texts lie in the scratch
folder.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from starsight.clean.corrections import correct_spelling
from starsight.clean.duplicates import DROP_REASONS, KEPT, UNDATED, Index, Rows, compared, hash64
from starsight.clean.examples import Example, first_changes
from starsight.clean.near import Signatures, sign
from starsight.clean.spelling import WordCounts, count_words
from starsight.clean.text import join_summary, normalise
from starsight.clean.words import letters
from starsight.params import CleanParams
from starsight.records import CLEAN_SCHEMA, DROPPED_SCHEMA, SPLITS
from starsight.split import splits_by_hash

_PART_SCHEMA = pa.schema([pa.field("text", pa.string()), pa.field("joined", pa.string())])
"""Repaired texts: the review alone, and with its summary."""


@dataclass(frozen=True)
class Batch:
    """Where a batch comes from and where its part goes."""

    reviews: Path
    row_group: int
    n_reviews: int
    part: Path

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """The ingested reviews of the batch."""
        return pq.ParquetFile(self.reviews).read_row_group(self.row_group, columns=columns)

    def write(self, texts: list[str], joined: list[str]) -> None:
        """Keep the texts of the batch for later."""
        pq.write_table(pa.table([texts, joined], schema=_PART_SCHEMA), self.part, compression="lz4")

    def texts(self, places: Rows | None = None) -> tuple[list[str], list[str]]:
        """The texts of the batch, or of some places in it, as last written: alone, and with their summaries."""
        table = pq.read_table(self.part)
        if places is not None:  # turning all of them into Python's strings would take far longer than reading them
            table = table.take(pa.array(places))
        return table["text"].to_pylist(), table["joined"].to_pylist()


@dataclass(frozen=True)
class Store:
    """Reviews by their row, wherever they lie."""

    batches: list[Batch]
    first_row: Rows
    """Of each batch, and behind them the number of reviews."""

    @classmethod
    def of(cls, batches: list[Batch]) -> "Store":
        """The reviews of ``batches``, in order."""
        sizes = [batch.n_reviews for batch in batches]
        return cls(batches, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    def __len__(self) -> int:
        return int(self.first_row[-1])

    def batch_of(self, rows: Rows) -> Rows:
        """The number of the batch that holds each of ``rows``; any shape."""
        return np.searchsorted(self.first_row, rows, side="right") - 1

    def by_batch(self, rows: Rows) -> Iterator[tuple[Batch, Rows, Rows]]:
        """Each batch that holds any of ``rows`` (ascending): the batch, which rows, and their places in it."""
        cuts = np.searchsorted(rows, self.first_row)
        for batch, first, (start, end) in zip(self.batches, self.first_row[:-1], pairwise(cuts), strict=True):
            if start < end:
                yield batch, rows[start:end], rows[start:end] - first

    def compared_texts(self, rows: Rows) -> dict[int, str]:
        """What is compared of each of ``rows``."""
        found: dict[int, str] = {}
        for batch, held, places in self.by_batch(np.unique(rows)):
            texts, joined = batch.texts(places)
            found |= {row: compared(*both) for row, *both in zip(held.tolist(), texts, joined, strict=True)}
        return found

    def review_ids(self, rows: Rows) -> list[str]:
        """The ids of ``rows`` (ascending)."""
        ids: list[str] = []
        for batch, _, places in self.by_batch(rows):
            ids += batch.table(["review_id"])["review_id"].take(pa.array(places)).to_pylist()
        return ids


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` found in a batch."""

    index: Index
    signatures: Signatures | None
    """None where near copies are not looked for."""
    words: WordCounts
    changed: Counter[str]
    """Reviews that each rule changed."""
    examples: list[Example]


def prepare(batch: Batch, params: CleanParams) -> Prepared:
    """Repair the texts of a batch, and note what the search for copies and misspellings must know of it."""
    reviews = batch.table().to_pandas()
    summaries = reviews["summary"].astype(object).where(reviews["summary"].notna(), "").tolist()
    titles, bodies = [normalise(each) for each in summaries], [normalise(each) for each in reviews["text"]]
    texts = [body.text for body in bodies]
    joined = [join_summary(title.text, body.text) for title, body in zip(titles, bodies, strict=True)]
    batch.write(texts, joined)

    compared_texts = [compared(text, whole) for text, whole in zip(texts, joined, strict=True)]
    near = params.duplicates.min_similarity < 1
    return Prepared(
        index=_index(reviews, texts, compared_texts, params),
        signatures=sign(compared_texts, params.duplicates) if near else None,
        words=count_words(joined),
        changed=Counter(
            rule for title, body in zip(titles, bodies, strict=True) for rule in title.changed_by | body.changed_by
        ),
        examples=first_changes([*reviews["text"], *summaries], [*bodies, *titles]),
    )


def _index(reviews: pd.DataFrame, texts: list[str], compared_texts: list[str], params: CleanParams) -> Index:
    time = reviews["time"]
    seconds = time.dt.tz_convert(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    by_hash = params.split.by != "time"
    return Index(
        key=np.array([hash64(letters(text)) for text in compared_texts], dtype=np.uint64),
        id_hash=np.array([hash64(each) for each in reviews["review_id"]], dtype=np.uint64),
        seconds=np.where(time.isna(), UNDATED, seconds.clip(0, int(UNDATED) - 1)).astype(np.uint32),
        stars=reviews["stars"].to_numpy(dtype=np.float32),
        empty=np.array([not text for text in texts], dtype=bool),
        split=splits_by_hash(reviews, params.split) if by_hash else np.full(len(reviews), -1, dtype=np.int8),
    )


def count_dropped(dropped: tuple[Batch, Rows]) -> WordCounts:
    """The words of some reviews of a batch, by their places in it."""
    batch, places = dropped
    _, joined = batch.texts(places)
    return count_words(joined)


@dataclass(frozen=True)
class Corrected:
    """What correcting a batch changed."""

    places: Rows
    """Of the reviews with a corrected word."""
    keys: NDArray[np.uint64]
    """Of the corrected texts of those, as in ``Index``."""


def correct(batch: Batch, corrections: Mapping[str, str]) -> Corrected:
    """Correct the spelling of a batch; its part holds the corrected texts from now on."""
    texts, joined = batch.texts()
    corrected = [correct_spelling(text, corrections) for text in joined]
    places = [place for place, (before, after) in enumerate(zip(joined, corrected, strict=True)) if before != after]
    for place in places:
        texts[place] = correct_spelling(texts[place], corrections)
    batch.write(texts, corrected)
    keys = [hash64(letters(compared(texts[place], corrected[place]))) for place in places]
    return Corrected(np.array(places, dtype=np.int64), np.array(keys, dtype=np.uint64))


@dataclass(frozen=True)
class Decided:
    """What was decided of each review of a batch; an entry each."""

    reason: NDArray[np.int8]
    """A value of ``REASON_CODES``, or ``KEPT``."""
    split: NDArray[np.int8]
    """A value of ``SPLIT_CODES``; read only where the review is kept."""
    cluster: NDArray[np.uint64]
    """The same for reviews that say nearly the same."""
    kept_review_id: list[str | None]
    """The review that stands for a dropped one."""
    similarity: NDArray[np.float32]
    """NaN where no review stands for it."""
    corrected: NDArray[np.bool_]
    """Whether a word was corrected."""


@dataclass(frozen=True)
class Finished:
    """A batch as the stage writes it."""

    kept: pa.Table
    """Columns of ``CLEAN_SCHEMA``."""
    dropped: pa.Table
    """Columns of ``DROPPED_SCHEMA``."""


def finish(given: tuple[Batch, Decided]) -> Finished:
    """Part what is kept of a batch from what is dropped."""
    batch, decided = given
    reviews = batch.table()
    _, text_clean = batch.texts()
    columns = {
        **{name: reviews[name] for name in reviews.column_names},
        "text_clean": pa.array(text_clean, pa.string()),
        "spelling_corrected": pa.array(decided.corrected),
        "cluster": pa.array([f"{key:016x}" for key in decided.cluster.tolist()]),
        "split": pa.array([SPLITS[code] for code in decided.split.tolist()]),
        "reason": pa.array(["" if code == KEPT else DROP_REASONS[code] for code in decided.reason.tolist()]),
        "kept_review_id": pa.array(decided.kept_review_id, pa.string()),
        "similarity": pa.array(decided.similarity, pa.float32(), from_pandas=True),
    }
    whole = pa.table(columns)
    is_kept = pa.array(decided.reason == KEPT)
    return Finished(
        kept=_of(whole.filter(is_kept), CLEAN_SCHEMA), dropped=_of(whole.filter(pc.invert(is_kept)), DROPPED_SCHEMA)
    )


def _of(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return table.select(schema.names).cast(schema)
