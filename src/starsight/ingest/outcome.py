"""Stream a source into a table of reviews and a table of rejected records, and account for every one."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from starsight.errors import DataError
from starsight.ingest.columns import REASONS, CheckedBatch, Reason, check_batch, check_time_format
from starsight.ingest.raw import Reading, batches
from starsight.ingest.reading import read_source, source_columns
from starsight.ingest.wording import printable
from starsight.layout import Layout
from starsight.params import Dataset, IngestParams
from starsight.progress import progress
from starsight.records import REJECTED_SCHEMA, REVIEW_SCHEMA, WHOLE_STARS, whole_stars
from starsight.tables import growing_table, write_json

log = logging.getLogger(__name__)


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

    def refusal(self, limits: IngestParams, records: str, advice: str) -> str | None:
        """Why the pipeline does not go on with these reviews, in one line; None where it does.

        Args:
            limits: What is too much.
            records: What the line says of the records, up to its verb: ``of the 20 records of reviews.csv were``.
            advice: What it says is to be done.
        """
        if self.kept > 0 and self.rejected_share <= limits.max_rejected_share:
            return None
        reason = max(self.rejected, key=lambda each: self.rejected[each])
        limit = f"more than ingest.max_rejected_share allows ({limits.max_rejected_share:.1%})"
        return (
            f"{self.rejected_share:.1%} {records} rejected, {limit if self.kept else 'so that none is left'}; "
            f"most often: {reason} ({self.rejected[reason]:,}). {advice}"
        )


@dataclass
class Tally:
    """Counts what becomes of the records of a source, a batch at a time."""

    kept: int = 0
    times_unreadable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Rejected records, by reason."""
    stars: Counter[int] = field(default_factory=Counter)
    """Kept reviews, by ``records.whole_stars``."""

    def add(self, batch: CheckedBatch) -> None:
        """Count a batch."""
        self.kept += batch.kept.num_rows
        self.times_unreadable += batch.times_unreadable
        self.reasons.update(batch.rejected["reason"].to_pylist())
        self.stars.update(whole_stars(batch.kept["stars"].to_numpy()).tolist())

    def report(self, reading: Reading) -> IngestReport:
        """What became of all batches so far, and what was noticed while they were read."""
        return IngestReport(
            files=reading.files,
            kept=self.kept,
            rejected={reason: self.reasons[reason] for reason in REASONS},
            times_unreadable=self.times_unreadable,
            undecodable=reading.undecodable,
            stars={n: self.stars[n] for n in WHOLE_STARS},
        )


def ingest(dataset: Dataset, layout: Layout, limits: IngestParams) -> IngestReport:
    """Read a source into ``layout.reviews``, ``layout.rejected`` and ``layout.ingest_report``, in flat memory.

    Args:
        dataset: The source and how to read it.
        layout: Where the three files go, and where a relative source is looked for.
        limits: What is too much.

    Raises:
        DataError: the source cannot be found or read, or holds no records: nothing is written. Or all records or too
            many are rejected: the rejected records and the report are left to look into, but no reviews.
    """
    reading, tally = Reading(), Tally()
    with growing_table(layout.reviews, REVIEW_SCHEMA) as reviews:
        with growing_table(layout.rejected, REJECTED_SCHEMA) as rejected:
            for batch in checked_batches(dataset, layout, limits, reading):
                tally.add(batch)
                reviews.write(batch.kept)
                rejected.write(batch.rejected)
            report = tally.report(reading)
            if report.records == 0:
                raise DataError(f"{dataset.source} holds no records; check format and source in params.yaml.")
        write_json(report.flat(), layout.ingest_report)
        records = f"of the {report.records:,} records of {dataset.source} were"
        advice = f"Look into {layout.rejected}, then mend the source or its row."
        if refusal := report.refusal(limits, records, advice):
            layout.reviews.unlink(missing_ok=True)  # an earlier run's, which the report does not describe
            raise DataError(refusal)
    log.info(
        "%s: %d files, %d records, %d kept, %d rejected",
        dataset.source,
        report.files,
        report.records,
        report.kept,
        report.n_rejected,
    )
    return report


def checked_batches(
    dataset: Dataset, layout: Layout, limits: IngestParams, reading: Reading, n_records: int | None = None
) -> Iterator[CheckedBatch]:
    """The source's records as reviews and rejected records, a batch at a time; writes nothing.

    Args:
        dataset: The source and how to read it.
        layout: Where a relative source is looked for.
        limits: What is too much.
        reading: Counts what was noticed on the way.
        n_records: Only the first so many are read, over all files; None for all.

    Raises:
        DataError: as for ``ingest``.
    """
    check_time_format(source_columns(dataset).time)
    left = n_records
    with progress("reading", unit="records") as bar:
        for file in read_source(dataset, layout, limits, reading):
            first = 1
            for batch in batches(islice(file.records, left)):
                yield check_batch(
                    batch, first=first, columns=file.columns, source=file.name, max_characters=limits.max_characters
                )
                first += len(batch)
                bar.update(len(batch))
                bar.set_postfix_str(printable(file.name), refresh=False)
            left = None if left is None else left - (first - 1)
            if left == 0:
                return
