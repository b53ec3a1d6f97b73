"""Guess how a source of reviews is to be read: its layout, encoding, columns, scale and dates."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import IO, Any, Final, cast

from pydantic import TypeAdapter, ValidationError

from starsight.errors import DataError
from starsight.ingest.decoding import BYTE_ORDER_MARKS
from starsight.ingest.delimited import read_delimited
from starsight.ingest.files import SourceFile, expanded, files_below, formats_of, open_files
from starsight.ingest.guess_columns import guess_columns
from starsight.ingest.jsonl import read_jsonl
from starsight.ingest.known import KNOWN
from starsight.ingest.named import named_columns
from starsight.ingest.parquet import opened_parquet, table_records
from starsight.ingest.raw import RawRecord, Reading
from starsight.ingest.wording import listed, printable
from starsight.layout import Layout
from starsight.params import Columns, Dataset, FileDataset, IngestParams, RatingColumn

_PARQUET = b"PAR1"
_SAMPLE_BYTES = 1_000_000
_SAMPLE_RECORDS = 2_000
_PARQUET_RECORDS = 500
_PEEKED_ROWS = 50
"""Rows from which the delimiter is told."""
_MAX_NAME_CHARACTERS = 100
"""A longer cell of the first row is no name of a column."""

_OPTIONAL: Final = {"helpful_votes": None, "total_votes": None, "verified": None, "summary": None}
"""Columns of a known layout that its files do not all have."""
_ANYTHING: Final = Columns(text="", rating=RatingColumn(column=""))
_ESCAPED: Final = ("\udc80", "\udcff")
"""What bytes that are no UTF-8 become when they are decoded with ``surrogateescape``."""
_MARKUP: Final = re.compile(r"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_JSON: Final = re.compile(r"\s*(\{|\[\s*[\[{])")
_NUMBER: Final = re.compile(r"\s*-?\d+([.,]\d+)?\s*")
_SNAP_KEYS: Final = ("product/productId", "review/score", "review/text")
_DELIMITERS: Final = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}


@dataclass(frozen=True)
class Guess:
    """A row of ``datasets`` as it would have to be written, and how sure that is."""

    dataset: FileDataset
    why: tuple[str, ...]
    """What was found, in sentences."""
    unsure: tuple[str, ...]
    """What was only guessed, in sentences: for a person to look at."""


@dataclass(frozen=True)
class _Sample:
    """The beginning of a text file."""

    name: str
    text: str
    encoding: str
    unsure: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """Those that are not blank, the last of them perhaps cut off."""
        return [line for line in self.text.split("\n") if line.strip()]


@dataclass(frozen=True)
class _Found:
    """What the beginning of a file says of the file."""

    format: dict[str, str]
    """The part of the row that has nothing to do with columns."""
    why: str
    names: tuple[str, ...] = ()
    """Columns; none where the layout has always the same."""
    records: tuple[RawRecord, ...] = ()
    unsure: tuple[str, ...] = ()


def guess_dataset(
    source: str, layout: Layout, limits: IngestParams, *, sha256: str | None = None, members: str | None = None
) -> Guess:
    """The row that reads a source, guessed from the beginning of its first file.

    Args:
        source: A file, a folder, a glob, an address or a file in a wheel, as ``source`` of a row names it.
        layout: Where a relative source is looked for, and where downloads are kept.
        limits: How much an archive may hold.
        sha256: Of the file; addresses and wheels need it.
        members: Which files of a zip archive, as a glob.

    Raises:
        DataError: the source cannot be opened, or is nothing that the pipeline reads.
    """
    given = {"source": source, "sha256": sha256, "members": members}
    formats, passed_over = _formats_to_try(source, layout)
    with _first_file(given, formats, layout, limits) as file:
        name = printable(file.name)
        found = _look(file.stream, name)
    of = "" if PurePath(source).name == file.name else f", the first file of {printable(source)},"
    settings, why, unsure = given | found.format, (f"{name}{of} {found.why}",), (*passed_over, *found.unsure)
    if not found.names:
        return Guess(_row(settings), why, unsure)
    records = [record.fields for record in found.records if record.damage is None]
    guess = guess_columns(list(found.names), records, name)
    return Guess(_row(settings | {"columns": guess.columns}), (*why, *guess.why), (*unsure, *guess.unsure))


@contextmanager
def _first_file(
    given: dict[str, Any], formats: list[str], layout: Layout, limits: IngestParams
) -> Iterator[SourceFile]:
    """The source's first file, opened by a row that says nothing of what is in it."""
    errors = []
    for format_name in formats:
        row = _row(given | {"format": format_name} | ({} if format_name in KNOWN else {"columns": _ANYTHING}))
        files = open_files(row, layout, limits)
        try:
            file = next(files)
        except DataError as error:
            errors.append(error)
        else:
            yield file
            return
    raise errors[0]


