import pandas as pd
import pytest
from miniature import limits

from starsight.errors import DataError
from starsight.ingest.outcome import ingest
from starsight.params import TimeColumn
from starsight.records import REVIEW_SCHEMA
from starsight.tables import read_table


def test_stars_are_mapped_linearly_from_the_scale_of_the_source(layout, table):
    rows = "".join(f"fine,{stars}\n" for stars in (2, 4, "6.0", 8, 10, 5, 1.9, 10.1))
    report = ingest(table(f"text,stars\n{rows}", scale=[2.0, 10.0]), layout, limits(0.5))
    assert read_table(layout.reviews)["stars"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0, 2.5]
    assert report.stars == {1: 1, 2: 1, 3: 2, 4: 1, 5: 1}  # 2.5 rounds up
    assert report.rejected["stars_out_of_range"] == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",5", "no_text"),
        ('" \t\n ",', "no_text"),
        ("fine,", "no_stars"),
        ("fine,five", "stars_not_a_number"),
        ("fine,nan", "stars_not_a_number"),
        ("fine,-inf", "stars_not_a_number"),
        ("fine,0", "stars_out_of_range"),
    ],
)
def test_a_record_is_rejected_for_its_first_fault(layout, table, row, reason):
    report = ingest(table(f"text,stars\n{row}\nfine,4\n"), layout, limits(0.5))
    assert {each: n for each, n in report.rejected.items() if n} == {reason: 1}


def test_a_text_or_a_summary_that_nobody_wrote_is_rejected_with_its_length(layout, table):
    rows = f"{'x' * 1_001},ok,9\nfine,{'y' * 2_000},5\n{'x' * 1_000},ok,5\n"
    dataset = table(f"text,title,stars\n{rows}", columns={"summary": "title"})
    assert ingest(dataset, layout, limits(0.7, max_characters=1_000)).rejected["too_long"] == 2
    rejected = read_table(layout.rejected)
    assert rejected["found"].to_list() == ["text of 1,001 characters", "summary of 2,000 characters"]
    assert rejected["raw"].str.len().max() <= 2_000


@pytest.mark.parametrize(
    ("found", "votes"), [("3", 3), ("1,234", 1_234), ("12,345,678", 12_345_678), ("1,23", None), ("-1", None)]
)
def test_votes_may_have_a_comma_before_each_three_digits(layout, table, found, votes):
    ingest(table(f'text,stars,votes\nfine,4,"{found}"\n', columns={"helpful_votes": "votes"}), layout, limits())
    arrived = read_table(layout.reviews)["helpful_votes"][0]
    assert arrived == votes if votes else pd.isna(arrived)


@pytest.mark.parametrize(
    ("found", "verified"),
    [("true", True), ("Y", True), ("1", True), ("Yes", True), ("False", False), ("n", False), ("0", False)],
)
def test_whether_a_purchase_is_verified_is_written_in_many_ways(layout, table, found, verified):
    rows = f"fine,4,{found}\nfine,4,\nfine,4,perhaps\n"
    ingest(table(f"text,stars,bought\n{rows}", columns={"verified": "bought"}), layout, limits())
    arrived = read_table(layout.reviews)["verified"]
    assert arrived[0] == verified
    assert arrived[1:].isna().all()


def test_a_category_arrives_as_it_is(layout, table):
    ingest(table("text,stars,kind\nfine,4,gown\nfine,4,\n", columns={"category": "kind"}), layout, limits())
    assert read_table(layout.reviews)["category"].fillna("none").to_list() == ["gown", "none"]


def test_ids_stay_text_and_empty_ones_are_null(layout, table):
    dataset = table("text,stars,who\nfine,4,007\ngood,5,\n", columns={"user_id": "who"})
    ingest(dataset, layout, limits())
    reviews = read_table(layout.reviews)
    assert reviews["user_id"][0] == "007"
    assert pd.isna(reviews["user_id"][1])
    assert reviews["product_id"].isna().all()
    assert list(reviews) == REVIEW_SCHEMA.names


def test_a_review_id_is_the_sources_own_or_a_stable_hash(layout, table):
    ids = []
    for content in ("text,stars,id\nfine,4,r1\nfine,4,\nfine,5,\n", "text,stars,id\nfine,5,\nfine,4,\n"):
        ingest(table(content, columns={"review_id": "id"}), layout, limits())
        ids.append(read_table(layout.reviews)["review_id"].to_list())
    assert ids[0] == ["r1", ids[1][1], ids[1][0]]
    assert len(set(ids[0])) == 3
    assert all(len(own) == 16 and int(own, 16) >= 0 for own in ids[1])


@pytest.mark.parametrize(
    ("pattern", "found", "moment"),
    [
        ("ISO8601", "2016-04-20T23:30:00.75-05:00", "2016-04-21T04:30:00Z"),
        ("ISO8601", "2016-04-20", "2016-04-20T00:00:00Z"),
        ("s", "1461110400", "2016-04-20T00:00:00Z"),
        ("ms", "1461110400999", "2016-04-20T00:00:00Z"),
        ("%B %d, %Y", "April 20, 2016", "2016-04-20T00:00:00Z"),
    ],
)
def test_times_are_read_as_utc_and_unreadable_ones_are_counted(layout, table, pattern, found, moment):
    dataset = table(
        f'text,stars,when\nfine,4,"{found}"\nfine,4,\nfine,4,once upon\n',
        columns={"time": TimeColumn(column="when", format=pattern)},
    )
    assert ingest(dataset, layout, limits()).times_unreadable == 1
    times = read_table(layout.reviews)["time"]
    assert times[0] == pd.Timestamp(moment)
    assert times[1:].isna().all()


@pytest.mark.parametrize("found", ["-2020-01-01", "0000-01-01", "99999-01-01"])
def test_a_year_that_no_calendar_has_is_an_unreadable_time(layout, table, found):
    dataset = table(f"text,stars,when\nfine,4,{found}\n", columns={"time": TimeColumn(column="when")})
    assert ingest(dataset, layout, limits()).times_unreadable == 1
    assert read_table(layout.reviews)["time"].isna().all()


def test_a_pattern_that_does_not_exist_is_refused(layout, table):
    dataset = table("text,stars,when\nfine,4,x\n", columns={"time": TimeColumn(column="when", format="%Q")})
    with pytest.raises(DataError, match="time format '%Q' is no strptime pattern"):
        ingest(dataset, layout, limits())
