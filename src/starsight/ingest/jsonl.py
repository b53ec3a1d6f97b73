"""Records of a file with a JSON object a line.

Some files of 2014 hold Python dicts instead (``{'overall': 5.0}``); such a line is read as what it is.
"""

import ast
import json
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from starsight.errors import DataError
from starsight.ingest.lines import MAX_CHARACTERS, bounded_lines
from starsight.ingest.named import check_named, named_columns
from starsight.ingest.raw import RawRecord, field_text
from starsight.ingest.wording import RECORD_CHARACTERS
from starsight.params import Columns

_DECODER = json.JSONDecoder(strict=False)  # a line end or a tab within a text harms nobody
_MAX_LITERAL_CHARACTERS = 200_000
"""A longer Python dict is not read: its syntax tree takes hundreds of times the memory."""
_MAX_KEYS = 1_000
"""Keys that are remembered, for the message that a column is missing."""
_BLANKS = " \t\r\n\ufeff"
"""Around an object; a byte-order mark stands inside a file that was put together from several."""


def read_jsonl(text: TextIO, name: str, columns: Columns) -> Iterator[RawRecord]:
    """The file's records. A line that holds no object is a damaged record, and reading goes on; blank lines are none.

    Args:
        text: The file; only a line feed ends a line.
        name: Of the file, for messages.
        columns: Which keys must occur.

    Raises:
        DataError: the file is one JSON array, or no record of it has a key that ``columns`` names.
    """
    wanted = named_columns(columns)
    keys: dict[str, None] = {}
    opened = False
    for number, line in enumerate(bounded_lines(text), start=1):
        content = line.strip(_BLANKS)
        if not content:
            continue
        if not opened and content.startswith("["):
            raise DataError(
                f"{name} is a JSON array, not an object a line; convert it (jq -c '.[]' {name} > reviews.jsonl)."
            )
        opened = True
        record = _record(content, number)
        if record.damage is None:
            keys.update(dict.fromkeys(record.fields if len(keys) < _MAX_KEYS else record.fields.keys() & wanted))
        yield record
    if keys:  # a file of which no line could be read is another matter
        check_named(columns, list(keys), name)


def _record(content: str, number: int) -> RawRecord:
    if len(content) > MAX_CHARACTERS:
        damage = f"more than {MAX_CHARACTERS:,} characters"
    else:
        try:
            return RawRecord({str(key): field_text(value) for key, value in _object(content).items()})
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            damage = getattr(error, "msg", None) or str(error) or type(error).__name__
    return RawRecord({"": content[:RECORD_CHARACTERS]}, f"line {number}: {damage}")


def _object(content: str) -> dict[Any, Any]:
    """The object that a line holds.

    Raises:
        ValueError: it holds none.
        RecursionError, MemoryError: it nests too deeply for the parsers.
    """
    try:
        value = _DECODER.decode(content)
    except json.JSONDecodeError as error:
        if not content.startswith("{") or len(content) > _MAX_LITERAL_CHARACTERS:
            raise
        try:
            with warnings.catch_warnings(action="ignore"):  # of escapes that do not exist
                value = ast.literal_eval(content)
        except (ValueError, TypeError, SyntaxError):
            raise error from None
    if not isinstance(value, dict):
        raise ValueError(f"no object but a {type(value).__name__}")
    return value
