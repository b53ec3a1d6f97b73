import pytest
from miniature import limits

from starsight.errors import DataError
from starsight.ingest import raw as raw_records
from starsight.ingest.outcome import Tally, checked_batches, ingest
from starsight.ingest.raw import Reading
from starsight.tables import read_json, read_table


def test_too_many_rejected_records_stop_it_and_can_be_looked_into(layout, table):
    ingest(table("text,stars\nfine,4\n"), layout, limits())
    assert layout.reviews.exists()
    dataset = table("text,stars\nfine,4\nfine,6\nfine,7\n,5\n")
    with pytest.raises(
        DataError, match=r"75\.0% of the 4 records .*\(50\.0%\); most often: stars_out_of_range \(2\)\."
    ) as e:
        ingest(dataset, layout, limits(0.5))
    assert str(layout.rejected) in str(e.value)
    assert len(read_table(layout.rejected)) == 3
    assert read_json(layout.ingest_report)["rejected"] == 3
    assert not layout.reviews.exists()


def test_a_source_of_which_nothing_is_left_is_an_error_whatever_may_be_rejected(layout, table):
    with pytest.raises(
        DataError, match=r"^100\.0% of the 2 records of .* so that none is left; most often: no_text \(2\)"
    ):
        ingest(table("text,stars\n,4\n,5\n"), layout, limits(1.0))
    assert len(read_table(layout.rejected)) == 2
    assert not layout.reviews.exists()


def test_records_are_numbered_in_their_own_file(layout, table):
    for name in ("a", "b"):
        dataset = table("text,stars\nfine,4\n,5\n", f"data/raw/parts/{name}.csv")
    report = ingest(dataset.model_copy(update={"source": "data/raw/parts"}), layout, limits(0.5))
    assert (report.files, report.records, report.kept) == (2, 4, 2)
    assert read_table(layout.reviews)["source"].to_list() == ["a.csv", "b.csv"]
    rejected = read_table(layout.rejected)
    assert list(zip(rejected["source"], rejected["record"], strict=True)) == [("a.csv", 2), ("b.csv", 2)]


def test_places_that_are_no_text_are_counted(layout, table):
    report = ingest(table(b"text,stars\ncaf\xe9 and cr\xe8me,4\n"), layout, limits())
    assert report.undecodable == 2
    assert read_json(layout.ingest_report)["undecodable"] == 2
    assert read_table(layout.reviews)["text"].to_list() == ["caf\u00e9 and cr\u00e8me"]


def test_the_limit_itself_is_allowed(layout, table):
    assert ingest(table("text,stars\nfine,4\nfine,6\n"), layout, limits(0.5)).rejected_share == 0.5


def test_batches_number_their_records_on(layout, table, monkeypatch):
    monkeypatch.setattr(raw_records, "_BATCH_RECORDS", 2)
    dataset = table("text,stars\nfine,4\nfine,\ngood,5\n,5\nwell,6\n")
    assert [batch.n_records for batch in checked_batches(dataset, layout, limits(), Reading())] == [2, 2, 1]
    ingest(dataset, layout, limits(1.0))
    assert read_table(layout.rejected)["record"].to_list() == [2, 4, 5]
    assert read_table(layout.reviews)["text"].to_list() == ["fine", "good"]


def test_long_records_make_short_batches(layout, table, monkeypatch):
    monkeypatch.setattr(raw_records, "_BATCH_CHARACTERS", 100)
    rows = f"{'x' * 80},4\n" * 6
    assert [
        batch.n_records for batch in checked_batches(table(f"text,stars\n{rows}"), layout, limits(), Reading())
    ] == [2, 2, 2]


@pytest.mark.parametrize(("n_records", "sizes"), [(None, [3, 3]), (2, [2]), (3, [3]), (4, [3, 1]), (7, [3, 3])])
def test_only_the_first_records_are_read_over_all_files(layout, table, n_records, sizes):
    for name in ("a", "b"):
        dataset = table("text,stars\nfine,4\ngood,5\n,5\n", f"data/raw/parts/{name}.csv")
    dataset, reading = dataset.model_copy(update={"source": "data/raw/parts"}), Reading()
    checked = list(checked_batches(dataset, layout, limits(), reading, n_records))
    assert [batch.n_records for batch in checked] == sizes
    assert reading.files == len(sizes)


def test_a_tally_of_all_batches_is_the_report(layout, table):
    dataset, reading, tally = table("text,stars\nfine,4.5\nbad,1\n,5\nodd,9\n"), Reading(), Tally()
    for batch in checked_batches(dataset, layout, limits(), reading):
        tally.add(batch)
    report = tally.report(reading)
    assert report == ingest(dataset, layout, limits(0.5))
    assert report.stars == {1: 1, 2: 0, 3: 0, 4: 0, 5: 1}
    assert report.refusal(limits(0.5), "of the records were", "Mend it.") is None
    assert report.refusal(limits(0.4), "of the records were", "Mend it.") == (
        "50.0% of the records were rejected, more than ingest.max_rejected_share allows (40.0%); most often: "
        "no_text (1). Mend it."
    )
