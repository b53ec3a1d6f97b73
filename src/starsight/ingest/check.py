"""Read a source as ``ingest`` would and write nothing: what would be kept, what rejected, and the row that reads it."""

import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from starsight.errors import DataError
from starsight.fetch.download import file_sha256
from starsight.ingest.columns import REASONS, CheckedBatch, Reason, check_batch, check_time_format
from starsight.ingest.outcome import IngestReport
from starsight.ingest.raw import Reading, batches
from starsight.ingest.reading import read_source, source_columns
from starsight.layout import Layout
from starsight.params import Dataset, FileDataset, IngestParams
from starsight.progress import progress

_N_REVIEWS: Final = 5
_N_EXAMPLES: Final = 3
MAX_DISTINCT: Final = 1_000_000
"""More reviewers or products than this are not counted: their hashes would fill the memory."""


@dataclass(frozen=True)
class Example:
    """A record that would be rejected."""

    file: str
    record: int
    """Its number in the file, from 1."""
    found: str
    """The value that is its fault; the record's beginning where something is missing."""


@dataclass(frozen=True)
class SourceCheck:
    """What ``ingest`` would make of a source."""

    report: IngestReport
    first: int | None
    """Only so many records were read; None where it is the whole source."""
    reviews: list[dict[str, Any]]
    """The first of those that would be kept, by the names of ``records.REVIEW_SCHEMA``."""
    examples: dict[Reason, list[Example]]
    """Some of the others, by reason."""
    longest: int
    """Characters of the longest text that would be kept."""
    n_reviewers: int | None
    """None where there are more than can be counted in flat memory."""
    n_products: int | None

    @property
    def of_records(self) -> str:
        """``of the 2,160 records``, for sentences."""
        first = "first " if self.first is not None else ""
        return f"of the {first}{self.report.records:,} records"

    def refusal(self, limits: IngestParams) -> str | None:
        """Why the pipeline would not go on with these reviews; None where it would."""
        report = self.report
        if report.kept > 0 and report.rejected_share <= limits.max_rejected_share:
            return None
        reason = max(REASONS, key=lambda each: report.rejected[each])
        limit = f"more than ingest.max_rejected_share allows ({limits.max_rejected_share:.1%})"
        return (
            f"{report.rejected_share:.1%} {self.of_records} would be rejected, "
            f"{limit if report.kept else 'so that none is left'}; most often: {reason} ({report.rejected[reason]:,}). "
            "Mend the source, or the row that reads it."
        )


@dataclass
class _Distinct:
    """Counts different strings by their hashes, and gives up when there are too many."""

    hashes: set[int] = field(default_factory=set)
    n: int | None = 0

    def add(self, column: pa.ChunkedArray) -> None:
        if self.n is not None:
            self.hashes.update(map(hash, pc.unique(column.drop_null()).to_pylist()))
            self.n = len(self.hashes)
            if self.n > MAX_DISTINCT:
                self.hashes, self.n = set(), None


