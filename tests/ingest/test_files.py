import gzip
import hashlib
import logging
import os
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from wheels import make_wheel

from starsight.errors import DataError
from starsight.fetch.download import file_sha256
from starsight.ingest import unpacking
from starsight.ingest.files import files_below, formats_of, open_files
from starsight.layout import Layout
from starsight.params import Columns, FileDataset, IngestParams, RatingColumn

TABLE = b"text,stars\nlovely,5\nawful,1\n"
SHA256 = hashlib.sha256(TABLE).hexdigest()
LIMITS = IngestParams(max_rejected_share=0.0, max_characters=1000, max_expansion=200)
KNOWN = ("snap", "kaggle", "amazon", "amazon2023", "yelp")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(root=tmp_path, home=tmp_path)


def put(path: Path, content: bytes = TABLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def row(source: str | Path, kind: str = "csv", **settings: Any) -> FileDataset:
    columns = {} if kind in KNOWN else {"columns": Columns(text="text", rating=RatingColumn(column="stars"))}
    return TypeAdapter(FileDataset).validate_python({"format": kind, "source": str(source)} | columns | settings)


def files(layout: Layout, source: str | Path, kind: str = "csv", **settings: Any) -> dict[str, bytes]:
    """Name and content of every file that is opened, in order."""
    return {file.name: file.stream.read() for file in open_files(row(source, kind, **settings), layout, LIMITS)}


def test_a_file_is_found_wherever_its_path_leads(layout, tmp_path, monkeypatch):
    path = put(tmp_path / "data/raw/reviews.csv")
    monkeypatch.setenv("HOME", str(tmp_path / "data"))
    for source in ("data/raw/reviews.csv", path, "~/raw/reviews.csv", "data/raw/../raw/reviews.csv"):
        assert files(layout, source) == {"reviews.csv": TABLE}


def test_the_run_s_own_folder_comes_before_the_real_repository(layout, tmp_path):
    copy = Layout(root=tmp_path / ".dvc/tmp/exps/a", home=tmp_path)
    put(copy.root / "data/raw/.gitignore")
    put(tmp_path / "data/raw/reviews.csv")
    for source in ("data/raw/reviews.csv", "data/raw", "data/raw/*.csv"):
        assert files(copy, source) == {"reviews.csv": TABLE}
    put(copy.root / "data/raw/reviews.csv", b"its own")
    for source in ("data/raw/reviews.csv", "data/raw", "data/raw/*.csv"):
        assert files(copy, source) == {"reviews.csv": b"its own"}


def test_what_is_not_there_is_named_with_what_to_do(layout, tmp_path):
    with pytest.raises(
        DataError, match=r"data/raw/reviews\.csv is missing; put the reviews file there, or correct sou"
    ):
        files(layout, "data/raw/reviews.csv")
    with pytest.raises(DataError, match=r"finefoods\.txt\.gz is missing; .* https://snap\.stanford\.edu/data/"):
        files(layout, "data/raw/finefoods.txt.gz", "snap")
    with pytest.raises(DataError, match=r"/\*\.csv matches no file; put the reviews file there"):
        files(layout, "*.csv")
    with pytest.raises(DataError, match=r"reviews\.csv is missing"):
        files(layout, "~nobody-of-this-name/reviews.csv")
    with pytest.raises(DataError, match=r"cannot be read \(File name too long\)"):
        files(layout, "a" * 300)


def test_a_name_says_nothing_of_how_a_file_is_packed(layout, tmp_path):
    put(tmp_path / "plain.csv.gz")
    put(tmp_path / "packed.csv", gzip.compress(TABLE))
    assert files(layout, "plain.csv.gz") == {"plain.csv.gz": TABLE}
    assert files(layout, "packed.csv") == {"packed.csv": TABLE}


def test_a_file_that_is_not_packed_can_be_sought_in(layout, tmp_path):
    put(tmp_path / "r.parquet", b"PAR1\x15..PAR1")
    assert [file.stream.seekable() for file in open_files(row("r.parquet", "parquet"), layout, LIMITS)] == [True]


def test_of_a_folder_every_file_of_the_format_is_read(layout, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for name in (
        "b.csv",
        "a/z.CSV",
        "c.csv.gz",
        "a.csv.zst",
        ".hidden.csv",
        ".git/x.csv",
        "notes.txt",
        "csv",
        "d.csv/e",
    ):
        put(tmp_path / "data/raw" / name)
    assert list(files(layout, "data/raw")) == ["z.CSV", "a.csv.zst", "b.csv", "c.csv.gz"]
    assert [record.getMessage().partition(" is passed over")[0] for record in caplog.records] == [
        "data/raw/csv", "data/raw/d.csv/e", "data/raw/notes.txt"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [("tsv", "r.tab"), ("jsonl", "r.ndjson"), ("parquet", "r.parquet"), ("snap", "r.txt"), ("yelp", "r.json.zip")],
)
def test_every_format_has_its_suffixes(layout, tmp_path, kind, name):
    put(tmp_path / "data/raw" / name)
    put(tmp_path / "data/raw/r.csv")
    assert list(files(layout, "data/raw", kind)) == [name]


def test_a_folder_without_such_files_says_what_was_looked_for(layout, tmp_path):
    put(tmp_path / "data/raw/reviews.csv")
    with pytest.raises(
        DataError,
        match=r"data/raw holds no file of format jsonl: .* end in \.jsonl, \.ndjson, \.json, also with \.gz, ",
    ):
        files(layout, "data/raw", "jsonl")


def test_names_are_counted_by_the_formats_that_read_them():
    counts = formats_of(["a.CSV", "b.csv.gz", "c.json", "d.txt.zip", "notes.md", "csv"])
    assert {name: n for name, n in counts.items() if n} == {
        **{"csv": 2, "kaggle": 2, "jsonl": 1, "amazon": 1, "yelp": 1, "snap": 1}
    }


def test_a_folder_that_cannot_be_read_is_told_in_one_line(layout, tmp_path, monkeypatch):
    put(tmp_path / "reviews/.git/a.csv")
    locked = put(tmp_path / "reviews/locked/a.csv").parent
    put(tmp_path / "reviews/b.csv")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith((".git", "locked")):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        DataError, match=rf"^{locked} cannot be read \(Permission denied\); correct its permissions, or"
    ):
        files(layout, "reviews")
    locked.rename(tmp_path / "elsewhere")
    assert files_below(tmp_path / "reviews") == [tmp_path / "reviews/b.csv"]


def test_a_glob_is_read_in_the_order_of_its_names(layout, tmp_path):
    for name in ("2020/b.csv", "2020/a.csv", "2021/c.csv", "2021/deep/d.csv", "2021/.e.csv", "2021/f.txt"):
        put(tmp_path / "data/raw" / name)
    assert list(files(layout, "data/raw/*/*.csv")) == ["a.csv", "b.csv", "c.csv"]
    assert list(files(layout, "data/raw/**/*.csv")) == ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert list(files(layout, tmp_path / "data/raw/202?/[bc].csv")) == ["b.csv", "c.csv"]
    assert list(files(layout, "data/raw/2021/*")) == ["c.csv", "f.txt"]
    put(tmp_path / "data/raw/[really].csv")
    assert list(files(layout, "data/raw/[really].csv")) == ["[really].csv"]


def test_the_digest_of_a_local_file_is_checked(layout, tmp_path):
    put(tmp_path / "r.csv")
    assert files(layout, "r.csv", sha256=SHA256) == {"r.csv": TABLE}
    with pytest.raises(DataError, match=rf"r\.csv has sha256 {SHA256}, not {'0' * 64}; put the right file there"):
        files(layout, "r.csv", sha256="0" * 64)
    for several in ("*.csv", tmp_path):
        with pytest.raises(
            DataError, match="has a sha256, which is that of one file, and names 1 by a folder or a glob"
        ):
            files(layout, several, sha256=SHA256)


def test_members_are_named_after_themselves(layout, tmp_path):
    with zipfile.ZipFile(tmp_path / "reviews.zip", "w") as archive:
        archive.writestr("b/2.csv", "two")
        archive.writestr("b/1.csv.gz", gzip.compress(b"one"))
    assert files(layout, "reviews.zip", members="b/*") == {"1.csv.gz": b"one", "2.csv": b"two"}
    with pytest.raises(DataError, match=r"^reviews\.zip holds 2 files"):
        files(layout, "reviews.zip")


def test_damage_and_bombs_name_the_file_of_a_folder(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "FREE_BYTES", 1000)
    put(tmp_path / "data/raw/a.csv")
    put(tmp_path / "data/raw/b.csv.gz", gzip.compress(TABLE)[:-3])
    with pytest.raises(DataError, match=r"^data/raw/b\.csv\.gz is damaged or incomplete .* Fetch it again\.$"):
        files(layout, "data/raw")
    put(tmp_path / "data/raw/b.csv.gz", gzip.compress(bytes(10**6)))
    with pytest.raises(DataError, match=r"^data/raw/b\.csv\.gz unpacks to more than .*max_expansion, now 200"):
        files(layout, "data/raw")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PAR1\x15\x04", r"a Parquet table, which format: csv does not read; set format: parquet"),
        (b"SQLite format 3\0", r"an SQLite database, .*; set format: sql and give a query"),
        (b"%PDF-1.7", r"a PDF document, .*; get its table as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"an Excel workbook, .*; save its table as CSV"),
        (b"r.csv".ljust(257, b"\0") + b"ustar\x0000", r"a tar archive, .*; unpack it and name the file"),
        (b"7z\xbc\xaf\x27\x1c", r"a 7z archive"),
        (b"Rar!\x1a\x07\x01", r"a RAR archive"),
        (b"ARROW1\0\0", r"an Arrow table"),
    ],
)
def test_a_file_of_another_kind_is_told(layout, tmp_path, content, what):
    put(tmp_path / "r.csv", content)
    with pytest.raises(DataError, match=rf"^r\.csv is {what}"):
        files(layout, "r.csv")
    put(tmp_path / "r.csv.gz", gzip.compress(content))
    with pytest.raises(DataError, match=rf"^r\.csv\.gz is {what}"):
        files(layout, "r.csv.gz")


