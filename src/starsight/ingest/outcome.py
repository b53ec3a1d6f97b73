"""Stream a source into a table of reviews and a table of rejected records, and account for every one."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from starsight.errors import DataError
from starsight.ingest.columns import REASONS, CheckedBatch, Reason, check_batch, check_time_format
from starsight.ingest.delimited import read_delimited
from starsight.ingest.raw import batches
from starsight.ingest.snap import SNAP_COLUMNS, read_snap
from starsight.ingest.sources import open_source, source_name
from starsight.layout import Layout
from starsight.params import CsvDataset, Dataset
from starsight.progress import progress
from starsight.records import REJECTED_SCHEMA, REVIEW_SCHEMA
from starsight.tables import replacing, write_json

log = logging.getLogger(__name__)

_STARS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class IngestReport:
    """What became of a source: every record is kept, or rejected for one reason."""

    kept: int
    """Records that became reviews."""
    rejected: dict[Reason, int]
    """The others, by reason; every reason is listed."""
    times_unreadable: int
    """Kept reviews whose time is null although the source gives one."""
    stars: dict[int, int]
    """Kept reviews by stars, rounded half up; all five are listed."""

    @property
    def n_rejected(self) -> int:
        """Records that did not become reviews."""
        return sum(self.rejected.values())

    @property
    def records(self) -> int:
        """Records of the source."""
        return self.kept + self.n_rejected

    @property
    def rejected_share(self) -> float:
        """Rejected records as a share of all, 0 to 1."""
        return self.n_rejected / self.records if self.records else 0.0

    def flat(self) -> dict[str, int]:
        """The report as ``reports/ingest.json`` holds it."""
        return {
            "records": self.records,
            "kept": self.kept,
            "rejected": self.n_rejected,
            **{f"rejected_{reason}": n for reason, n in self.rejected.items()},
            "times_unreadable": self.times_unreadable,
            **{f"stars_{stars}": n for stars, n in self.stars.items()},
        }


def ingest(dataset: Dataset, layout: Layout, max_rejected_share: float) -> IngestReport:
    """Read a source into ``layout.reviews``, ``layout.rejected`` and ``layout.ingest_report``, in flat memory.

    Args:
        dataset: The source and how to read it.
        layout: Where the three files go, and where a relative source is looked for.
        max_rejected_share: Largest share of the records that may be rejected, 0 to 1.

    Raises:
        DataError: the source cannot be found or read, or holds no records: nothing is written. Or too many records
            are rejected: the rejected records and the report are left to look into, but no reviews.
    """
    with replacing(layout.reviews) as reviews:
        with replacing(layout.rejected) as rejected:
            report = _write(checked_batches(dataset, layout), reviews, rejected)
            if report.records == 0:
                raise DataError(f"{dataset.source} holds no records; check format and source in params.yaml.")
        write_json(report.flat(), layout.ingest_report)
        if report.rejected_share > max_rejected_share:
            layout.reviews.unlink(missing_ok=True)  # an earlier run's, which the report does not describe
            reason = max(report.rejected, key=lambda each: report.rejected[each])
            raise DataError(
                f"{report.rejected_share:.1%} of the {report.records:,} records of {dataset.source} were rejected, "
                f"more than ingest.max_rejected_share allows ({max_rejected_share:.1%}); most often: {reason} "
                f"({report.rejected[reason]:,}). Look into {layout.rejected}, then mend the source or its row."
            )
    log.info("%s: %d records, %d kept, %d rejected", dataset.source, report.records, report.kept, report.n_rejected)
    return report


def checked_batches(dataset: Dataset, layout: Layout) -> Iterator[CheckedBatch]:
    """The source's records as reviews and rejected records, a batch at a time; writes nothing.

    Raises:
        DataError: as for ``ingest``.
    """
    columns = dataset.columns if isinstance(dataset, CsvDataset) else SNAP_COLUMNS
    check_time_format(columns.time)
    name = source_name(dataset.source)
    with open_source(dataset, layout) as text, progress(f"reading {name}", unit="records") as bar:
        records = read_delimited(text, dataset) if isinstance(dataset, CsvDataset) else read_snap(text)
        first = 1
        for batch in batches(records):
            yield check_batch(batch, first=first, columns=columns, source=name)
            first += len(batch)
            bar.update(len(batch))


def _write(checked: Iterator[CheckedBatch], reviews: Path, rejected: Path) -> IngestReport:
    reasons: Counter[str] = Counter()
    stars: Counter[int] = Counter()
    kept = times_unreadable = 0
    with ExitStack() as stack:
        kept_file = stack.enter_context(pq.ParquetWriter(reviews, REVIEW_SCHEMA, compression="zstd"))
        rejected_file = stack.enter_context(pq.ParquetWriter(rejected, REJECTED_SCHEMA, compression="zstd"))
        for batch in checked:
            if batch.kept.num_rows:
                kept_file.write_table(batch.kept)
            if batch.rejected.num_rows:
                rejected_file.write_table(batch.rejected)
            kept += batch.kept.num_rows
            times_unreadable += batch.times_unreadable
            reasons.update(batch.rejected["reason"].to_pylist())
            rounded = np.floor(batch.kept["stars"].to_numpy().astype(np.float64) + 0.5)
            stars.update(rounded.astype(int).tolist())
    return IngestReport(
        kept=kept,
        rejected={reason: reasons[reason] for reason in REASONS},
        times_unreadable=times_unreadable,
        stars={n: stars[n] for n in _STARS},
    )
