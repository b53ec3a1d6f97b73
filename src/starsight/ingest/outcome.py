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
from starsight.ingest.raw import Reading, batches
from starsight.ingest.reading import read_source, source_columns
from starsight.layout import Layout
from starsight.params import Dataset, IngestParams
from starsight.progress import progress
from starsight.records import REJECTED_SCHEMA, REVIEW_SCHEMA
from starsight.tables import replacing, write_json

log = logging.getLogger(__name__)

_STARS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class IngestReport:
    """What became of a source: every record is kept, or rejected for one reason."""

    files: int
    """Files that were read; members of an archive count each."""
    kept: int
    """Records that became reviews."""
    rejected: dict[Reason, int]
    """The others, by reason; every reason is listed."""
    times_unreadable: int
    """Kept reviews whose time is null although the source gives one."""
    undecodable: int
    """Places where the source's bytes are no text in the encoding that its row names."""
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
            "files": self.files,
            "records": self.records,
            "kept": self.kept,
            "rejected": self.n_rejected,
            **{f"rejected_{reason}": n for reason, n in self.rejected.items()},
            "times_unreadable": self.times_unreadable,
            "undecodable": self.undecodable,
            **{f"stars_{stars}": n for stars, n in self.stars.items()},
        }


def ingest(dataset: Dataset, layout: Layout, params: IngestParams) -> IngestReport:
    """Read a source into ``layout.reviews``, ``layout.rejected`` and ``layout.ingest_report``, in flat memory.

    Args:
        dataset: The source and how to read it.
        layout: Where the three files go, and where a relative source is looked for.
        params: What is too much.

    Raises:
        DataError: the source cannot be found or read, or holds no records: nothing is written. Or all records or too
            many are rejected: the rejected records and the report are left to look into, but no reviews.
    """
    with replacing(layout.reviews) as reviews:
        with replacing(layout.rejected) as rejected:
            reading = Reading()
            report = _write(checked_batches(dataset, layout, params, reading), reading, reviews, rejected)
            if report.records == 0:
                raise DataError(f"{dataset.source} holds no records; check format and source in params.yaml.")
        write_json(report.flat(), layout.ingest_report)
        if report.kept == 0 or report.rejected_share > params.max_rejected_share:
            layout.reviews.unlink(missing_ok=True)  # an earlier run's, which the report does not describe
            reason = max(report.rejected, key=lambda each: report.rejected[each])
            limit = f"more than ingest.max_rejected_share allows ({params.max_rejected_share:.1%})"
            raise DataError(
                f"{report.rejected_share:.1%} of the {report.records:,} records of {dataset.source} were rejected, "
                f"{limit if report.kept else 'so that none is left'}; most often: {reason} "
                f"({report.rejected[reason]:,}). Look into {layout.rejected}, then mend the source or its row."
            )
    log.info(
        "%s: %d files, %d records, %d kept, %d rejected",
        dataset.source,
        report.files,
        report.records,
        report.kept,
        report.n_rejected,
    )
    return report


def checked_batches(dataset: Dataset, layout: Layout, params: IngestParams, reading: Reading) -> Iterator[CheckedBatch]:
    """The source's records as reviews and rejected records, a batch at a time; writes nothing.

    Args:
        dataset: The source and how to read it.
        layout: Where a relative source is looked for.
        params: What is too much.
        reading: Counts what was noticed on the way.

    Raises:
        DataError: as for ``ingest``.
    """
    check_time_format(source_columns(dataset).time)
    with progress("reading", unit="records") as bar:
        for file in read_source(dataset, layout, params, reading):
            first = 1
            for batch in batches(file.records):
                yield check_batch(
                    batch, first=first, columns=file.columns, source=file.name, max_characters=params.max_characters
                )
                first += len(batch)
                bar.update(len(batch))
                bar.set_postfix_str(file.name, refresh=False)


def _write(checked: Iterator[CheckedBatch], reading: Reading, reviews: Path, rejected: Path) -> IngestReport:
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
        files=reading.files,
        kept=kept,
        rejected={reason: reasons[reason] for reason in REASONS},
        times_unreadable=times_unreadable,
        undecodable=reading.undecodable,
        stars={n: stars[n] for n in _STARS},
    )