def test_text_that_only_begins_like_another_kind_is_read(layout, tmp_path):
    for content in (b"PAR1,stars\n", b"PAR1\n", b"BZh9,stars\n", b"PK,stars\n"):
        put(tmp_path / "r.csv", content)
        assert files(layout, "r.csv") == {"r.csv": content}


def test_a_file_inside_a_wheel_is_streamed(layout, index):
    wheel = make_wheel(index, "toy_reviews", {"toy/r.csv": TABLE, "toy/r.csv.gz": gzip.compress(TABLE)})
    for name in ("r.csv", "r.csv.gz"):
        source = f"pypi:toy-reviews==1.0/toy/{name}"
        assert files(layout, source, sha256=file_sha256(wheel)) == {name: TABLE}
    assert not list(layout.root.rglob("r.csv*"))
    with pytest.raises(DataError, match=r"toy-reviews==1\.0 has no sha256"):
        files(layout, source)
    with pytest.raises(DataError, match="names its file already; take members out"):
        files(layout, source, sha256=file_sha256(wheel), members="*")


def test_an_address_is_downloaded_once(layout, tmp_path, monkeypatch):
    put(tmp_path / "served/reviews.csv")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{http.server_port}/reviews.csv?version=2"
        assert files(layout, address, sha256=SHA256) == {"reviews.csv": TABLE}
        http.shutdown()
    assert files(layout, address, sha256=SHA256) == {"reviews.csv": TABLE}  # from the cache: the server is gone
    assert [path.name for path in layout.downloads.glob("*.csv")] == [f"{SHA256[:12]}-reviews.csv"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "https://me:secret@shop.example/r.csv?token=secret",
            r"r\.csv is fetched from shop\.example and has no sha256",
        ),
        ("s3://bucket/r.csv", r"source begins with s3://, which is not read; give an http\(s\) address"),
        ("http://[bad/r.csv", r"source is no address \(Invalid IPv6 URL\)"),
    ],
)
def test_an_address_that_cannot_be_fetched_is_told_without_its_secrets(layout, source, complaint):
    with pytest.raises(DataError, match=complaint) as refusal:
        files(layout, source)
    assert "secret" not in str(refusal.value)