def _formats_to_try(source: str, layout: Layout) -> tuple[list[str], tuple[str, ...]]:
    """Formats as which the source may be opened, and a sentence about files of a folder that none of them reads."""
    places = (base / expanded(source) for base in (layout.root, layout.home))
    names = [file.name for file in next(filter(None, map(files_below, places)), [])]
    if not names:
        return ["csv", "parquet"], ()  # only a Parquet table is refused by the row of another format
    n_files = formats_of(names)
    most = max(n_files, key=lambda each: n_files[each])  # the first of those that read the same names
    n_others = len(names) - n_files[most]
    return [most], (f"files of other kinds in the folder, which are not read: {n_others:,}",) if n_others else ()


def _row(settings: dict[str, Any]) -> FileDataset:
    try:
        return cast(FileDataset, TypeAdapter(Dataset).validate_python(settings))
    except ValidationError as error:
        problem = error.errors()[0]
        raise DataError(
            f"{problem['loc'][-1]} {ascii(problem['input'])[:100]} cannot be used ({problem['msg']}); correct it."
        ) from None


def _look(stream: io.BufferedReader, name: str) -> _Found:
    if stream.peek(len(_PARQUET)).startswith(_PARQUET):
        return _parquet(stream, name)
    sample = _decoded(_read(stream, _SAMPLE_BYTES), name)
    return _snap(sample) or _json(sample) or _delimited(sample)


def _read(stream: IO[bytes], n_bytes: int) -> bytes:
    """Up to ``n_bytes``, fewer only at the end: a stream that unpacks hands out what it has."""
    pieces = []
    while n_bytes > 0 and (piece := stream.read(n_bytes)):
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)


def _decoded(content: bytes, name: str) -> _Sample:
    marked = (name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark))
    encoding, unsure = next(marked, "utf-8").removesuffix("-le").removesuffix("-be"), []
    if encoding == "utf-8":
        whole = content[:-4] if len(content) == _SAMPLE_BYTES else content  # the last character may be cut off
        lenient = whole.decode(errors="surrogateescape")
        n_foreign = sum(_ESCAPED[0] <= each <= _ESCAPED[1] for each in lenient)
        if n_foreign and n_foreign >= sum(not each.isascii() for each in lenient) / 2:
            encoding = "windows-1252"
            unsure = [f"the encoding is guessed: {n_foreign:,} of the bytes seen are no UTF-8"]
        elif n_foreign:
            unsure = [f"{n_foreign:,} of the bytes seen are no UTF-8, as the others are"]
    text = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{name} is empty; put reviews there.")
    if sum(each < " " and each not in "\t\n\r\f" for each in text) * 20 > len(text):
        raise DataError(f"{name} is no text, and no format that starsight reads; export its table as CSV.")
    if _MARKUP.match(text):
        raise DataError(
            f"{name} is a web page or XML, perhaps one that asks for a login; fetch the reviews as a table."
        )
    return _Sample(name, text, encoding, tuple(unsure))


def _snap(sample: _Sample) -> _Found | None:
    if not all(re.search(rf"^{key}:", sample.text, re.MULTILINE) for key in _SNAP_KEYS):
        return None
    why = f"is text of the Stanford collection: its lines begin with {', '.join(_SNAP_KEYS)}"
    return _of_known("snap", why, sample)


