"""Records of a Parquet table."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from starsight.errors import DataError
from starsight.ingest.decoding import text_of
from starsight.ingest.named import check_named, named_columns
from starsight.ingest.raw import RawRecord, Reading
from starsight.ingest.wording import complaint
from starsight.params import Columns

_TEXT_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
"""Some writers do not say that a column of bytes is text."""
_BATCH_RECORDS = 10_000
_BATCH_BYTES = 16_000_000
"""A batch holds as many records as fit in both, going by the table's own sizes."""
_BUFFER_BYTES = 1 << 20


def read_parquet(stream: IO[bytes], name: str, columns: Columns, reading: Reading) -> Iterator[RawRecord]:
    """The table's records; only the columns that are named are read.

    Args:
        stream: As for ``opened_parquet``.
        name: Of the file, for messages.
        columns: Which columns are read.
        reading: Counts texts that are no UTF-8.

    Raises:
        DataError: the file is no Parquet, is damaged, or lacks a column that ``columns`` names or has it twice.
    """
    with opened_parquet(stream, name) as table:
        check_named(columns, table.schema_arrow.names, name)
        names = named_columns(columns)
        for batch in table.iter_batches(batch_size=_batch_records(table.metadata), columns=names):
            yield from table_records(batch, names, reading)


@contextmanager
def opened_parquet(stream: IO[bytes], name: str) -> Iterator[pq.ParquetFile]:
    """A Parquet table, with damage told in one line also while it is read.

    Args:
        stream: The file, at its beginning; one that cannot seek is copied to disk first.
        name: Of the file, for messages.

    Raises:
        DataError: the file is no Parquet, or is damaged.
    """
    with ExitStack() as stack:
        if not stream.seekable():
            copy = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(stream, copy)
            stream = copy
        try:
            yield pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowException, ValueError, OverflowError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the machine's trouble; of a damaged page an OSError without a number tells
            raise DataError(
                f"{name} is no Parquet table, or a damaged one ({complaint(error)}); "
                "fetch it again, or correct format in params.yaml."
            ) from None


def table_records(rows: pa.RecordBatch, names: Sequence[str], reading: Reading) -> Iterator[RawRecord]:
    """Rows of an Arrow table as records.

    Args:
        rows: Some rows.
        names: Which of their columns are read.
        reading: Counts texts that are no UTF-8.
    """
    texts = [_texts(rows.column(name), reading) for name in names]
    yield from (RawRecord(dict(zip(names, row, strict=True))) for row in zip(*texts, strict=True))


def _batch_records(metadata: pq.FileMetaData) -> int:
    """Records that make a batch, going by how large the table says they are."""
    n_bytes = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return int(np.clip(_BATCH_BYTES * metadata.num_rows // max(n_bytes, 1), 1, _BATCH_RECORDS))


def _texts(column: pa.Array, reading: Reading) -> list[str]:
    """A column as the texts that a CSV file would hold; empty for null."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if any(is_text(column.type) for is_text in _TEXT_TYPES):
        column = column.cast(pa.large_binary())  # those that are no UTF-8 cannot become texts
    elif not pa.types.is_nested(column.type):
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            column = column.cast(pa.string())
    return [text_of(value, reading) for value in column.to_pylist()]
