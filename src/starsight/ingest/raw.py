"""A record as its source has it, before anything is made of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_BATCH_RECORDS = 10_000
_BATCH_CHARACTERS = 16_000_000
"""A batch ends at whichever comes first, so that memory stays flat for long records too."""


@dataclass(slots=True)  # frozen would cost a third of the reading time; there are millions of these
class RawRecord:
    """Fields by the source's own names. What it does not say is absent or empty."""

    fields: dict[str, str]
    damage: str | None = None
    """Why the record cannot be read; None for one that can."""


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
