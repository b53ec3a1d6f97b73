"""A record as its source has it, before anything is made of it."""

import datetime
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_BATCH_RECORDS = 10_000
_BATCH_CHARACTERS = 16_000_000
"""A batch ends at whichever comes first, so that memory stays flat for long records too."""

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)  # frozen would cost a third of the reading time; there are millions of these
class RawRecord:
    """Fields by the source's own names. What it does not say is absent or empty."""

    fields: dict[str, str]
    damage: str | None = None
    """Why the record cannot be read; None for one that can."""


@dataclass
class Reading:
    """What was noticed while a source was read, beside its records; counted up on the way."""

    files: int = 0
    """Files (members of an archive, queries) that were read."""
    undecodable: int = 0
    """Places where bytes did not fit the encoding that the row names, or half a character stood alone."""


def field_text(value: Any) -> str:
    """A value of JSON, or of another typed source, as the text that a CSV file would hold; empty for null."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case datetime.datetime() | datetime.date():
            return value.isoformat()
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def storable(records: Iterable[RawRecord], reading: Reading) -> Iterator[RawRecord]:
    r"""Pass records on, without halves of surrogate pairs: JSON can write one (``\ud83d``), but no file can hold it.

    Each becomes the replacement character, and counts as undecodable.
    """
    for record in records:
        try:
            "".join((*record.fields, *record.fields.values(), record.damage or "")).encode()
        except UnicodeEncodeError:
            record.fields = {_whole(key, reading): _whole(value, reading) for key, value in record.fields.items()}
            record.damage = record.damage and _whole(record.damage, reading)
        yield record


def _whole(text: str, reading: Reading) -> str:
    whole, n_halves = _HALF_CHARACTER.subn("\N{REPLACEMENT CHARACTER}", text)
    reading.undecodable += n_halves
    return whole


def batches(records: Iterable[RawRecord]) -> Iterator[list[RawRecord]]:
    """Group records, in order, into lists that fit in memory."""
    batch: list[RawRecord] = []
    n_characters = 0
    for record in records:
        batch.append(record)
        n_characters += sum(map(len, record.fields.values()))
        if len(batch) == _BATCH_RECORDS or n_characters > _BATCH_CHARACTERS:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch
