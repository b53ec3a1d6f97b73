import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from miniature import limits

from starsight.errors import DataError
from starsight.ingest import snap as snap_records
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import KnownDataset
from starsight.tables import read_table

RECORD = """product/productId: B001
review/userId: A3SG
review/profileName: del "the
second" martian
review/helpfulness: 3/4
review/score: 5.0
review/time: 1303862400
review/summary: Good
review/text: I like it.
review: not a key, and neither is
http://this: a text goes on
"""
SAMPLES = Path(__file__).resolve().parents[2] / "../shared/data"


def snap(layout: Layout, content: str | bytes) -> KnownDataset:
    (layout.root / "foods.txt").write_bytes(content.encode("latin-1") if isinstance(content, str) else content)
    return KnownDataset(format="snap", source="foods.txt")


def test_every_field_arrives(layout):
    ingest(snap(layout, RECORD), layout, limits())
    review = read_table(layout.reviews).iloc[0]
    assert review.product_id == "B001"
    assert review.user_id == "A3SG"
    assert review.stars == 5.0
    assert review.time == pd.Timestamp("2011-04-27", tz="UTC")
    assert review.summary == "Good"
    assert review.text == "I like it.\nreview: not a key, and neither is\nhttp://this: a text goes on"
    assert (review.helpful_votes, review.total_votes) == (3, 4)


def test_records_end_at_a_blank_line_or_where_the_next_product_begins(layout):
    content = f"\n\n{RECORD}\n\n{RECORD}{RECORD}".replace("\n", "\r\n")
    assert ingest(snap(layout, content), layout, limits()).kept == 3


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_files_of_both_encodings_are_read_and_only_line_feeds_end_a_line(layout, encoding):
    text = "review/score: 4.0\nreview/text: caf\u00e9\u2026 and\rtea"
    report = ingest(snap(layout, text.encode(encoding)), layout, limits())
    assert read_table(layout.reviews)["text"].to_list() == ["caf\u00e9\u2026 and\rtea"]
    assert report.undecodable == (0 if encoding == "utf-8" else 1)  # one place: the two stand together


@pytest.mark.parametrize(
    ("damaged", "reason", "found"),
    [
        (RECORD.replace("review/score: 5.0\n", ""), "no_stars", None),
        (RECORD.replace("5.0", "five"), "stars_not_a_number", "five"),
        (RECORD.replace("5.0", "6.0"), "stars_out_of_range", "6.0"),
        (RECORD[: RECORD.index("review/text")], "no_text", None),
        (f"half a line\n{RECORD}", "damaged", "opens with a line that has no key"),
        (f"{RECORD}review/score: 1.0\n", "damaged", "review/score stands twice"),
        (RECORD + "no end\n" * 40_000, "damaged", "review/text goes on for more than 200000 characters"),
    ],
)
def test_a_damaged_record_is_rejected_and_its_neighbours_are_kept(layout, damaged, reason, found):
    report = ingest(snap(layout, f"{RECORD}\n{damaged}\n{RECORD}"), layout, limits(0.5))
    assert report.kept == 2
    assert {each: n for each, n in report.rejected.items() if n} == {reason: 1}
    rejected = read_table(layout.rejected).iloc[0]
    assert (rejected.source, rejected.record, rejected.reason) == ("foods.txt", 2, reason)
    assert rejected.found == found if found else pd.isna(rejected.found)
    assert len(rejected.raw) <= 2_000


def test_a_record_without_end_does_not_fill_the_memory(layout, monkeypatch):
    monkeypatch.setattr(snap_records, "MAX_CHARACTERS", 10_000)
    endless = "".join(f"review/field{i}: {'x' * 1_000}\n" for i in range(100))
    report = ingest(snap(layout, f"{RECORD}\n{endless}\n{RECORD}"), layout, limits(0.5))
    assert report.kept == 2
    rejected = read_table(layout.rejected).iloc[0]
    assert rejected.found == "goes on for more than 10,000 characters"
    assert "field20" not in rejected.raw


@pytest.mark.parametrize("votes", ["", "3", "3/", "/", "-1/4", "a/b", "1/99999999999", "nan/inf", "1.5/2"])
def test_unreadable_votes_are_null(layout, votes):
    ingest(snap(layout, RECORD.replace("3/4", votes)), layout, limits())
    review = read_table(layout.reviews).iloc[0]
    assert pd.isna(review.helpful_votes) or pd.isna(review.total_votes)


def test_unreadable_times_are_null_and_counted(layout):
    times = ["-1", "soon", "1e30", "inf", ""]
    content = "\n".join(RECORD.replace("1303862400", time) for time in times)
    report = ingest(snap(layout, content), layout, limits())
    assert read_table(layout.reviews)["time"].isna().all()
    assert report.times_unreadable == 4  # an empty one says nothing


KEYS = [
    "product/productId: ",
    "review/score: ",
    "review/time: ",
    "review/helpfulness: ",
    "review/text: ",
    "\n",
    "5.0",
    "/",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from([key.encode() for key in KEYS]) | st.binary(max_size=20)), st.booleans(), st.booleans())
def test_no_bytes_whatever_break_the_reader(chunks, compressed, cut):
    content = b"\n".join(chunks)
    if compressed:
        content = gzip.compress(content, mtime=0)
        content = content[: len(content) // 2] if cut else content
    with TemporaryDirectory() as folder:
        name = "foods.txt.gz" if compressed else "foods.txt"
        (Path(folder) / name).write_bytes(content)
        layout = Layout(root=Path(folder), home=Path(folder))
        try:
            report = ingest(KnownDataset(format="snap", source=name), layout, limits(1.0))
        except DataError:
            assert not layout.reviews.exists()
        else:
            assert len(read_table(layout.reviews)) == report.kept
            assert len(read_table(layout.rejected)) == report.n_rejected == report.records - report.kept


@pytest.mark.parametrize(("name", "n_records"), [("finefoods_9k.txt.gz", 9_017), ("movies_2k.txt.gz", 2_160)])
def test_the_published_collection_is_read_whole(layout, name, n_records):
    sample = SAMPLES / name
    if not sample.exists():
        pytest.skip(f"no sample of the published collection at {sample}")
    report = ingest(KnownDataset(format="snap", source=str(sample.resolve())), layout, limits())
    assert report.records == report.kept == n_records
    assert report.times_unreadable == 0
    assert read_table(layout.reviews).drop(columns=["verified", "category"]).notna().all(axis=None)
