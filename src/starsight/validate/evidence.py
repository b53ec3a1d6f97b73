"""What the promises are checked on: the clean reviews without their texts, and what the stages before have counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starsight.errors import DataError
from starsight.layout import Layout
from starsight.records import CLEAN_SCHEMA
from starsight.tables import missing, no_parquet, read_json, read_table

REQUIRED: Final = [field.name for field in CLEAN_SCHEMA if not field.nullable]
"""Columns of the clean table that may not be null."""
LENGTHS: Final = {"text": "text_characters", "text_clean": "characters"}
"""What stands for the two long columns: a table of millions of reviews need not be in memory with all its words."""

_BATCH_REVIEWS: Final = 8192
"""Reviews whose texts are in memory at the same time."""

_READ: Final = [*REQUIRED, "time", "user_id", "product_id"]
# Parquet knows no whole seconds
_TYPES: Final = {field.name: field.type for field in CLEAN_SCHEMA} | {"time": pa.timestamp("ms", tz="UTC")}


@dataclass(frozen=True)
class Evidence:
    """All that a verdict depends on, but for the limits."""

    reviews: pd.DataFrame
    """The clean reviews, with the lengths of ``LENGTHS`` for the texts, and ``text_key``: the same number for the same
    ``text_clean``. A column that is missing, or has another type than it should, is null throughout."""
    columns: pd.DataFrame
    """``column``, ``promised`` and ``found``: each column of ``CLEAN_SCHEMA``, its type, and that in the table."""
    dropped: pd.DataFrame
    """``cluster`` and ``stars`` of the reviews that cleaning removed."""
    dropped_share: float
    """Of the ingested reviews, 0 to 1."""
    rejected_share: float
    """Of the source's records, 0 to 1."""
    today: date
    """In UTC. Only a review from the future makes a verdict of one day differ from that of another."""


def read_evidence(layout: Layout) -> Evidence:
    """Read what the stages before have written, in memory that does not grow with the length of the texts.

    Raises:
        DataError: a file is missing or not readable.
    """
    cleaning, ingestion = read_json(layout.clean_report), read_json(layout.ingest_report)
    with _parquet(layout.clean) as file:
        found = {field.name: field.type for field in file.schema_arrow}
        reviews = _without_texts(file, [name for name in _READ if found.get(name) == _TYPES[name]])
    return Evidence(
        reviews=reviews,
        columns=pd.DataFrame(
            {
                "column": list(_TYPES),
                "promised": [str(each) for each in _TYPES.values()],
                "found": [str(found[name]) if name in found else None for name in _TYPES],
            }
        ),
        dropped=read_table(layout.dropped, columns=["cluster", "stars"]),
        dropped_share=_share(cleaning, "dropped", "reviews", layout.clean_report),
        rejected_share=_share(ingestion, "rejected", "records", layout.ingest_report),
        today=datetime.now(UTC).date(),
    )


@contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise missing(path) from None
    except (pa.ArrowInvalid, OSError) as error:
        raise no_parquet(path, error) from None


def _without_texts(file: pq.ParquetFile, columns: list[str]) -> pd.DataFrame:
    empty = file.schema_arrow.empty_table().select(columns)
    batches = (pa.Table.from_batches([batch]) for batch in file.iter_batches(_BATCH_REVIEWS, columns=columns))
    reviews: pd.DataFrame = pa.concat_tables([_measured(empty), *map(_measured, batches)]).to_pandas()
    return reviews


def _measured(reviews: pa.Table) -> pa.Table:
    """The columns ``_READ``, with lengths and a hash in place of the texts; nulls for what ``reviews`` lacks."""
    for name in _READ:
        if name not in reviews.column_names:
            reviews = reviews.append_column(name, pa.nulls(len(reviews), _TYPES[name]))
    text_keys = pd.util.hash_pandas_object(reviews["text_clean"].to_pandas(), index=False)
    lengths = {length: pc.utf8_length(reviews[text]) for text, length in LENGTHS.items()}
    found = {name: reviews[name] for name in _READ if name not in LENGTHS}
    return pa.table({**found, **lengths, "text_key": pa.array(text_keys)})


def _share(report: dict[str, Any], part: str, whole: str, path: Path) -> float:
    try:
        return float(report[part] / max(report[whole], 1))
    except (KeyError, TypeError):
        raise DataError(f"{path} lacks the numbers {part} and {whole}; run dvc repro, which writes it anew.") from None
