"""Records of a table with a header row (CSV and its kin)."""

import csv
from collections.abc import Iterator
from typing import TextIO

from starsight.errors import DataError
from starsight.ingest.raw import RawRecord
from starsight.params import Columns, CsvDataset

_MAX_FIELD_CHARACTERS = 10_000_000
"""A longer field is refused by the csv module."""
_MAX_LINES = 300
"""A record of more lines holds a quote that was not closed, and has swallowed the records up to the next quote."""


def read_delimited(text: TextIO, dataset: CsvDataset) -> Iterator[RawRecord]:
    """The table's records. A row that is too short, too long or no CSV is a damaged record, and reading goes on.

    Raises:
        DataError: there is no header row, it lacks a column that ``dataset.columns`` names, or a quote is not closed.
    """
    previous = csv.field_size_limit(_MAX_FIELD_CHARACTERS)  # a setting of the csv module as a whole
    try:
        rows = csv.reader(text, delimiter=dataset.delimiter)
        header = _read_header(rows, dataset)
        while True:
            lines_before = rows.line_num
            try:
                row = next(rows)
                if rows.line_num - lines_before > _MAX_LINES:
                    raise DataError(
                        f"{dataset.source}: a quote that opens in line {lines_before + 1} swallows all lines up to "
                        f"{rows.line_num}; close it or take it out, or the reviews in between are lost."
                    )
            except StopIteration:
                return
            except csv.Error as error:
                yield RawRecord({}, damage=f"line {rows.line_num}: {error}")
                continue
            if len(row) == len(header):
                yield RawRecord(dict(zip(header, row, strict=True)))
            elif row:  # a blank line is no record
                names = header + [f"field {i + 1}" for i in range(len(header), len(row))]
                damage = f"line {rows.line_num}: {len(row)} fields, the header has {len(header)}"
                yield RawRecord(dict(zip(names, row, strict=False)), damage)
    finally:
        csv.field_size_limit(previous)


def _read_header(rows: Iterator[list[str]], dataset: CsvDataset) -> list[str]:
    try:
        header = next(rows, [])
    except csv.Error as error:
        raise DataError(f"{dataset.source} is no table ({error}); check format and delimiter in params.yaml.") from None
    if not header:
        raise DataError(f"{dataset.source} is empty; put a table with a header row there.")
    found = ", ".join(header)[:500]
    if missing := [name for name in _names(dataset.columns) if name not in header]:
        raise DataError(
            f"{dataset.source} has no column {', '.join(missing)}; found: {found}. "
            "Correct columns (or delimiter) in params.yaml."
        )
    if repeated := [name for name in _names(dataset.columns) if header.count(name) > 1]:
        raise DataError(f"{dataset.source} has more than one column {', '.join(repeated)}; found: {found}. Rename one.")
    return header


def _names(columns: Columns) -> list[str]:
    """The source's columns that hold a field of a review."""
    plain = [columns.text, columns.summary, columns.review_id, columns.product_id, columns.user_id]
    votes = [columns.helpful_votes, columns.total_votes]
    names = [*plain, columns.stars.column, columns.time.column if columns.time else None, *votes]
    return list(dict.fromkeys(name for name in names if name is not None))
