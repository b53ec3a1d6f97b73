"""Records of a table with a header row (CSV and its kin).

A quote that is not closed makes the csv module read on to the next quote, through any number of good rows. A record
that fails for it, or may have swallowed another, costs its first line alone; the other lines are read anew.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from starsight.errors import DataError
from starsight.ingest.lines import MAX_CHARACTERS, bounded_lines
from starsight.ingest.named import check_named
from starsight.ingest.raw import RawRecord
from starsight.ingest.wording import RECORD_CHARACTERS
from starsight.params import Columns

_MAX_LINES = 300
"""No review has more; a record that does holds a quote that was not closed."""


def read_delimited(text: TextIO, name: str, columns: Columns, delimiter: str) -> Iterator[RawRecord]:
    """The table's records. A row that is too short, too long or no CSV is a damaged record, and reading goes on.

    Args:
        text: The file, line ends as they are.
        name: Of the file, for messages.
        columns: Which columns must be there.
        delimiter: The character between two fields.

    Raises:
        DataError: there is no header row, or it lacks a column that ``columns`` names or has it twice.
    """
    previous = csv.field_size_limit(MAX_CHARACTERS)  # a setting of the csv module as a whole
    try:
        lines = _Lines(text)
        header = _read_header(lines, name, columns, delimiter)
        table = _Table(header, delimiter, header.index(columns.rating.column), columns.rating.scale)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            lines.taken.clear()
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error:
                yield table.salvaged(lines.give_back(), lines.number)
                continue
            if len(lines.taken) > 1 and not table.is_one_record(row, lines.taken):
                yield table.salvaged(lines.give_back(), lines.number)
            elif len(row) == len(header):
                yield RawRecord(dict(zip(header, row, strict=True)))
            elif row:  # a blank line is no record
                damage = f"line {lines.number}: {len(row)} fields, the header has {len(header)}"
                yield table.damaged(row, damage)
    finally:
        csv.field_size_limit(previous)


class _Lines:
    """The file's lines for the csv module, which asks for one after the other until a record ends."""

    def __init__(self, text: TextIO) -> None:
        self._lines = bounded_lines(text)
        self._given_back: list[str] = []  # the next one last
        self.taken: list[str] = []
        """Lines of the record that is being read."""
        self.number = 0
        """Of the line that was read last, from 1."""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._given_back.pop() if self._given_back else next(self._lines)
        self.taken.append(line)
        self.number += 1
        if len(self.taken) > _MAX_LINES or sum(map(len, self.taken)) > MAX_CHARACTERS:
            raise csv.Error("too long")
        return line

    def give_back(self) -> str:
        """Put back all lines of the record but its first, which is returned and then the last that was read."""
        first, *others = self.taken
        self._given_back += reversed(others)
        self.number -= len(others)
        return first


@dataclass(frozen=True)
class _Table:
    """What is known of the table's rows."""

    header: list[str]
    delimiter: str
    rating: int
    """Index of the column of ratings."""
    scale: list[float]

    def is_one_record(self, row: list[str], lines: list[str]) -> bool:
        """Whether a row of several lines is what it seems, and no stray quote has run several rows together."""
        return len(row) == len(self.header) and not any(map(self._is_row, lines[1:]))

    def _is_row(self, line: str) -> bool:
        """Whether the line is a row by itself. A line of prose has no rating between the right number of commas, and
        one that ends a quoted field has an odd number of quotes."""
        n_fields = len(self.header)
        if n_fields < 3 or line.count(self.delimiter) < n_fields - 1 or line.count('"') % 2:
            return False
        row = self._read(line)
        return len(row) == n_fields and self._is_rating(row[self.rating])

    def _is_rating(self, found: str) -> bool:
        try:
            return self.scale[0] <= float(found) <= self.scale[1]
        except ValueError:
            return False

    def salvaged(self, line: str, number: int) -> RawRecord:
        """The record that a line is by itself; a damaged one if it has not as many fields as the header."""
        if len(line) > MAX_CHARACTERS:
            return RawRecord({"": line[:RECORD_CHARACTERS]}, f"line {number}: more than {MAX_CHARACTERS:,} characters")
        # No field holds a tab, so there the quotes are text. A comma may be text itself: the quotes must say so.
        row = self._read(line, quotes_are_text=self.delimiter == "\t")
        if len(row) == len(self.header):
            return RawRecord(dict(zip(self.header, row, strict=True)))
        return self.damaged(row, f"line {number}: a quote is not closed, or stands where none belongs")

    def damaged(self, row: list[str], damage: str) -> RawRecord:
        """A record of a row with too few or too many fields."""
        names = self.header + [f"field {i + 1}" for i in range(len(self.header), len(row))]
        return RawRecord(dict(zip(names, row, strict=False)), damage)

    def _read(self, line: str, *, quotes_are_text: bool = False) -> list[str]:
        rows = csv.reader(
            [line.rstrip("\r\n")],
            delimiter=self.delimiter,
            quoting=csv.QUOTE_NONE if quotes_are_text else csv.QUOTE_MINIMAL,
        )
        return next(rows, [])


def _read_header(lines: _Lines, name: str, columns: Columns, delimiter: str) -> list[str]:
    try:
        header = next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"{name} is no table ({error}); check format and delimiter in params.yaml.") from None
    if not header:
        raise DataError(f"{name} is empty; put a table with a header row there.")
    check_named(columns, header, name)
    return header
