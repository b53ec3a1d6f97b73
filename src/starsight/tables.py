"""Read and write tables and JSON. What is written stands beside its final name first, and is then renamed:
a half-written file never carries the name that a reader looks for."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from starsight.errors import DataError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside ``path`` to write a file or a folder to; renames it to ``path`` when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    partial, old = (path.with_name(f".{path.name}.{os.getpid()}.{what}") for what in ("partial", "old"))
    try:
        yield partial
        if path.is_dir():  # a rename replaces a file, but no folder: the old one steps aside whole, and goes last
            path.rename(old)
        partial.rename(path)
    finally:
        _remove(partial)
        _remove(old)


def _sweep(path: Path) -> None:
    """Remove what processes that were killed have left beside ``path``."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        pid, _, what = leftover.name.removeprefix(f".{path.name}.").partition(".")
        if (
            what in ("partial", "old")
            and pid.isdigit()
            and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid)))
        ):
            _remove(leftover)


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


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: the file is missing or not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run the stage that writes it (dvc repro).") from None
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); delete it and run dvc repro.") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, not an object; delete it and run dvc repro.")
    return content


def write_table(table: pd.DataFrame, path: Path, schema: pa.Schema) -> None:
    """Write ``table`` as Parquet with exactly the columns of ``schema``, in its order."""
    with replacing(path) as partial:
        pq.write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False), partial, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file.

    Raises:
        DataError: the file is missing or not Parquet.
    """
    try:
        return pd.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run the stage that writes it (dvc repro).") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is not a readable Parquet file ({error}); delete it and run dvc repro.") from None


def read_csv(path: Path) -> pd.DataFrame:
    """Read what ``write_csv`` wrote.

    Raises:
        DataError: the file is missing.
    """
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run the stage that writes it (dvc repro).") from None


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write ``table`` with a header row and without its index."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False)
