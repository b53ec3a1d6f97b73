"""From a source's columns to the fields of a review, checked a batch at a time."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from starsight.errors import DataError
from starsight.ingest.raw import RawRecord
from starsight.ingest.wording import RECORD_CHARACTERS
from starsight.params import Columns, TimeColumn
from starsight.records import MAX_STARS, MIN_STARS, REJECTED_SCHEMA, REVIEW_SCHEMA

Reason = Literal["no_text", "too_long", "no_stars", "stars_not_a_number", "stars_out_of_range", "damaged"]
REASONS: tuple[Reason, ...] = get_args(Reason)

_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
"""A whole number with a comma before each three digits: ``1,234``."""
_TRUTHS = {"true": True, "1": True, "yes": True, "y": True, "false": False, "0": False, "no": False, "n": False}

_FIRST_MOMENT, _LAST_MOMENT = np.datetime64("0001-01-02", "s"), np.datetime64("9999-12-30", "s")

Found = list[str | None]
"""A column as the source has it; None where it says nothing."""
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CheckedBatch:
    """What became of a batch of records: ``len(kept) + len(rejected)`` is the number of records."""

    kept: pa.Table
    """Reviews, as ``records.REVIEW_SCHEMA``."""
    rejected: pa.Table
    """The others, as ``records.REJECTED_SCHEMA``."""
    times_unreadable: int
    """Kept reviews whose time is null although the source gives one."""

    @property
    def n_records(self) -> int:
        """Records of the batch."""
        return int(self.kept.num_rows + self.rejected.num_rows)


def check_batch(
    records: list[RawRecord], *, first: int, columns: Columns, source: str, max_characters: int
) -> CheckedBatch:
    """Turn records into reviews, or reject them with a reason.

    Args:
        records: Consecutive records of one file of the source.
        first: Number of the first of them in that file, from 1.
        columns: Which of the source's columns holds what.
        source: What the ``source`` column says.
        max_characters: Longest text and longest summary of a review.
    """
    text, stars_found = _column(records, columns.text), _column(records, columns.rating.column)
    damage = [record.damage for record in records]
    too_long = zip(
        _excess("text", text, max_characters),
        _excess("summary", _column(records, columns.summary), max_characters),
        strict=True,
    )
    excess = [of_text or of_summary for of_text, of_summary in too_long]
    stars = _numbers(stars_found)
    low, high = columns.rating.scale
    rules: dict[Reason, npt.NDArray[np.bool_]] = {  # the first that holds is the reason
        "damaged": np.array([value is not None for value in damage], dtype=bool),
        "no_text": np.array([value is None or not value.strip() for value in text], dtype=bool),
        "too_long": np.array([value is not None for value in excess], dtype=bool),
        "no_stars": np.array([value is None or not value.strip() for value in stars_found], dtype=bool),
        "stars_not_a_number": ~np.isfinite(stars),
        "stars_out_of_range": (stars < low) | (stars > high),
    }
    reasons = np.select(list(rules.values()), list(rules), default="")
    kept = np.flatnonzero(reasons == "")
    stars = MIN_STARS + (stars[kept] - low) * (MAX_STARS - MIN_STARS) / (high - low)
    reviews, times_unreadable = _reviews([records[i] for i in kept], stars, columns, source)
    faults: dict[str, Found] = {
        "damaged": damage,
        "too_long": excess,
        "stars_not_a_number": stars_found,
        "stars_out_of_range": stars_found,
    }
    return CheckedBatch(reviews, _rejected(records, reasons, faults, first, source), times_unreadable)


def _reviews(records: list[RawRecord], stars: Numbers, columns: Columns, source: str) -> tuple[pa.Table, int]:
    time_found = _column(records, columns.time.column if columns.time else None)
    times, times_unreadable = _times(time_found, columns.time)
    text, summary = _column(records, columns.text), _column(records, columns.summary)
    product_id, user_id = _column(records, columns.product_id), _column(records, columns.user_id)
    rating = _column(records, columns.rating.column)
    identity = zip(product_id, user_id, rating, time_found, summary, text, strict=True)
    given = _column(records, columns.review_id)
    fields = {
        "review_id": [own or _hash(parts) for own, parts in zip(given, identity, strict=True)],
        "product_id": product_id,
        "user_id": user_id,
        "stars": stars,
        "time": times,
        "summary": summary,
        "text": text,
        "helpful_votes": _counts(_column(records, columns.helpful_votes)),
        "total_votes": _counts(_column(records, columns.total_votes)),
        "verified": [_TRUTHS.get((found or "").strip().lower()) for found in _column(records, columns.verified)],
        "category": _column(records, columns.category),
        "source": [source] * len(records),
    }
    arrays = [pa.array(fields[field.name], type=field.type, from_pandas=True) for field in REVIEW_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=REVIEW_SCHEMA), times_unreadable


def _rejected(
    records: list[RawRecord], reasons: npt.NDArray[np.str_], faults: dict[str, Found], first: int, source: str
) -> pa.Table:
    rows = []
    for i in np.flatnonzero(reasons != ""):
        reason = str(reasons[i])
        found = faults[reason][i] if reason in faults else None
        start = {name[:RECORD_CHARACTERS]: value[:RECORD_CHARACTERS] for name, value in records[i].fields.items()}
        rows.append(
            {
                "source": source,
                "record": first + int(i),
                "reason": reason,
                "found": found[:RECORD_CHARACTERS] if found else None,
                "raw": json.dumps(start, ensure_ascii=False)[:RECORD_CHARACTERS],
            }
        )
    return pa.Table.from_pylist(rows, schema=REJECTED_SCHEMA)


def _excess(what: str, found: Found, max_characters: int) -> Found:
    """How long each value is that is too long; None for the others."""
    return [
        f"{what} of {len(value):,} characters" if value is not None and len(value) > max_characters else None
        for value in found
    ]


def _column(records: list[RawRecord], name: str | None) -> Found:
    """One column of the source; all None where it has no such column."""
    if name is None:
        return [None] * len(records)
    return [record.fields.get(name) or None for record in records]


def _numbers(found: Found) -> Numbers:
    """NaN where the source says nothing, or no number."""
    return pd.to_numeric(pd.Series(found, dtype=object), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _counts(found: Found) -> pa.Array:
    """Null where the source gives no whole number from 0 that the column can hold."""
    numbers = _numbers([value.replace(",", "") if value and _GROUPED.fullmatch(value) else value for value in found])
    valid = (numbers >= 0) & (numbers <= np.iinfo(np.int32).max) & (numbers == np.floor(numbers))
    return pa.array(np.where(valid, numbers, 0).astype(np.int32), mask=~valid)


def _times(found: Found, column: TimeColumn | None) -> tuple[npt.NDArray[np.datetime64], int]:
    """Moments in UTC, to the second, and how many could not be read; those are NaT."""
    values = pd.Series(found, dtype=object)
    if column is not None and column.format in ("s", "ms"):
        seconds = _numbers(found) / (1 if column.format == "s" else 1000)
        # Sources write -1 for a time they do not know; none has reviews from before 1970.
        values = pd.Series(np.floor(np.where(seconds >= 0, seconds, np.nan)))
        times = pd.to_datetime(values, unit="s", utc=True, errors="coerce")
    else:
        times = pd.to_datetime(values, format=column.format if column else "ISO8601", utc=True, errors="coerce")
    moments = times.dt.tz_convert(None).to_numpy(dtype="datetime64[s]", copy=True)
    # a year before 1 or after 9999 is no date to most of what reads the table next
    moments[(moments < _FIRST_MOMENT) | (moments > _LAST_MOMENT)] = np.datetime64("NaT")
    return moments, sum(value is not None for value in found) - int((~np.isnat(moments)).sum())


def check_time_format(column: TimeColumn | None) -> None:
    """Refuse a strptime pattern that no time could match.

    Raises:
        DataError: the pattern has a directive that does not exist.
    """
    try:
        _times(["2000"], column)
    except ValueError as error:
        pattern = column.format if column else ""
        raise DataError(
            f"time format {pattern!r} is no strptime pattern ({error}); correct it in params.yaml."
        ) from None


def _hash(parts: tuple[str | None, ...]) -> str:
    """16 hexadecimal digits: the same for the same record in every run."""
    whole = "\x00".join(part or "" for part in parts)
    return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
