import csv
import io
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starsight.errors import DataError
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import Columns, CsvDataset, StarsColumn
from starsight.tables import read_table


def test_a_missing_column_is_answered_with_those_found(layout, table):
    with pytest.raises(DataError, match=r"reviews\.csv has no column text, stars; found: review, rating\. Correct"):
        ingest(table("review,rating\nfine,4\n"), layout, 0.0)
    with pytest.raises(DataError, match="has no column id; found: text, stars"):
        ingest(table("text,stars\nfine,4\n", columns={"review_id": "id"}), layout, 0.0)


def test_a_mapped_column_that_stands_twice_is_refused(layout, table):
    with pytest.raises(DataError, match=r"has more than one column text; found: text, stars, text\. Rename one"):
        ingest(table("text,stars,text\na,4,b\n"), layout, 0.0)


def test_a_byte_order_mark_is_no_part_of_the_first_column(layout, table):
    assert ingest(table(b"\xef\xbb\xbftext,stars\nfine,4\n"), layout, 0.0).kept == 1


def test_delimiter_and_encoding_are_settings(layout, table):
    dataset = table("text;stars\ncaf\u00e9, nice;4\n".encode("latin-1"), delimiter=";", encoding="latin-1")
    ingest(dataset, layout, 0.0)
    assert read_table(layout.reviews)["text"].to_list() == ["caf\u00e9, nice"]


def test_rows_of_another_length_are_damaged_and_blank_lines_are_no_records(layout, table):
    report = ingest(table("text,stars\nfine,4\n\nno stars\ntoo,4,many\ngood,5\n"), layout, 0.5)
    assert (report.kept, report.rejected["damaged"]) == (2, 2)
    rejected = read_table(layout.rejected)
    assert rejected["record"].to_list() == [2, 3]
    assert rejected["found"].to_list() == ["line 4: 1 fields, the header has 2", "line 5: 3 fields, the header has 2"]
    assert rejected["raw"].to_list() == ['{"text": "no stars"}', '{"text": "too", "stars": "4", "field 3": "many"}']


def test_a_quote_that_is_never_closed_costs_one_record(layout, table):
    endless = '"' + "x" * 10_000_001 + "\n"
    report = ingest(table(f"text,stars\nfine,4\n{endless}good,5\n"), layout, 0.5)
    assert (report.kept, report.rejected["damaged"]) == (2, 1)
    assert "field larger than field limit" in read_table(layout.rejected)["found"][0]
    assert csv.field_size_limit() < 10_000_000  # the setting of other readers is as it was


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
STARS = st.sampled_from(
    ["1", "5", "2.5", " 4 ", "", "five", "nan", "inf", "0.9", "5.1", "-3", "1e999", "99999999999999999999"]
)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, STARS | TEXT), min_size=1, max_size=20))
def test_every_row_is_kept_or_rejected_and_exactly_the_valid_ones_are_kept(rows):
    written = io.StringIO()
    csv.writer(written).writerows([("text", "stars"), *rows])
    with TemporaryDirectory() as folder:
        (Path(folder) / "reviews.csv").write_bytes(written.getvalue().encode())
        layout = Layout(root=Path(folder), home=Path(folder))
        columns = Columns(text="text", stars=StarsColumn(column="stars"))
        report = ingest(CsvDataset(format="csv", source="reviews.csv", columns=columns), layout, 1.0)
        kept, rejected = read_table(layout.reviews), read_table(layout.rejected)
    valid = [(text, stars) for text, stars in rows if text.strip() and 1 <= number(stars) <= 5]
    assert report.kept + report.n_rejected == report.records == len(rows)
    assert (len(kept), len(rejected)) == (report.kept, report.n_rejected)
    assert sum(report.stars.values()) == report.kept
    assert list(zip(kept["text"], kept["stars"], strict=True)) == [
        (text, pytest.approx(number(stars))) for text, stars in valid
    ]


def number(stars: str) -> float:
    try:
        return float(stars)
    except ValueError:
        return math.nan


def test_a_quote_that_is_never_closed_stops_reading_instead_of_swallowing_reviews(layout, table):
    rows = ["text,stars"] + ["lovely,5"] * 10 + ['"oops,1'] + ["fine,4"] * 1000
    with pytest.raises(DataError, match=r"a quote that opens in line 12 swallows all lines up to 101\d"):
        ingest(table("\n".join(rows) + "\n"), layout, 1.0)