def check_source(dataset: Dataset, layout: Layout, limits: IngestParams, first: int | None = None) -> SourceCheck:
    """Read a source, or the beginning of it, in flat memory.

    Args:
        dataset: The source and how to read it.
        layout: Where a relative source is looked for.
        limits: What is too much.
        first: How many records are read; None for all.

    Raises:
        DataError: the source cannot be found or read, or holds no records.
    """
    reading, reasons, stars = Reading(), Counter[str](), Counter[int]()
    reviews: list[dict[str, Any]] = []
    examples: dict[Reason, list[Example]] = {reason: [] for reason in REASONS}
    reviewers, products = _Distinct(), _Distinct()
    kept = times_unreadable = longest = 0
    for batch in _checked(dataset, layout, limits, reading, first):
        kept += batch.kept.num_rows
        times_unreadable += batch.times_unreadable
        reasons.update(batch.rejected["reason"].to_pylist())
        _add_examples(examples, batch.rejected)
        if batch.kept.num_rows:
            reviews += batch.kept.slice(0, _N_REVIEWS - len(reviews)).to_pylist()
            rounded = np.floor(batch.kept["stars"].to_numpy().astype(np.float64) + 0.5)
            stars.update(rounded.astype(int).tolist())
            longest = max(longest, pc.max(pc.utf8_length(batch.kept["text"])).as_py())
            reviewers.add(batch.kept["user_id"])
            products.add(batch.kept["product_id"])
    report = IngestReport(
        files=reading.files,
        kept=kept,
        rejected={reason: reasons[reason] for reason in REASONS},
        times_unreadable=times_unreadable,
        undecodable=reading.undecodable,
        stars={n: stars[n] for n in range(1, 6)},
    )
    if report.records == 0:
        raise DataError(f"{dataset.source} holds no records; put reviews there, or correct the row that reads it.")
    is_cut = first is not None and report.records >= first
    return SourceCheck(report, first if is_cut else None, reviews, examples, longest, reviewers.n, products.n)


def _checked(
    dataset: Dataset, layout: Layout, limits: IngestParams, reading: Reading, first: int | None
) -> Iterator[CheckedBatch]:
    """As ``outcome.checked_batches``, but for ``first``."""
    check_time_format(source_columns(dataset).time)
    left = first
    with progress("reading", unit="records") as bar:
        for file in read_source(dataset, layout, limits, reading):
            number = 1
            for batch in batches(islice(file.records, left)):
                yield check_batch(
                    batch, first=number, columns=file.columns, source=file.name, max_characters=limits.max_characters
                )
                number += len(batch)
                bar.update(len(batch))
            left = None if left is None else left - (number - 1)
            if left == 0:
                return


def _add_examples(examples: dict[Reason, list[Example]], rejected: pa.Table) -> None:
    for reason, known in examples.items():
        if len(known) < _N_EXAMPLES:
            others = rejected.filter(pc.equal(rejected["reason"], reason)).slice(0, _N_EXAMPLES - len(known))
            known += [Example(row["source"], row["record"], row["found"] or row["raw"]) for row in others.to_pylist()]


def pasteable(dataset: FileDataset, layout: Layout, taken: Collection[str]) -> str:
    """The row as it goes below ``datasets:`` in ``params.yaml``, under a name that is not taken.

    Defaults are left out. A single file that DVC does not watch gets its sha256, so that another one is noticed.
    """
    row = dataset.model_dump(exclude_defaults=True)
    path = layout.root / dataset.source
    if PurePath(dataset.source).is_absolute() and path.is_relative_to(layout.root):
        row["source"] = str(path.relative_to(layout.root))
    is_local = "://" not in dataset.source  # an address may be longer than any path may
    if is_local and path.is_file() and not path.resolve().is_relative_to((layout.root / "data/raw").resolve()):
        row["sha256"] = file_sha256(path)
    scale = row.get("columns", {}).get("rating", {}).get("scale")
    if scale is not None:
        row["columns"]["rating"]["scale"] = [int(each) if each.is_integer() else each for each in scale]
    ordered = {key: row[key] for key in ("format", "source", *row)}
    flow = None if "columns" in row else False  # None writes the innermost mappings in a line each
    named = {_name(dataset.source, taken): ordered}
    text = yaml.safe_dump(named, sort_keys=False, allow_unicode=True, default_flow_style=flow, width=100)
    return textwrap.indent(text, "  ").rstrip()


def _name(source: str, taken: Collection[str]) -> str:
    """A name for the row: the source's, in letters, digits and underscores."""
    stem = re.sub(r"[^a-z0-9]+", "_", PurePath(source).name.lower().split(".")[0]).strip("_")
    stem = stem if stem[:1].isalpha() else f"reviews_{stem}".rstrip("_")
    numbered = (f"{stem}_{n}" for n in range(2, len(taken) + 3))
    return next(name for name in (stem, *numbered) if name not in taken)
