"""What is written stands whole under its name, or not at all."""

import os
import stat
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starsight.errors import DataError
from starsight.tables import (
    growing_table,
    read_csv,
    read_json,
    read_table,
    replacing,
    write_csv,
    write_json,
    write_table,
)

SCHEMA = pa.schema([pa.field("word", pa.string(), nullable=False), pa.field("n", pa.int64())])


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "report.json"
    write_json({"n": 1}, path)

    def fail_half_way():
        with replacing(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert read_json(path) == {"n": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    for name in ("old", "new"):
        with replacing(folder) as partial:
            partial.mkdir()
            (partial / name).write_text(name)
    assert [file.name for file in folder.iterdir()] == ["new"]


def test_a_table_has_exactly_the_columns_of_its_schema(tmp_path):
    path = tmp_path / "words.parquet"
    write_table(pd.DataFrame({"n": [1], "word": ["dress"], "more": [True]}), path, SCHEMA)
    assert list(read_table(path).columns) == ["word", "n"]


def test_json_has_no_number_that_is_none(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"mae": float("nan")}, tmp_path / "metrics.json")
    assert list(tmp_path.iterdir()) == []


def test_csv_comes_back_as_it_was(tmp_path):
    table = pd.DataFrame({"epoch": [1, 2], "validation_mae": [0.5, 0.4]})
    write_csv(table, tmp_path / "epochs.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "epochs.csv"), table)


@pytest.mark.parametrize("read", [read_json, read_table, read_csv])
def test_a_missing_file_says_what_writes_it(tmp_path, read):
    with pytest.raises(DataError, match=r"nosuch is missing; run the stage that writes it \(dvc repro\)"):
        read(tmp_path / "nosuch")


@pytest.mark.parametrize(
    ("read", "message"), [(read_json, "is not valid JSON"), (read_table, "is not a readable Parquet file")]
)
def test_a_broken_file_says_so(tmp_path, read, message):
    (tmp_path / "file").write_text("neither")
    with pytest.raises(DataError, match=message):
        read(tmp_path / "file")


def test_small_pieces_make_large_row_groups_in_their_order(tmp_path):
    path = tmp_path / "table.parquet"
    with growing_table(path, SCHEMA) as table:
        for n in range(250):
            table.write(pa.table({"word": [f"w{n}"] * 90, "n": [n] * 90}, schema=SCHEMA))
        table.write(SCHEMA.empty_table())
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [8_010, 8_010, 6_480]
    assert read_table(path)["n"].is_monotonic_increasing


def test_a_growing_table_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), growing_table(tmp_path / "table.parquet", SCHEMA):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/kept").touch()
    with pytest.raises(IsADirectoryError, match="reports"):
        write_json({"n": 1}, tmp_path / "reports")
    assert [path.name for path in tmp_path.rglob("*")] == ["reports", "kept"]


def test_a_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    rename = Path.rename

    def fail(self, target):
        if self.name.endswith(".partial"):
            raise OSError("disk")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="disk"), replacing(folder) as partial:
        partial.mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"]


def test_a_column_that_is_not_there_is_one_line(tmp_path):
    write_table(pd.DataFrame({"n": [1], "word": ["dress"]}), tmp_path / "words.parquet", SCHEMA)
    with pytest.raises(DataError, match="has no column stars; run dvc repro") as caught:
        read_table(tmp_path / "words.parquet", columns=["word", "stars"])
    assert "\n" not in str(caught.value)


def test_a_pipe_or_device_is_refused_and_a_link_is_written_through(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        write_json({}, tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
    write_json({"a": 1}, tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert read_json(tmp_path / "target.json") == {"a": 1}
