"""Read and write tables and JSON. What is written stands beside its final name first, and is then renamed:
a half-written file never carries the name that a reader looks for."""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from starsight.errors import DataError

ROW_GROUP_ROWS: Final = 8_000
"""Rows that make a row group, a little fewer than most pieces have: two of them would be many for one batch."""
_ROW_GROUP_BYTES: Final = 32_000_000


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside ``path`` to write a file or a folder to; renames it to ``path`` when the block succeeds.

    What a link points to is replaced, not the link.

    Raises:
        IsADirectoryError: a file was written, and ``path`` is a folder, which stays.
        OSError: ``path`` is a device, a pipe or the like.
    """
    path = path.resolve()
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "neither a file nor a folder", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    partial, old = (path.with_name(f".{path.name}.{os.getpid()}.{what}") for what in ("partial", "old"))
    try:
        yield partial
        if path.is_dir():  # a rename replaces a file, but no folder: the old one steps aside whole, and goes last
            if not partial.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            path.rename(old)
        partial.rename(path)
    finally:
        if old.exists() and not path.exists():  # the second rename failed
            old.rename(path)
        _remove(partial)
        _remove(old)


@contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """An empty folder of this process below ``path``, gone afterwards; those of processes that were killed go too."""
    for other in path.glob("*"):
        if _is_left_over(other.name):
            _remove(other)
    own = path / str(os.getpid())
    own.mkdir(parents=True)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Remove what processes that were killed have left beside ``path``."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        pid, _, what = leftover.name.removeprefix(f".{path.name}.").partition(".")
        if what in ("partial", "old") and _is_left_over(pid):
            _remove(leftover)


def _is_left_over(pid: str) -> bool:
    """Whether what carries the id of a process is nobody's any more."""
    return pid.isdigit() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid)))


def folder_size(folder: Path) -> int:
    """Bytes of all the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write a mapping as JSON, keys in the order given. NaN and infinity are refused: JSON has no such numbers."""
    write_text(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n", path)


def missing(path: Path) -> DataError:
    """What to say where a stage's file is not there."""
    return DataError(f"{path} is missing; run the stage that writes it (dvc repro).")


def no_parquet(path: Path, error: Exception) -> DataError:
    """What to say where a stage's table cannot be read, and why."""
    return DataError(f"{path} is not a readable Parquet file ({error}); delete it and run dvc repro.")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: the file is missing or not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise missing(path) from None
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); delete it and run dvc repro.") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, not an object; delete it and run dvc repro.")
    return content


def write_table(table: pd.DataFrame, path: Path, schema: pa.Schema) -> None:
    """Write ``table`` as Parquet with exactly the columns of ``schema``, in its order."""
    with replacing(path) as partial:
        pq.write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False), partial, compression="zstd")


class TableWriter:
    """A Parquet file that grows piece by piece, whatever their size, in row groups of about the same."""

    def __init__(self, file: pq.ParquetWriter) -> None:
        self._file = file
        self._waiting: list[pa.Table] = []
        self._n_rows = self._n_bytes = 0  # of what is waiting: adding it up anew for each piece takes quadratic time

    def write(self, piece: pa.Table) -> None:
        """Add rows behind those that are there."""
        self._waiting.append(piece)
        self._n_rows += piece.num_rows
        self._n_bytes += piece.nbytes
        if self._n_rows >= ROW_GROUP_ROWS or self._n_bytes >= _ROW_GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._n_rows:
            self._file.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._waiting, self._n_rows, self._n_bytes = [], 0, 0


@contextmanager
def growing_table(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """Write a table piece by piece; it carries its name only when the block succeeds."""
    with replacing(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as file:
        writer = TableWriter(file)
        yield writer
        writer.flush()


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file.

    Raises:
        DataError: the file is missing or not Parquet, or lacks one of ``columns``.
    """
    try:
        if lacking := set(columns or ()) - set(pq.read_schema(path).names):
            raise DataError(f"{path} has no column {', '.join(sorted(lacking))}; run dvc repro, which writes it anew.")
        return pd.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise missing(path) from None
    except pa.ArrowInvalid as error:
        raise no_parquet(path, error) from None


def check_columns(path: Path, schema: pa.Schema) -> None:
    """Refuse a Parquet file that lacks columns of ``schema``, or has them with other types.

    Raises:
        DataError: also where the file is missing or not Parquet.
    """
    try:
        found = pq.read_schema(path)
    except FileNotFoundError:
        raise missing(path) from None
    except pa.ArrowInvalid as error:
        raise no_parquet(path, error) from None
    wrong = [each.name for each in schema if each.name not in found.names or not _holds(found.field(each.name), each)]
    if wrong:
        raise DataError(
            f"{path} has no column {', '.join(wrong)} of the right type; run dvc repro, which writes it anew."
        )


def _holds(found: pa.Field, wanted: pa.Field) -> bool:
    # Parquet knows no seconds: a time may come back in a finer unit
    return bool(found.type == wanted.type or (pa.types.is_timestamp(found.type) and pa.types.is_timestamp(wanted.type)))


def read_csv(path: Path) -> pd.DataFrame:
    """Read what ``write_csv`` wrote.

    Raises:
        DataError: the file is missing.
    """
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise missing(path) from None


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write ``table`` with a header row and without its index."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False)
