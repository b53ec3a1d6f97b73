import pytest

from starsight.errors import DataError
from starsight.ingest import raw as raw_records
from starsight.ingest.outcome import checked_batches, ingest
from starsight.tables import read_json, read_table


def test_too_many_rejected_records_stop_it_and_can_be_looked_into(layout, table):
    ingest(table("text,stars\nfine,4\n"), layout, 0.0)
    assert layout.reviews.exists()
    dataset = table("text,stars\nfine,4\nfine,6\nfine,7\n,5\n")
    with pytest.raises(
        DataError, match=r"75\.0% of the 4 records .*\(50\.0%\); most often: stars_out_of_range \(2\)\."
    ) as e:
        ingest(dataset, layout, 0.5)
    assert str(layout.rejected) in str(e.value)
    assert len(read_table(layout.rejected)) == 3
    assert read_json(layout.ingest_report)["rejected"] == 3
    assert not layout.reviews.exists()


def test_the_limit_itself_is_allowed(layout, table):
    assert ingest(table("text,stars\nfine,4\nfine,6\n"), layout, 0.5).rejected_share == 0.5


def test_batches_number_their_records_on(layout, table, monkeypatch):
    monkeypatch.setattr(raw_records, "_BATCH_RECORDS", 2)
    dataset = table("text,stars\nfine,4\nfine,\ngood,5\n,5\nwell,6\n")
    assert [batch.n_records for batch in checked_batches(dataset, layout)] == [2, 2, 1]
    ingest(dataset, layout, 1.0)
    assert read_table(layout.rejected)["record"].to_list() == [2, 4, 5]
    assert read_table(layout.reviews)["text"].to_list() == ["fine", "good"]


def test_long_records_make_short_batches(layout, table, monkeypatch):
    monkeypatch.setattr(raw_records, "_BATCH_CHARACTERS", 100)
    rows = f"{'x' * 80},4\n" * 6
    assert [batch.n_records for batch in checked_batches(table(f"text,stars\n{rows}"), layout)] == [2, 2, 2]
