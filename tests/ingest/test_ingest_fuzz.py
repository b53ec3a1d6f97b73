"""Whatever a file holds, ``ingest`` says in one line that it cannot be read, or accounts for every record of it."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from miniature import limits
from pydantic import TypeAdapter

from starsight.errors import DataError
from starsight.ingest.outcome import IngestReport, ingest
from starsight.layout import Layout
from starsight.params import Dataset
from starsight.tables import read_json, read_table

COLUMNS = {"text": "text", "rating": {"column": "stars"}}


def delimited(delimiter: str) -> Callable[[list[str]], bytes]:
    def write(texts: list[str]) -> bytes:
        content = io.StringIO()
        csv.writer(content, delimiter=delimiter).writerows([("text", "stars"), *((text, 4) for text in texts)])
        return content.getvalue().encode("utf-8", "replace")

    return write


def parquet(texts: list[str]) -> bytes:
    content = io.BytesIO()
    storable = [text.encode("utf-8", "replace").decode() for text in texts]
    pq.write_table(pa.table({"text": storable, "stars": [4] * len(texts)}), content)
    return content.getvalue()


def jsonl(texts: list[str]) -> bytes:
    return "\n".join(json.dumps({"text": text, "stars": 4}) for text in texts).encode()


def snap(texts: list[str]) -> bytes:
    records = (f"product/productId: B1\nreview/score: 4.0\nreview/text: {text}\n" for text in texts)
    return "\n".join(records).encode("utf-8", "replace")


WRITERS = {"csv": delimited(","), "tsv": delimited("\t"), "jsonl": jsonl, "snap": snap, "parquet": parquet}


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("reviews", content)
    return archive.getvalue()


PACKERS = [bytes, gzip.compress, zipped]


def ingested(kind: str, content: bytes) -> tuple[IngestReport | None, list[str]]:
    """The report, None if the file was refused, and the texts that were kept."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "reviews").write_bytes(content)
        row = {"format": kind, "source": "reviews"}
        row |= {"encoding": "utf-8"} if kind == "snap" else {"columns": COLUMNS}
        layout = Layout(root=Path(folder), home=Path(folder))
        try:
            report = ingest(TypeAdapter(Dataset).validate_python(row), layout, limits(1.0))
        except DataError:
            assert not layout.reviews.exists()
            return None, []
        reviews, rejected = read_table(layout.reviews), read_table(layout.rejected)
        assert read_json(layout.ingest_report) == report.flat()
        assert len(reviews) == report.kept
        assert len(rejected) == report.n_rejected == report.records - report.kept
        numbers = rejected["record"].to_list()
        assert numbers == sorted(set(numbers))
        return report, reviews["text"].to_list()


@pytest.mark.parametrize("kind", WRITERS)
@settings(deadline=None, max_examples=30)
@given(
    st.binary(), st.sampled_from(["as it is", "after good records", "inside"]), st.sampled_from(PACKERS), st.booleans()
)
def test_no_bytes_whatever_break_it(kind, noise, place, pack, unpacked_noise):
    good = WRITERS[kind](["one", "two", "three"])
    middle = len(good) // 2
    content = {"as it is": noise, "after good records": good + noise, "inside": good[:middle] + noise + good[middle:]}
    if unpacked_noise:
        whole = pack(content[place])
    else:
        packed = pack(good)
        whole = packed[: len(packed) // 2] + noise + packed[len(packed) // 2 :]
    report, kept = ingested(kind, whole)
    assert len(kept) == (0 if report is None else report.kept)


TEXTS = st.text() | st.lists(
    st.sampled_from(
        ["\0", "\ud800", "\udc00", "\u2028", "\ufeff", "\r", "\n", '"', "'", ",", "\t", "\x1a", "\x85", "a"]
    )
).map("".join)


@pytest.mark.parametrize("kind", WRITERS)
@settings(deadline=None, max_examples=30)
@given(TEXTS, st.sampled_from(PACKERS))
def test_any_text_arrives_and_its_neighbours_are_kept(kind, text, pack):
    report, kept = ingested(kind, pack(WRITERS[kind](["before", text, "after"])))
    assert report is not None
    assert (kept[0], kept[-1]) == ("before", "after")
    if kind != "snap":  # there a blank line in a text ends the record
        # two halves that meet in JSON make a character; the other writers above put "?" for each
        how = ("utf-16-le", "surrogatepass") if kind == "jsonl" else ("utf-8", "replace")
        whole = text.encode(*how).decode(how[0], "replace")
        assert kept[1:-1] == ([whole] if text.strip() else [])
        assert report.records == 3


@pytest.mark.parametrize("kind", WRITERS)
@settings(deadline=None, max_examples=30)
@given(st.data(), st.sampled_from(PACKERS))
def test_a_file_that_is_cut_off_loses_its_end_alone(kind, data, pack):
    texts = ["one", 'tw"o, too', "three\nand more", "four"]
    whole = pack(WRITERS[kind](texts))
    report, kept = ingested(kind, whole[: data.draw(st.integers(0, len(whole) - 1))])
    if report is not None:
        assert kept[:-1] == texts[: len(kept) - 1]
        assert report.n_rejected <= 2  # the second line of a record of two may be cut off from its first


@pytest.mark.parametrize("kind", WRITERS)
def test_ten_million_characters_are_no_review_and_their_neighbours_are_kept(kind):
    report, kept = ingested(kind, WRITERS[kind](["before", "x" * 10_000_000, "after"]))
    assert report is not None
    assert kept == ["before", "after"]
    assert report.rejected["too_long"] == report.n_rejected == 1
