"""Layouts that are known by name: which reader, which columns, which encoding."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from starsight.ingest.raw import RawRecord
from starsight.params import Columns, RatingColumn, TimeColumn

_VOTES = re.compile(r"\[?([^/,]*)[/,]([^/,\]]*)\]?")


@dataclass(frozen=True)
class Known:
    """How files of a known layout are read."""

    kind: Literal["csv", "jsonl", "snap"]
    """Which reader."""
    columns: Columns
    """All but text and rating may be missing: files of one layout differ by their year."""
    encoding: str = "utf-8"
    """Of the text."""
    both_votes: str | None = None
    """A column that holds helpful and total votes in one (``3/4``, ``[3, 4]``); they become the two that ``columns``
    names."""

    @property
    def needed(self) -> Columns:
        """The columns without which there is no review."""
        return Columns(text=self.columns.text, rating=self.columns.rating)

    def with_votes(self, records: Iterable[RawRecord]) -> Iterator[RawRecord]:
        """Pass records on, both votes in columns of their own."""
        names = [name for name in (self.columns.helpful_votes, self.columns.total_votes) if name is not None]
        for record in records:
            if votes := _VOTES.fullmatch(record.fields.get(self.both_votes or "", "")):
                record.fields |= dict(zip(names, votes.groups(), strict=True))
            yield record


KNOWN: Final[dict[str, Known]] = {
    "snap": Known(
        "snap",
        Columns(
            text="review/text",
            rating=RatingColumn(column="review/score"),
            summary="review/summary",
            product_id="product/productId",
            user_id="review/userId",
            time=TimeColumn(column="review/time", format="s"),
            helpful_votes="helpful_votes",
            total_votes="total_votes",
        ),
        both_votes="review/helpfulness",
    ),
    "kaggle": Known(
        "csv",
        Columns(
            text="Text",
            rating=RatingColumn(column="Score"),
            summary="Summary",
            review_id="Id",
            product_id="ProductId",
            user_id="UserId",
            time=TimeColumn(column="Time", format="s"),
            helpful_votes="HelpfulnessNumerator",
            total_votes="HelpfulnessDenominator",
        ),
    ),
    "amazon": Known(
        "jsonl",
        Columns(
            text="reviewText",
            rating=RatingColumn(column="overall"),
            summary="summary",
            product_id="asin",
            user_id="reviewerID",
            time=TimeColumn(column="unixReviewTime", format="s"),
            helpful_votes="vote",  # of 2018
            total_votes="total_votes",
            verified="verified",
        ),
        both_votes="helpful",  # of 2014
    ),
    "amazon2023": Known(
        "jsonl",
        Columns(
            text="text",
            rating=RatingColumn(column="rating"),
            summary="title",
            product_id="parent_asin",  # asin is one colour or size of it
            user_id="user_id",
            time=TimeColumn(column="timestamp", format="ms"),
            helpful_votes="helpful_vote",
            verified="verified_purchase",
        ),
    ),
    "yelp": Known(
        "jsonl",
        Columns(
            text="text",
            rating=RatingColumn(column="stars"),
            review_id="review_id",
            product_id="business_id",
            user_id="user_id",
            time=TimeColumn(column="date"),
            helpful_votes="useful",
        ),
    ),
}
