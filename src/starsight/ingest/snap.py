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

from starsight.ingest.lines import MAX_CHARACTERS, bounded_lines
from starsight.ingest.raw import RawRecord
from starsight.ingest.wording import RECORD_CHARACTERS

_FIELD = re.compile(r"((?:product|review)/\w+):[ ]?(.*)", re.DOTALL)
_FIRST_KEY = "product/productId"
_MAX_FIELD_CHARACTERS = 200_000
"""Lines after this many are not read on into a field: the file is of another format, and would fill the memory."""


def read_snap(text: TextIO) -> Iterator[RawRecord]:
    """The file's records. One that says a thing twice, opens without a key or never ends is a damaged record."""
    record = RawRecord({})
    key: str | None = None
    n_characters = 0
    for ended_line in bounded_lines(text):
        line = ended_line.rstrip("\r\n")
        field = _FIELD.fullmatch(line)
        begins = field is not None and field[1] == _FIRST_KEY and _FIRST_KEY in record.fields  # a blank line was lost
        if begins or not line:
            if record.fields:
                yield record
            record, key, n_characters = RawRecord({}), None, 0
        if not line:
            continue
        n_characters += len(line)
        if n_characters > MAX_CHARACTERS:
            record.damage = f"goes on for more than {MAX_CHARACTERS:,} characters"
            record.fields.setdefault(key or "", line[:RECORD_CHARACTERS])
        elif field is None and key is None:
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
        yield record
