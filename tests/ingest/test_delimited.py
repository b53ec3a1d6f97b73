import csv
import io
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from miniature import limits

from starsight.errors import DataError
from starsight.ingest import delimited, lines
from starsight.ingest.delimited import read_delimited
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import Columns, CsvDataset, RatingColumn
from starsight.tables import read_table


def test_a_missing_column_is_answered_with_those_found(layout, table):
    with pytest.raises(DataError, match=r"reviews\.csv has no column text, stars; found: review, rating\. Correct"):
        ingest(table("review,rating\nfine,4\n"), layout, limits())
    with pytest.raises(DataError, match="has no column id; found: text, stars"):
        ingest(table("text,stars\nfine,4\n", columns={"review_id": "id"}), layout, limits())


def test_a_mapped_column_that_stands_twice_is_refused(layout, table):
    with pytest.raises(DataError, match=r"has more than one column text; found: text, stars, text\. Rename one"):
        ingest(table("text,stars,text\na,4,b\n"), layout, limits())


def test_a_byte_order_mark_is_no_part_of_the_first_column(layout, table):
    assert ingest(table(b"\xef\xbb\xbftext,stars\nfine,4\n"), layout, limits()).kept == 1


def test_delimiter_and_encoding_are_settings(layout, table):
    dataset = table("text;stars\ncaf\u00e9, nice;4\n".encode("latin-1"), delimiter=";", encoding="latin-1")
    ingest(dataset, layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ["caf\u00e9, nice"]


def test_rows_of_another_length_are_damaged_and_blank_lines_are_no_records(layout, table):
    report = ingest(table("text,stars\nfine,4\n\nno stars\ntoo,4,many\ngood,5\n"), layout, limits(0.5))
    assert (report.kept, report.rejected["damaged"]) == (2, 2)
    rejected = read_table(layout.rejected)
    assert rejected["record"].to_list() == [2, 3]
    assert rejected["found"].to_list() == ["line 4: 1 fields, the header has 2", "line 5: 3 fields, the header has 2"]
    assert rejected["raw"].to_list() == ['{"text": "no stars"}', '{"text": "too", "stars": "4", "field 3": "many"}']


def test_a_tab_between_two_fields_makes_quotes_text(layout, table):
    dataset = table('text\tstars\n"Great" dress\t5\n"not closed\t4\n"fine\tthanks"\t3\n', format="tsv")
    ingest(dataset, layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ['"Great" dress', '"not closed', "fine\tthanks"]


def test_a_line_without_end_costs_one_record(layout, table, monkeypatch):
    monkeypatch.setattr(lines, "MAX_CHARACTERS", 1_000)
    monkeypatch.setattr(delimited, "MAX_CHARACTERS", 1_000)
    endless = '"' + "x" * 5_500
    report = ingest(table(f"text,stars\nfine,4\n{endless}\ngood,5\n"), layout, limits(0.5))
    assert (report.kept, report.rejected["damaged"]) == (2, 1)
    assert read_table(layout.rejected)["found"].to_list() == ["line 3: more than 1,000 characters"]
    assert csv.field_size_limit() == 131_072  # the setting of other readers is as it was


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
STARS = st.sampled_from(
    ["1", "5", "2.5", " 4 ", "", "five", "nan", "inf", "0.9", "5.1", "-3", "1e999", "99999999999999999999"]
)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, STARS | TEXT), min_size=1, max_size=20))
def test_every_row_is_kept_or_rejected_and_exactly_the_valid_ones_are_kept(rows):
    rows = [("fine", "4"), *rows]
    written = io.StringIO()
    csv.writer(written).writerows([("text", "stars"), *rows])
    with TemporaryDirectory() as folder:
        (Path(folder) / "reviews.csv").write_bytes(written.getvalue().encode())
        layout = Layout(root=Path(folder), home=Path(folder))
        columns = Columns(text="text", rating=RatingColumn(column="stars"))
        report = ingest(CsvDataset(format="csv", source="reviews.csv", columns=columns), layout, limits(1.0))
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


@pytest.mark.parametrize("n_rows", [5, 1_000])
def test_a_quote_that_is_never_closed_swallows_no_row(layout, table, n_rows):
    rows = ["text,stars"] + ["lovely,5"] * 10 + ['"oops,1'] + ["fine,4"] * n_rows
    report = ingest(table("\n".join(rows) + "\n"), layout, limits(0.1))
    assert (report.kept, report.rejected["damaged"]) == (10 + n_rows, 1)
    assert read_table(layout.rejected)["found"].to_list() == [
        "line 12: a quote is not closed, or stands where none belongs"
    ]


def test_rows_between_two_stray_quotes_are_rows_again(layout, table):
    rows = ["who,text,stars", 'u1,fine,"5', "u2,good,4", 'u3,"well, then",3', 'u4,", he said",2', "u5,bad,1"]
    report = ingest(table("\n".join(rows)), layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ["fine", "good", "well, then", ", he said", "bad"]
    assert report.kept == 5


def test_quotes_within_a_quoted_line_are_put_up_with(layout, table):
    ingest(table('text,stars\n"the "best" dress",5\n"fine",4'), layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ['the best" dress"', "fine"]


def test_lines_of_a_review_stay_together(layout, table):
    text = 'first, 5, 5\n\nthe ""second"", 4\nthird'
    ingest(table(f'text,stars,who\n"{text}",5,u1\nfine,4,u2\n'), layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ['first, 5, 5\n\nthe "second", 4\nthird', "fine"]


WORDS = st.sampled_from(["good", "bad", "5", ", ", "\n", '"', '"so"', " ", "", ","])
ROWS = st.lists(
    st.tuples(st.lists(WORDS, min_size=1, max_size=6).map("".join), st.integers(1, 5), st.sampled_from(["u1", ""])),
    min_size=2,
    max_size=8,
)


@settings(deadline=None, max_examples=300)
@given(ROWS, st.permutations(range(4)), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.data())
def test_a_stray_quote_costs_no_row_but_its_own(rows, order, quoting, data):
    # Texts begin and end with a letter: in ``"a,1\nb,", c",2`` the second quote closes what the first one opens.
    def written(i: int) -> str:
        text, stars, who = rows[i]
        line = io.StringIO()
        fields = (f"id{i}", f"x{text}x", stars, who)
        csv.writer(line, quoting=quoting, lineterminator="\n").writerow([fields[j] for j in order])
        return line.getvalue()

    harmed = data.draw(st.integers(0, len(rows) - 1))
    lines = [written(i) for i in range(len(rows))]
    at = data.draw(st.integers(0, len(lines[harmed]) - 1))
    lines[harmed] = lines[harmed][:at] + '"' + lines[harmed][at:]
    header = ",".join(("id", "text", "stars", "who")[j] for j in order)
    columns = Columns(text="text", rating=RatingColumn(column="stars"))
    records = read_delimited(io.StringIO(f"{header}\n{''.join(lines)}", newline=""), "r.csv", columns, ",")
    arrived = {record.fields.get("id"): record.fields.get("text") for record in records if record.damage is None}
    expected = {f"id{i}": f"x{text}x" for i, (text, _, _) in enumerate(rows) if i != harmed}
    assert arrived.items() >= expected.items()
