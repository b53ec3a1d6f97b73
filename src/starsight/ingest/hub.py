"""Records of a dataset of the Hugging Face hub, or of a local folder in the same layout, read as a stream."""

import json
import logging
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

from starsight.errors import DataError
from starsight.ingest.decoding import text_of
from starsight.ingest.named import check_named, named_columns
from starsight.ingest.raw import RawRecord, Reading
from starsight.ingest.wording import complaint, listed
from starsight.layout import Layout
from starsight.params import HubDataset

log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
"""Waited for the hub's answer before a run is refused; ``datasets`` alone would try for minutes."""
_ROWS = 1_000
"""Made into records at a time."""

_UNREADABLE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, yaml.YAMLError, pa.ArrowException)
_REFUSALS = (HTTPError, OSError, ValueError, RuntimeError, ImportError, LookupError, TypeError, *_UNREADABLE)
"""What ``datasets`` raises, beside errors of its own: whatever the reader of the files at hand raises."""


def read_hub(dataset: HubDataset, layout: Layout, reading: Reading) -> Iterator[RawRecord]:
    """The records of one split, with the columns that ``dataset.columns`` names; nothing is kept on the disk.

    Files of tables alone are read (CSV, JSON, Parquet, Arrow and their kin): a dataset that is a program is refused.
    Classes (``ClassLabel``) are their numbers, from 0; pictures and sounds beside the review are not decoded.

    Args:
        dataset: The source and how to read it.
        layout: Where a relative folder is looked for.
        reading: Counts bytes that are no UTF-8.

    Raises:
        DataError: the dataset, configuration, split, revision or a column does not exist; or the hub cannot be
            reached or refuses, which takes seconds; or a file turns out to be damaged while it is read.
    """
    folder = _local_folder(dataset, layout)
    revision = None if folder else _commit(dataset)
    # Here, since they take a second to import and no other source needs them.
    from datasets import disable_progress_bars, load_dataset_builder
    from datasets.exceptions import DatasetsError

    disable_progress_bars()
    wanted = named_columns(dataset.columns)
    try:
        # A cache of our own: on trouble, datasets would take what it finds in its common one, however old.
        cache = str(layout.downloads / "datasets")
        path = str(folder or dataset.source)
        builder = load_dataset_builder(path, name=dataset.config, revision=revision, cache_dir=cache)
        _keep_words(builder, wanted)
        splits = builder.as_streaming_dataset()
        if dataset.split not in splits:
            raise DataError(
                f"{dataset.source} has no split {dataset.split!r}; found: {listed(map(str, splits))}. "
                "Correct split in params.yaml."
            )
        table = splits[dataset.split].with_format("arrow")
        if (found := _column_names(table)) is None:
            return
        check_named(dataset.columns, found, dataset.source)
        for rows in table.select_columns(wanted).iter(batch_size=_ROWS):
            yield from _records(rows, reading)
    except (DatasetsError, *_REFUSALS) as error:
        raise DataError(
            f"{dataset.source} cannot be read as a dataset ({_reason(error)}). Correct source, config or revision in "
            "params.yaml; or download its files and read them as csv, jsonl or parquet."
        ) from None


def _local_folder(dataset: HubDataset, layout: Layout) -> Path | None:
    """The folder that ``source`` names; None for an id of the hub, which is ``name`` or ``owner/name``."""
    source = Path(dataset.source).expanduser()
    for folder in (layout.root / source, layout.home / source):
        if folder.is_dir():
            if dataset.revision is not None:
                raise DataError(f"{folder} is a folder, which has no revisions; take revision out of its row.")
            return folder
    if dataset.source.startswith(("/", ".", "~")) or dataset.source.count("/") > 1:
        raise DataError(
            f"{layout.home / source} is no folder; correct source in params.yaml (a single file is read as csv, "
            "jsonl or parquet)."
        )
    return None


def _commit(dataset: HubDataset) -> str:
    """The hub's answer to which commit is read: the whole split is then of one, whatever is uploaded meanwhile."""
    try:
        info = HfApi().dataset_info(dataset.source, revision=dataset.revision, timeout=_TIMEOUT_S)
    except (HTTPError, OSError, ValueError) as error:
        raise DataError(
            f"{dataset.source}: no answer from the hub ({_reason(error)}). Ways out: correct source or revision; log "
            "in (hf auth login) if the dataset is private or gated; or download it where there is a connection "
            "(hf download --repo-type dataset) and name the folder as source."
        ) from None
    if dataset.revision is None:
        log.info("%s: newest revision, %s; name it in its row to read the very same again", dataset.source, info.sha)
    return str(info.sha)


def _keep_words(builder: Any, wanted: list[str]) -> None:
    """Have CSV files read as text: pandas would take a review that says "null" for none, and the id 007 for 7."""
    from datasets.packaged_modules.csv.csv import CsvConfig

    if isinstance(builder.config, CsvConfig):
        builder.config.keep_default_na = False
        if builder.config.features is None:  # the dataset does not say of what type its columns are
            builder.config.converters = dict.fromkeys(wanted, str)


def _column_names(table: Any) -> list[str] | None:
    """Columns of a split, from its first row where the dataset does not declare them; None where it has no rows."""
    if table.column_names is not None:
        return list(table.column_names)
    return next((list(rows.column_names) for rows in table.iter(batch_size=1)), None)


def _records(rows: pa.Table, reading: Reading) -> Iterator[RawRecord]:
    # A column of texts and numbers, say, arrives as JSON: a text would stand in quotes, with its own escaped.
    mixed = [field.name for field in rows.schema if isinstance(field.type, pa.JsonType)]
    for row in rows.cast(pa.schema(map(_undecoded, rows.schema))).to_pylist():
        row |= {name: json.loads(row[name]) for name in mixed if row[name] is not None}
        yield RawRecord({name: text_of(value, reading) for name, value in row.items()})


def _undecoded(field: pa.Field) -> pa.Field:
    """Texts as bytes: Arrow lets no text out that is no UTF-8."""
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    return field.with_type(pa.large_binary()) if is_text else field


def _reason(error: BaseException) -> str:
    return complaint(error, str(error).split("Example of usage")[0])
