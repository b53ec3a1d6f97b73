"""Guess which column of an unknown table holds what: by its name, and where names say nothing, by its values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from starsight.errors import DataError
from starsight.ingest.wording import listed
from starsight.params import Columns, RatingColumn, TimeColumn

_USUAL_NAMES: Final[dict[str, str]] = {
    "text": "text body content fulltext comment comments review reviews feedback opinion message",
    "rating": "rating ratings stars star starrating ratingstar score overall overallrating ratingvalue rate grade",
    "summary": "summary headline title subject heading",
    "user_id": "userid reviewerid customerid authorid memberid user reviewer customer author username reviewername "
    "profilename",
    "product_id": "productid asin parentasin itemid businessid bookid movieid hotelid clothingid appid sku isbn "
    "product item business hotel restaurant",
    "time": "unixreviewtime time timestamp datetime date createdat created submissiontime written posted publishedat",
    "helpful_votes": "helpfulvotes helpfulvote helpfulnessnumerator helpful useful votes vote upvotes thumbsup "
    "positivefeedbackcount",
    "total_votes": "totalvotes totalvote helpfulnessdenominator",
    "verified": "verifiedpurchase verified isverified verifiedbuyer",
    "category": "category productcategory maincategory department departmentname genre",
    "review_id": "reviewid id uuid",
}
"""Names that sources give to a field, without case, spaces and punctuation; the first that is there is taken. A leading
``review`` or ``reviews`` (``Review Text``, ``reviews.rating``) may stand before any of them."""

_SCALES: Final = ((1.0, 5.0), (0.0, 1.0), (0.0, 5.0), (1.0, 10.0), (0.0, 10.0), (0.0, 20.0), (0.0, 100.0))
"""Scales in use. The first that holds the ratings seen is taken."""
_SCALE_SHARE = 0.98
"""Share of the ratings that the scale must hold: a few that are out of range are mistakes of the source."""
_MAX_RATINGS = 21
"""A column of more distinct numbers is no rating: halves from 0 to 10 make 21."""
_MIN_TEXT_CHARACTERS = 20
"""A column that is no longer on average is a name or a code, not a review."""

_TIME_FORMATS: Final = (
    *("ISO8601", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S"),
    *("%Y/%m/%d", "%m-%d-%Y", "%d-%m-%Y", "%m %d, %Y"),
)
"""Formats that are tried. Of two that read as many dates, the first is taken."""

_SINCE_1970: Final = {"s": (1e8, 1e10), "ms": (1e11, 1e13)}
"""Numbers that count seconds or milliseconds, for dates from 1973 to 2286."""

Records = list[dict[str, str]]
Table = dict[str, list[str]]
"""Values by column."""


@dataclass(frozen=True)
class ColumnGuess:
    """Columns, what they rest on, and what a person should look at."""

    columns: Columns
    why: tuple[str, ...]
    """Sentences about what was found."""
    unsure: tuple[str, ...]
    """Sentences about what was only guessed."""


def guess_columns(names: list[str], records: Records, source: str) -> ColumnGuess:
    """The most likely columns of a table.

    Args:
        names: The table's columns, in order.
        records: Some of its records; none for a table that is nothing but a header.
        source: What a message calls the table.

    Raises:
        DataError: nothing in it looks like the text of a review, or nothing like a rating.
    """
    table = {name: [record.get(name, "") for record in records] for name in names if name.isprintable()}
    found: dict[str, str] = {}
    unsure: list[str] = []
    for field in _USUAL_NAMES:
        left = {name: values for name, values in table.items() if name not in found.values()}
        if name := _by_name(field, left):
            found[field] = name
        elif field in _BY_VALUES:
            guess, what = _BY_VALUES[field]
            name = guess(left)
            if name is None:
                raise DataError(
                    f"{source} has no column that looks like {what}; found: {listed(names)}. "
                    "Write its row in params.yaml by hand and check that with --dataset."
                )
            found[field] = name
            unsure.append(f"{field} is column {name!r} for its values alone; no column has a usual name")
    named = ", ".join(f"{field} is {name!r}" for field, name in found.items())
    rating, doubts = _rating(found.pop("rating"), table)
    unsure += doubts
    time, doubts = _time(found.pop("time", None), table)
    return ColumnGuess(Columns(rating=rating, time=time, **found), (f"columns: {named}",), (*unsure, *doubts))


def _by_name(field: str, table: Table) -> str | None:
    """The column whose name is usual for the field and whose values fit it."""
    plain = {name: "".join(filter(str.isalnum, name.casefold())) for name in table}
    forms = {name: {each, each.removeprefix("review"), each.removeprefix("reviews")} for name, each in plain.items()}
    usual = [name for each in _USUAL_NAMES[field].split() for name in table if each in forms[name]]
    if field == "text":  # "review" may be the text, or what somebody has made of it
        return max(usual, key=lambda name: _mean_length(table[name]), default=None)
    if fits := _FITS.get(field):
        return next((name for name in usual if fits(table[name])), usual[0] if usual and field == "rating" else None)
    return next((name for name in usual if any(table[name]) or not table[name]), None)


def _longest(table: Table) -> str | None:
    lengths = {name: _mean_length(values) for name, values in table.items()}
    longest = max(lengths, key=lambda name: lengths[name], default=None)
    return longest if longest is not None and lengths[longest] >= _MIN_TEXT_CHARACTERS else None


def _mean_length(values: list[str]) -> float:
    return sum(map(len, values)) / max(len(values), 1)


def _few_numbers(table: Table) -> str | None:
    """The first column of numbers from 0 to 100 with three or more values that come again and again."""
    for name, values in table.items():
        numbers = _numbers(values)
        distinct = numbers.nunique()
        often = distinct * 2 <= len(numbers) and 3 <= distinct <= _MAX_RATINGS
        if often and _are_numbers(values) and numbers.between(0, 100).all():
            return name
    return None


def _numbers(values: list[str]) -> "pd.Series[float]":
    """The values that are finite numbers."""
    numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").astype(float)
    return numbers[np.isfinite(numbers)]


def _are_numbers(values: list[str]) -> bool:
    """Whether most of the values that say anything are numbers."""
    return 2 * len(_numbers(values)) >= len([value for value in values if value.strip()])


def _rating(name: str, table: Table) -> tuple[RatingColumn, list[str]]:
    numbers = _numbers(table[name])
    if numbers.empty:
        return RatingColumn(column=name), [f"the scale is taken to be 1 to 5; {name!r} shows no number"]
    low, high = float(numbers.min()), float(numbers.max())
    scale = next(((a, b) for a, b in _SCALES if numbers.between(a, b).mean() >= _SCALE_SHARE), None)
    if scale is None:
        scale = (low, high) if low < high else _SCALES[0]
    elif scale == (1.0, 10.0) and (numbers % 2 == 0).mean() >= _SCALE_SHARE:
        scale = (2.0, 10.0)  # five stars, doubled
    if (low, high) == scale == _SCALES[0]:
        return RatingColumn(column=name), []
    doubt = f"the scale {scale[0]:g} to {scale[1]:g} is guessed from the values seen: {low:g} to {high:g}"
    return RatingColumn(column=name, scale=list(scale)), [doubt]


def _time(name: str | None, table: Table) -> tuple[TimeColumn | None, list[str]]:
    if name is None:
        return None, []
    given = _given(table[name])
    if not given:
        return TimeColumn(column=name), [f"time is taken to be ISO8601; {name!r} shows no date"]
    formats = _time_formats(table[name])
    if not formats:
        return None, [f"time is left out: no usual format reads the {given[0][:40]!r} of {name!r}"]
    column = TimeColumn(column=name, format=formats[0])
    if len(formats) == 1 or formats[0] == "ISO8601":
        return column, []
    return column, [f"time is read as {formats[0]}; {formats[1]} reads {given[0]!r} of {name!r} as well"]


def _given(values: list[str]) -> list[str]:
    return [value for value in values if value.strip()]


def _time_formats(values: list[str]) -> list[str]:
    """The first format that reads as many values as any, if it reads most; then those that read other dates as well."""
    given = _given(values)
    median = _numbers(given).median() if given and _are_numbers(given) else 0.0
    for unit, (first, last) in _SINCE_1970.items():
        if first <= median < last:
            return [unit]
    texts = pd.Series(given, dtype=object)
    read = {each: pd.to_datetime(texts, format=each, utc=True, errors="coerce") for each in _TIME_FORMATS}
    best = max(read, key=lambda each: read[each].count())
    most = read[best].count()
    if 2 * most <= len(given):
        return []
    return [best, *(each for each, dates in read.items() if dates.count() == most and not dates.equals(read[best]))]


def _is_unique(values: list[str]) -> bool:
    return all(values) and len(set(values)) == len(values)


_FITS: Final[dict[str, Callable[[list[str]], bool]]] = {
    "rating": _are_numbers,
    "helpful_votes": _are_numbers,
    "total_votes": _are_numbers,
    "review_id": _is_unique,
}
"""What a field's values must be like, beside the column's name."""
_BY_VALUES: Final[dict[str, tuple[Callable[[Table], str | None], str]]] = {
    "text": (_longest, "the text of a review"),
    "rating": (_few_numbers, "a rating"),
}
"""How a field without which there is no review is found where no name says it, and what it is called."""
