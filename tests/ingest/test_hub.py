import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value

from starsight.errors import DataError
from starsight.ingest.hub import read_hub
from starsight.ingest.outcome import ingest
from starsight.ingest.raw import RawRecord, Reading
from starsight.layout import Layout
from starsight.params import Columns, HubDataset, IngestParams, RatingColumn
from starsight.tables import read_table

LIMITS = IngestParams(max_rejected_share=1.0, max_characters=50_000, max_expansion=200)
CARD = "---\nconfigs:\n- config_name: de\n  data_files: de/*.jsonl\n- config_name: en\n  data_files: en/*.jsonl\n---\n"


def hub_dataset(source: str = "reviews", scale: tuple[float, float] = (1, 5), **settings: Any) -> HubDataset:
    rating = RatingColumn(column="stars", scale=[float(end) for end in scale])
    columns = settings.pop("columns", Columns(text="text", rating=rating))
    return HubDataset(format="huggingface", source=source, columns=columns, **settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "reviews"
    path.mkdir()
    return path


def records(layout: Layout, **settings: Any) -> list[RawRecord]:
    return list(read_hub(hub_dataset(**settings), layout, Reading()))


def refusal(layout: Layout, **settings: Any) -> str:
    with pytest.raises(DataError) as refused:
        records(layout, **settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- a local folder -------------------------------------------------------------------------------------------------


def test_a_folder_of_csv_files_is_read_split_by_split_without_harming_a_word(layout, folder):
    (folder / "train.csv").write_text('text,stars,user\nnull,4,007\n"NA, they said",5,u1\n,1,u2\n')
    (folder / "test.csv").write_text("text,stars,user\nfine,3,u3\n")
    columns = Columns(text="text", rating=RatingColumn(column="stars"), user_id="user")
    assert [record.fields for record in records(layout, columns=columns)] == [
        {"text": "null", "stars": "4", "user": "007"},
        {"text": "NA, they said", "stars": "5", "user": "u1"},
        {"text": "", "stars": "1", "user": "u2"},
    ]
    assert records(layout, split="test") == [RawRecord({"text": "fine", "stars": "3"})]


def test_csv_files_whose_other_columns_differ_are_one_split(layout, folder):
    (folder / "train-1.csv").write_text("text,stars\n" + "a,4\n" * 1_500)
    (folder / "train-2.csv").write_text("text,stars,more\n" + "b,4.5,x\n" * 1_500)
    assert len(records(layout)) == 3_000


def test_a_folder_of_json_lines_is_read_by_configuration(layout, folder):
    for language, text in (("de", "gut"), ("en", "good")):
        (folder / language).mkdir()
        (folder / language / "a.jsonl").write_text(json.dumps({"text": text, "stars": 4, "title": None}) + "\n")
    (folder / "README.md").write_text(CARD)
    assert records(layout, config="en") == [RawRecord({"text": "good", "stars": "4"})]
    assert "'fr' not found. Available: ['de', 'en']" in refusal(layout, config="fr")
    assert "one among the available configs: ['de', 'en']). Correct source" in refusal(layout)


def test_a_json_column_of_several_types_holds_the_text_as_it_was_written(layout, folder):
    lines = [{"text": 'a "good" one\n', "stars": 4}, {"text": 7, "stars": "many"}, {"text": None, "stars": 4.5}]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [tuple(record.fields.values()) for record in records(layout)] == [
        ('a "good" one\n', "4"),
        ("7", "many"),
        ("", "4.5"),
    ]


def test_classes_are_their_numbers_and_pictures_stay_closed(layout, folder):
    features = Features({"text": Value("string"), "stars": ClassLabel(names=list("12345")), "picture": Image()})
    broken = {"bytes": b"no picture", "path": None}
    values = {"text": ["awful", "lovely"], "stars": [0, 4], "picture": [broken, broken]}
    Dataset.from_dict(values, features=features).to_parquet(folder / "train.parquet")
    report = ingest(hub_dataset(scale=(0, 4)), layout, LIMITS)
    assert report.kept == 2
    assert read_table(layout.reviews)["stars"].to_list() == [1.0, 5.0]


@pytest.mark.parametrize("type_", [pa.string(), pa.binary()])
def test_bytes_that_are_no_utf_8_are_read_and_counted(layout, folder, type_):
    text = pa.array([b"caf\xe9", "crème".encode()]).view(type_)
    pq.write_table(pa.table({"text": text, "stars": [4, 5]}), folder / "train.parquet")
    assert ingest(hub_dataset(), layout, LIMITS).undecodable == 1
    assert read_table(layout.reviews)["text"].to_list() == ["café", "crème"]


def test_records_are_made_a_thousand_at_a_time(layout, folder):
    table = pa.table({"text": ["fine"] * 2_500, "stars": [4.5] * 2_500})
    pq.write_table(table, folder / "train.parquet", row_group_size=100)
    read = read_hub(hub_dataset(), layout, Reading())
    assert next(read) == RawRecord({"text": "fine", "stars": "4.5"})
    assert sum(1 for _ in read) == 2_499


def test_a_missing_split_or_column_is_answered_with_those_found(layout, folder):
    (folder / "train.csv").write_text("review,stars\nfine,4\n")
    (folder / "test.csv").write_text("review,stars\nfine,4\n")
    assert "reviews has no split 'validation'; found: train, test. Correct split" in refusal(layout, split="validation")
    assert "no split 'train[:10%]'; found: train, test" in refusal(layout, split="train[:10%]")
    assert "reviews has no column text; found: review, stars" in refusal(layout)
    pq.write_table(pa.table({"review": ["fine"], "stars": [4]}), folder / "train.parquet")
    (folder / "train.csv").unlink()
    (folder / "test.csv").unlink()
    assert "reviews has no column text; found: review, stars" in refusal(layout)


def test_an_empty_table_has_no_records(layout, folder):
    (folder / "train.csv").write_text("text,stars\n")
    assert records(layout) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.parquet", b"PAR1 no parquet"),
        ("train.csv.gz", b"no gzip"),
        ("train.jsonl", b'{"text": "a", "stars": 4}\n{"text"\n'),
        ("train.csv", b"text,stars\nfine,4\ntoo,many,fields\n"),
        ("train.csv", "text,stars\ncafé,4\n".encode("latin-1")),
        ("README.md", b"---\nconfigs: [\n---\n"),
        ("README.md", b"---\nconfigs: nonsense\n---\n"),
        ("train.pkl", b"\x80\x04."),
        ("reviews.py", b"raise SystemExit('this ran')"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_no_code_is_run(layout, folder, name, content):
    (folder / name).write_bytes(content)
    assert refusal(layout).startswith("reviews cannot be read as a dataset (")


def test_a_folder_that_is_missing_or_has_no_revisions_is_refused(layout, folder):
    assert "no/such/folder is no folder; correct source" in refusal(layout, source="no/such/folder")
    assert "is no folder" in refusal(layout, source="./reviews2")
    assert "has no revisions; take revision out" in refusal(layout, revision="main")
    assert "doesn't contain any data files" in refusal(layout)


def test_a_relative_folder_is_looked_for_in_the_real_repository_too(layout, folder):
    (folder / "train.csv").write_text("text,stars\nfine,4\n")
    copy = Layout(root=layout.root / "copy", home=layout.home)
    assert len(records(copy)) == 1


# --- the hub --------------------------------------------------------------------------------------------------------

READ = """
import sys
from pathlib import Path
from starsight.errors import DataError
from starsight.ingest.hub import read_hub
from starsight.ingest.raw import Reading
from starsight.layout import Layout
from starsight.params import HubDataset
try:
    for record in read_hub(HubDataset.model_validate_json(sys.argv[1]), Layout(Path.cwd(), Path.cwd()), Reading()):
        print(record.fields)
except DataError as error:
    print(error)
"""


def read_in_process(folder: Path, dataset: HubDataset, **environment: str) -> list[str]:
    """Lines of a process of its own: the libraries read the hub's address and manner when they are imported."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    env |= {"HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"} | environment
    command = [sys.executable, "-c", READ, dataset.model_dump_json()]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "environment",
    [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}, {"HTTPS_PROXY": "http://127.0.0.1:9"}],
    ids=["closed port", "offline", "proxy"],
)
def test_a_hub_that_cannot_be_reached_is_one_line_within_seconds(tmp_path, environment):
    (line,) = read_in_process(tmp_path, hub_dataset("someone/reviews"), **environment)
    assert line.startswith("someone/reviews: no answer from the hub (")
    assert "name the folder as source." in line


COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "README.md": b"---\nlicense: mit\n---\nMade-up reviews.\n",
    "train.jsonl": b'{"text": "lovely", "stars": 4, "user": "u1"}\n{"text": "awful", "stars": 0, "user": "u2"}\n',
}


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as reading one public dataset takes: someone/reviews, and someone/locked, which is gated."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        paths = json.loads(body)["paths"] if b"{" in body else [unquote(body.decode()).removeprefix("paths=")]
        self._json([entry for entry in _tree() if entry["path"] in paths])

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        if "someone/locked" in path:
            self._answer(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted."})
        elif "/tree/" in path:
            self._json(_tree())
        elif path.startswith("/api/datasets/someone/reviews"):
            siblings = [{"rfilename": name} for name in FILES]
            self._json({"id": "someone/reviews", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        elif "someone/reviews/resolve/" in path and (name := path.rpartition("/")[2]) in FILES:
            headers = {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            self._answer(200, FILES[name], headers)
        else:
            known = "someone/reviews" in path
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        span = self.headers.get("Range")
        total = len(content)
        if status == 200 and span and content:
            first, _, last = span.removeprefix("bytes=").partition("-")
            end = min(int(last or total), total - 1)
            status, content = 206, content[int(first) : end + 1]
            headers = headers | {"Content-Range": f"bytes {first}-{end}/{total}"}
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _tree() -> list[dict[str, Any]]:
    return [{"type": "file", "path": name, "size": len(FILES[name]), "oid": COMMIT} for name in FILES]


@contextmanager
def hub() -> Iterator[str]:
    """Address of a hub of the test's own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_dataset_of_the_hub_is_streamed(tmp_path):
    with hub() as address:
        read = read_in_process(tmp_path, hub_dataset("someone/reviews"), HF_ENDPOINT=address)
        assert read == ["{'text': 'lovely', 'stars': '4'}", "{'text': 'awful', 'stars': '0'}"]
        (line,) = read_in_process(tmp_path, hub_dataset("someone/reviews", split="test"), HF_ENDPOINT=address)
        assert line.startswith("someone/reviews has no split 'test'; found: train.")


@pytest.mark.parametrize("source", ["someone/locked", "someone/nothing", "nothing", "no body/nothing", "csv"])
def test_a_dataset_that_the_hub_does_not_give_is_one_line(tmp_path, source):
    with hub() as address:
        (line,) = read_in_process(tmp_path, hub_dataset(source), HF_ENDPOINT=address)
    assert line.startswith(f"{source}: no answer from the hub (")
    assert "log in (hf auth login)" in line
