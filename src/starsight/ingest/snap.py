"""Records of the Stanford collection's text layout.

    product/productId: B001E4KFG0
    review/helpfulness: 1/1
    review/score: 5.0
    review/text: I have bought several of the Vitality canned dog food products ...

A blank line ends a record. A line without a key goes on with the field before it: names and texts may hold line ends.
"""

import re
from collections.abc import Iterator
from typing import TextIO

from starsight.ingest.raw import RawRecord
from starsight.params import Columns, StarsColumn, TimeColumn

SNAP_COLUMNS = Columns(
    text="review/text",
    stars=StarsColumn(column="review/score", scale=[1.0, 5.0]),
    summary="review/summary",
    product_id="product/productId",
    user_id="review/userId",
    time=TimeColumn(column="review/time", format="s"),
    helpful_votes="helpful_votes",
    total_votes="total_votes",
)
"""``helpful_votes`` and ``total_votes`` are the halves of ``review/helpfulness``."""

_FIELD = re.compile(r"((?:product|review)/\w+):[ ]?(.*)", re.DOTALL)
_FIRST_KEY = "product/productId"
_MAX_FIELD_CHARACTERS = 200_000
"""Lines after this many are not read on into a field: the file is of another format, and would fill the memory."""


def read_snap(text: TextIO) -> Iterator[RawRecord]:
    """The file's records. One that says a thing twice, opens without a key or never ends is a damaged record."""
    record = RawRecord({})
    key: str | None = None
    for ended_line in text:
        line = ended_line.rstrip("\r\n")
        field = _FIELD.fullmatch(line)
        begins = field is not None and field[1] == _FIRST_KEY and _FIRST_KEY in record.fields  # a blank line was lost
        if begins or not line:
            if record.fields:
                yield _with_votes(record)
            record, key = RawRecord({}), None
        if not line:
            continue
        if field is None and key is None:
            record.damage = "opens with a line that has no key"
            key, record.fields[""] = "", line
        elif field is None and key is not None:
            if len(record.fields[key]) < _MAX_FIELD_CHARACTERS:
                record.fields[key] += f"\n{line}"
            else:
                record.damage = (
                    f"{key or 'a line without a key'} goes on for more than {_MAX_FIELD_CHARACTERS} characters"
                )
        elif field is not None and field[1] in record.fields:
            record.damage = f"{field[1]} stands twice"
        elif field is not None:
            key = field[1]
            record.fields[key] = field[2]
    if record.fields:
        yield _with_votes(record)


def _with_votes(record: RawRecord) -> RawRecord:
    helpful, _, total = record.fields.get("review/helpfulness", "").partition("/")
    record.fields |= {"helpful_votes": helpful, "total_votes": total}
    return record