def _json(sample: _Sample) -> _Found | None:
    if not _JSON.match(sample.text):
        return None
    n_lines = len(sample.lines)
    text = io.StringIO(sample.text)
    # One after the other, never to the end, where the reader asks for the columns.
    records = tuple(islice(read_jsonl(text, sample.name, _ANYTHING), min(n_lines, _SAMPLE_RECORDS)))
    whole = [record for record in records if record.damage is None]
    if not whole:
        raise DataError(f"{sample.name} is JSON, but its lines are no objects; write one a line: jq -c . <file>.")
    names = tuple(dict.fromkeys(key for record in whole for key in record.fields))
    known = _known("jsonl", names)
    if known is not None:
        why = f"has a JSON object a line, with the keys of {known}"
        return _of_known(known, why, sample)
    row = {"format": "jsonl"} | _named_encoding(sample)
    return _Found(row, "has a JSON object a line", names, records, sample.unsure)


def _delimited(sample: _Sample) -> _Found:
    delimiter, header = _delimiter(sample)
    once = next((name for name in header if header.count(name) == 1), None)
    if once is None:
        raise DataError(f"{sample.name} has no two columns of different names; found: {listed(header)}.")
    known = _known("csv", header) if delimiter == "," else None
    if known is not None:
        why = f"is a table with the columns of {known}"
        return _of_known(known, why, sample)
    text, anything = io.StringIO(sample.text, newline=""), Columns(text=once, rating=RatingColumn(column=once))
    records = tuple(islice(read_delimited(text, sample.name, anything, delimiter), _SAMPLE_RECORDS))
    row = {"format": "tsv" if delimiter == "\t" else "csv"} | _named_encoding(sample)
    row |= {"delimiter": delimiter} if delimiter in ";|" else {}
    why = f"is a table with {_DELIMITERS[delimiter]} between its {len(header)} columns"
    return _Found(row, why, tuple(header), records, sample.unsure)


def _delimiter(sample: _Sample) -> tuple[str, list[str]]:
    """The character with which most lines have as many fields as the first, and the first line cut by it."""
    best = (0.0, 0, "", [""])
    for delimiter in _DELIMITERS:
        rows = _rows(sample.text, delimiter)
        n_fields = len(rows[0])
        if n_fields > 1:
            best = max(best, (sum(len(row) == n_fields for row in rows) / len(rows), n_fields, delimiter, rows[0]))
    _, n_fields, delimiter, header = best
    if n_fields < 2:
        raise DataError(
            f"{sample.name} is no format that starsight knows: its first line holds no comma, tab, semicolon or bar, "
            f"and is no JSON; found: {printable(sample.lines[0][:60])!r}. Write it as CSV with a header row."
        )
    if any(_NUMBER.fullmatch(cell) or len(cell) > _MAX_NAME_CHARACTERS for cell in header):
        raise DataError(
            f"{sample.name} has no header row; its first line is a record: {listed(header)[:100]}. "
            "Put the names of the columns into a line above it."
        )
    return delimiter, header


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """The first rows of a table, as many as are no nonsense; the last of them may be cut off."""
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            rows += [row] if row else []
            if len(rows) == _PEEKED_ROWS:
                break
    except csv.Error:  # a quote that does not close runs into the limit of a field
        pass
    return rows or [[]]


def _parquet(stream: IO[bytes], name: str) -> _Found:
    with opened_parquet(stream, name) as table:
        names = tuple(table.schema_arrow.names)
        once = [each for each in names if names.count(each) == 1]
        rows = next(table.iter_batches(batch_size=_PARQUET_RECORDS, columns=once), None)
        records = () if rows is None else tuple(table_records(rows, once, Reading()))
    return _Found({"format": "parquet"}, f"is a Parquet table of {len(names)} columns", names, records)


def _known(kind: str, names: Sequence[str]) -> str | None:
    """The known layout that reads the file, and most of whose columns are there: they differ by the file's year."""
    for format_name, known in KNOWN.items():
        typical = set(named_columns(known.columns.model_copy(update=_OPTIONAL)))
        if known.kind == kind and typical <= set(names):
            return format_name
    return None


def _of_known(format_name: str, why: str, sample: _Sample) -> _Found:
    """A file of a known layout, whose encoding is named where it is not the one that the layout is known to have."""
    usual = KNOWN[format_name].encoding
    if sample.encoding == usual:
        return _Found({"format": format_name}, why)
    doubt = f"its text is taken to be {sample.encoding}; files of this layout usually are {usual}"
    return _Found({"format": format_name, "encoding": sample.encoding}, why, unsure=(doubt, *sample.unsure))


def _named_encoding(sample: _Sample) -> dict[str, str]:
    return {} if sample.encoding == "utf-8" else {"encoding": sample.encoding}
