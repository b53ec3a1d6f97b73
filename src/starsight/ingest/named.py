"""The columns that a row of ``datasets`` names, and whether the source has them."""

from collections.abc import Sequence

from starsight.errors import DataError
from starsight.ingest.wording import listed
from starsight.params import Columns


def named_columns(columns: Columns) -> list[str]:
    """The source's columns that hold a field of a review, each once."""
    plain = [columns.text, columns.summary, columns.review_id, columns.product_id, columns.user_id, columns.category]
    typed = [columns.rating.column, columns.time.column if columns.time else None]
    names = [*plain, *typed, columns.helpful_votes, columns.total_votes, columns.verified]
    return list(dict.fromkeys(name for name in names if name is not None))


def check_named(columns: Columns, found: Sequence[str], name: str) -> None:
    """Refuse a source that lacks a column which its row names, or has it twice.

    Args:
        columns: What the row names.
        found: The source's columns.
        name: Of the file, for the message.

    Raises:
        DataError: a column is missing or stands twice.
    """
    shown = listed(found)
    if missing := [column for column in named_columns(columns) if column not in found]:
        raise DataError(
            f"{name} has no column {', '.join(missing)}; found: {shown}. "
            "Correct columns (or format, or delimiter) in params.yaml."
        )
    if repeated := [column for column in named_columns(columns) if found.count(column) > 1]:
        raise DataError(f"{name} has more than one column {', '.join(repeated)}; found: {shown}. Rename one.")
