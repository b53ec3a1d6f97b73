import datetime
import gzip
import io
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from miniature import limits

from starsight.errors import DataError
from starsight.ingest.outcome import ingest
from starsight.ingest.parquet import read_parquet
from starsight.ingest.raw import Reading
from starsight.layout import Layout
from starsight.params import Columns, ParquetDataset, RatingColumn, TimeColumn
from starsight.tables import read_table

MOMENT = datetime.datetime(2016, 3, 9, 0, 56, 38, tzinfo=datetime.UTC)


def packed(columns: dict[str, object] | pa.Table, **settings: object) -> bytes:
    content = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), content, **settings)
    return content.getvalue()


def stored(layout: Layout, content: bytes, **columns: object) -> ParquetDataset:
    (layout.root / "r.parquet").write_bytes(content)
    return ParquetDataset(
        format="parquet",
        source="r.parquet",
        columns=Columns(text="text", rating=RatingColumn(column="stars"), **columns),
    )


@pytest.mark.parametrize(
    "stars",
    [
        pa.array([4, None, 5], pa.int8()),
        pa.array([4.0, None, 5.0], pa.float16()),
        pa.array(["4", None, "5"]),
        pa.array(["4.0", None, "5"], pa.string_view()),
        pa.array([b"4", None, b"5"]),
        pa.array(["4", None, "5"]).dictionary_encode(),
        pa.array([Decimal("4.00"), None, Decimal("5.00")]),
    ],
    ids=lambda stars: str(stars.type),
)
def test_ratings_of_every_type_arrive(layout, stars):
    report = ingest(stored(layout, packed({"text": ["a", "b", "c"], "stars": stars})), layout, limits(0.5))
    assert report.rejected["no_stars"] == 1
    assert read_table(layout.reviews)["stars"].to_list() == [4.0, 5.0]


@pytest.mark.parametrize(
    "when",
    [
        pa.array([MOMENT, None], pa.timestamp("ns", "Europe/Berlin")),
        pa.array([MOMENT, None], pa.timestamp("ms")),
        pa.array(["2016-03-09T00:56:38Z", None]),
    ],
    ids=lambda when: str(when.type),
)
def test_moments_of_every_type_arrive(layout, when):
    content = packed({"text": ["a", "b"], "stars": [4, 5], "when": when})
    report = ingest(stored(layout, content, time=TimeColumn(column="when")), layout, limits())
    times = read_table(layout.reviews)["time"]
    assert times[0] == pd.Timestamp(MOMENT)
    assert pd.isna(times[1])
    assert report.times_unreadable == 0


def test_a_moment_beyond_the_calendar_is_unreadable(layout):
    content = packed({"text": ["a"], "stars": [4], "when": pa.array([2**60], pa.timestamp("ms"))})
    assert ingest(stored(layout, content, time=TimeColumn(column="when")), layout, limits()).times_unreadable == 1


def test_nested_values_become_json(layout):
    content = packed({"text": ["a"], "stars": [4], "tags": [["x", None]], "more": [{"k": 1}]})
    ingest(stored(layout, content, category="tags", summary="more"), layout, limits())
    review = read_table(layout.reviews).iloc[0]
    assert (review.category, review.summary) == ('["x", null]', '{"k": 1}')


def test_only_the_columns_that_are_named_are_read():
    stream = io.BytesIO(packed({"other": [1], "stars": [4], "text": ["a"]}))
    columns = Columns(text="text", rating=RatingColumn(column="stars"))
    (record,) = read_parquet(stream, "r.parquet", columns, Reading())
    assert record.fields == {"text": "a", "stars": "4"}


def test_a_name_with_a_dot_is_a_name(layout):
    content = packed({"text": ["a"], "stars": [4], "item.id": ["i"], "item": [{"id": "no"}]})
    ingest(stored(layout, content, product_id="item.id"), layout, limits())
    assert read_table(layout.reviews)["product_id"].to_list() == ["i"]


def test_bytes_that_are_no_utf_8_are_read_and_counted(layout):
    text = pa.array([b"caf\xe9", "fine \u2028".encode()])
    report = ingest(stored(layout, packed({"text": text.view(pa.string()), "stars": [4, 5]})), layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ["caf\u00e9", "fine \u2028"]
    assert report.undecodable == 1


def test_a_table_that_cannot_be_sought_in_is_read_too(layout):
    dataset = stored(layout, gzip.compress(packed({"text": ["a"], "stars": [4]})))
    assert ingest(dataset, layout, limits()).kept == 1


def test_row_groups_and_long_texts_change_nothing(layout):
    texts = [f"{i} {'x' * (i % 7 * 1000)}" for i in range(3_000)]
    content = packed({"text": texts, "stars": [i % 5 + 1 for i in range(3_000)]}, row_group_size=700)
    assert ingest(stored(layout, content), layout, limits()).kept == 3_000
    assert read_table(layout.reviews)["text"].to_list() == texts


def test_a_missing_column_is_answered_with_those_found(layout):
    content = packed({"review": ["a"], "stars": [4]})
    with pytest.raises(DataError, match=r"^r\.parquet has no column text; found: review, stars\. Correct"):
        ingest(stored(layout, content), layout, limits())


def test_a_column_that_stands_twice_is_refused(layout):
    table = pa.table([["a"], [4], ["b"]], names=["text", "stars", "text"])
    with pytest.raises(DataError, match="has more than one column text"):
        ingest(stored(layout, packed(table)), layout, limits())


@pytest.mark.parametrize("harm", [lambda content: b"text,stars\nfine,4\n", lambda content: content[:-9]])
def test_what_is_no_table_is_refused(layout, harm):
    content = packed({"text": ["a"], "stars": [4]})
    with pytest.raises(DataError, match=r"^r\.parquet is no Parquet table, or a damaged one \(.*\); fetch it again"):
        ingest(stored(layout, harm(content)), layout, limits())
    assert not layout.reviews.exists()
