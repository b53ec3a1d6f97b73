"""Read a source as ``ingest`` would and write nothing: what would be kept, what rejected, and the row that reads it."""

import re
import textwrap
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from starsight.errors import DataError
from starsight.fetch.download import file_sha256
from starsight.ingest.columns import REASONS, Reason
from starsight.ingest.outcome import IngestReport, Tally, checked_batches
from starsight.ingest.raw import Reading
from starsight.layout import Layout
from starsight.params import Dataset, FileDataset, IngestParams

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
        return self.report.refusal(limits, f"{self.of_records} would be", "Mend the source, or the row that reads it.")


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
    reading, tally, longest = Reading(), Tally(), 0
    reviews: list[dict[str, Any]] = []
    examples: dict[Reason, list[Example]] = {reason: [] for reason in REASONS}
    reviewers, products = _Distinct(), _Distinct()
    for batch in checked_batches(dataset, layout, limits, reading, first):
        tally.add(batch)
        _add_examples(examples, batch.rejected)
        if batch.kept.num_rows:
            reviews += batch.kept.slice(0, _N_REVIEWS - len(reviews)).to_pylist()
            longest = max(longest, pc.max(pc.utf8_length(batch.kept["text"])).as_py())
            reviewers.add(batch.kept["user_id"])
            products.add(batch.kept["product_id"])
    report = tally.report(reading)
    if report.records == 0:
        raise DataError(f"{dataset.source} holds no records; put reviews there, or correct the row that reads it.")
    is_cut = first is not None and report.records >= first
    return SourceCheck(report, first if is_cut else None, reviews, examples, longest, reviewers.n, products.n)


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
