import bz2
import functools
import gzip
import hashlib
import lzma
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from wheels import make_wheel

from starsight.errors import DataError
from starsight.fetch.download import file_sha256
from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import SnapDataset
from starsight.tables import read_table

TABLE = "text,stars\nlovely,5\nawful,1\n"


def texts(layout: Layout) -> list[str]:
    return read_table(layout.reviews)["text"].to_list()


def assert_nothing_is_left(layout: Layout) -> None:
    assert list(layout.root.glob("data/interim/*")) == []
    assert not layout.ingest_report.exists()


@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_plain_and_compressed_files_read_alike(layout, table, suffix, compress):
    ingest(table(compress(TABLE.encode()), f"data/raw/reviews.csv{suffix}"), layout, 0.0)
    assert texts(layout) == ["lovely", "awful"]
    assert set(read_table(layout.reviews)["source"]) == {f"reviews.csv{suffix}"}


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
@pytest.mark.parametrize("harm", ["cut", "other content"])
def test_a_damaged_archive_leaves_nothing(layout, table, suffix, compress, harm):
    whole = compress("".join(["text,stars\n", *(f"text {i},5\n" for i in range(30_000))]).encode())
    damaged = whole[:-20] if harm == "cut" else b"these bytes are no archive"
    with pytest.raises(DataError, match=rf"^data/raw/r\.csv\{suffix} is damaged or incomplete .*Fetch it again\.$"):
        ingest(table(damaged, f"data/raw/r.csv{suffix}"), layout, 0.0)
    assert_nothing_is_left(layout)


def test_a_missing_file_is_named_with_what_to_do(layout, table):
    dataset = table(TABLE)
    (layout.root / dataset.source).unlink()
    with pytest.raises(DataError, match=r"data/raw/reviews\.csv is missing; put the reviews file there"):
        ingest(dataset, layout, 0.0)
    snap = SnapDataset(format="snap", source="data/raw/finefoods.txt.gz")
    with pytest.raises(DataError, match=r"finefoods\.txt\.gz is missing; .* https://snap\.stanford\.edu/data/"):
        ingest(snap, layout, 0.0)
    with pytest.raises(DataError, match="is a folder; put the reviews file there"):
        ingest(dataset.model_copy(update={"source": "data/raw"}), layout, 0.0)


def test_a_file_that_only_the_real_repository_has_is_found(layout, table, tmp_path):
    copy = Layout(root=tmp_path / ".dvc/tmp/exps/a", home=tmp_path)
    assert ingest(table(TABLE), copy, 0.0).kept == 2
    assert copy.reviews.is_relative_to(copy.root)


def test_the_digest_of_a_local_file_is_checked(layout, table):
    right = hashlib.sha256(TABLE.encode()).hexdigest()
    assert ingest(table(TABLE, sha256=right), layout, 0.0).kept == 2
    with pytest.raises(DataError, match=f"has sha256 {right}, not {'0' * 64}"):
        ingest(table(TABLE, sha256="0" * 64), layout, 0.0)


@pytest.mark.parametrize("content", ["", "text,stars\n", "\n\n"])
def test_a_source_without_records_is_refused(layout, table, content):
    with pytest.raises(DataError, match=r"data/raw/reviews\.csv (is empty|holds no records)"):
        ingest(table(content), layout, 1.0)
    assert_nothing_is_left(layout)


def test_an_unknown_encoding_is_refused(layout, table):
    for encoding in ("utf-9", "hex"):
        with pytest.raises(DataError, match=f"'{encoding}' is no text encoding"):
            ingest(table(TABLE, encoding=encoding), layout, 0.0)


def test_a_table_inside_a_wheel_is_streamed(layout, table, index):
    wheel = make_wheel(index, "toy_reviews", {"toy_reviews/reviews.csv": TABLE})
    source = {"source": "pypi:toy-reviews==1.0/toy_reviews/reviews.csv"}
    with pytest.raises(DataError, match="has no sha256"):
        ingest(table(TABLE).model_copy(update=source), layout, 0.0)
    pinned = source | {"sha256": file_sha256(wheel)}
    ingest(table(TABLE).model_copy(update=pinned), layout, 0.0)
    assert texts(layout) == ["lovely", "awful"]
    assert not list(layout.root.rglob("toy_reviews/reviews.csv"))


def test_an_address_is_downloaded_once(layout, table, monkeypatch):
    dataset = table(TABLE)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(layout.root / "data/raw"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{http.server_port}/reviews.csv?version=2"
        with pytest.raises(DataError, match="has no sha256"):
            ingest(dataset.model_copy(update={"source": address}), layout, 0.0)
        pinned = {"source": address, "sha256": hashlib.sha256(TABLE.encode()).hexdigest()}
        ingest(dataset.model_copy(update=pinned), layout, 0.0)
        http.shutdown()
    ingest(dataset.model_copy(update=pinned), layout, 0.0)  # from the cache: the server is gone
    assert set(read_table(layout.reviews)["source"]) == {"reviews.csv"}
