"""From a row of ``datasets`` to raw records, whatever the source: the one place that knows every kind of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from starsight.ingest.decoding import decode
from starsight.ingest.delimited import read_delimited
from starsight.ingest.files import SourceFile, open_files
from starsight.ingest.hub import read_hub
from starsight.ingest.jsonl import read_jsonl
from starsight.ingest.known import KNOWN
from starsight.ingest.parquet import read_parquet
from starsight.ingest.raw import RawRecord, Reading, storable
from starsight.ingest.snap import read_snap
from starsight.ingest.sql import read_sql
from starsight.layout import Layout
from starsight.params import (
    Columns,
    CsvDataset,
    Dataset,
    FileDataset,
    HubDataset,
    IngestParams,
    KnownDataset,
    ParquetDataset,
    SqlDataset,
)


@dataclass(frozen=True)
class SourceRecords:
    """The records of one file (query, split) of a source."""

    name: str
    """What the ``source`` column says of them."""
    columns: Columns
    """Which of the records' fields holds what."""
    records: Iterator[RawRecord]
    """To be read to its end before the next file is asked for."""


def read_source(dataset: Dataset, layout: Layout, limits: IngestParams, reading: Reading) -> Iterator[SourceRecords]:
    """The records of a source, file by file, in flat memory.

    Args:
        dataset: The source and how to read it.
        layout: Where a relative source is looked for, and where downloads are kept.
        limits: How much an archive may hold.
        reading: Counts what was noticed on the way.

    Raises:
        DataError: the source cannot be found, fetched or read; also from ``records``, while they are read.
    """
    for name, records in _open(dataset, layout, limits, reading):
        reading.files += 1
        yield SourceRecords(name, source_columns(dataset), storable(records, reading))


def source_columns(dataset: Dataset) -> Columns:
    """Which of the source's columns holds what: as the row says, or as its layout is known to be."""
    return KNOWN[dataset.format].columns if isinstance(dataset, KnownDataset) else dataset.columns


def _open(
    dataset: Dataset, layout: Layout, limits: IngestParams, reading: Reading
) -> Iterator[tuple[str, Iterator[RawRecord]]]:
    if isinstance(dataset, SqlDataset):
        yield "sql", read_sql(dataset, reading)
    elif isinstance(dataset, HubDataset):
        yield dataset.source, read_hub(dataset, layout, reading)
    else:
        for file in open_files(dataset, layout, limits):
            yield file.name, _read_file(file, dataset, reading)


def _read_file(file: SourceFile, dataset: FileDataset, reading: Reading) -> Iterator[RawRecord]:
    if isinstance(dataset, ParquetDataset):
        return read_parquet(file.stream, file.name, dataset.columns, reading)
    if isinstance(dataset, KnownDataset):
        known = KNOWN[dataset.format]
        encoding = dataset.encoding or known.encoding
        return known.with_votes(_read_text(file, known.kind, known.needed, encoding, ",", reading))
    if isinstance(dataset, CsvDataset):
        return _read_text(file, "csv", dataset.columns, dataset.encoding, dataset.used_delimiter, reading)
    return _read_text(file, "jsonl", dataset.columns, dataset.encoding, ",", reading)


def _read_text(
    file: SourceFile, kind: str, needed: Columns, encoding: str, delimiter: str, reading: Reading
) -> Iterator[RawRecord]:
    # csv wants line ends as they are; elsewhere only \n ends a line, and a lone \r is part of it
    text = decode(file.stream, encoding, reading, newline="" if kind == "csv" else "\n")
    if kind == "csv":
        return read_delimited(text, file.name, needed, delimiter)
    return read_jsonl(text, file.name, needed) if kind == "jsonl" else read_snap(text)
