"""What finished runs have left in the store: their errors, their costs, and what they predicted."""

import io
import math
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime

import mlflow
import pandas as pd

from starsight.errors import DataError
from starsight.layout import Layout
from starsight.tracking.runs import report_text
from starsight.tracking.store import connect, registry_errors

_PREDICTIONS = "predictions.csv"

_PAGE_RUNS = 500
"""Runs asked for at a time."""


@dataclass(frozen=True)
class RecordedRun:
    """A finished run."""

    run_id: str
    name: str
    model: str
    """Row of ``models``."""
    ended: datetime
    """When a stage last ended in it, UTC."""
    dataset: str | None = None
    """Row of ``datasets`` whose test reviews it was measured on; None in runs from before it was tagged."""
    test_rows: str | None = None
    """``rows_hash`` of those reviews; None as above."""
    device: str | None = None
    """What it rated them on."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The last value of each that is a number: neither NaN nor infinite."""


def finished_runs(layout: Layout) -> list[RecordedRun]:
    """Every run of the experiment that ended well, the newest first.

    Raises:
        RegistryError: the store cannot be reached.
    """
    experiment_id = connect(layout)
    client = mlflow.MlflowClient()
    runs: list[RecordedRun] = []
    token: str | None = None
    while token != "":
        with registry_errors("looking for finished runs"):
            found = client.search_runs(
                [experiment_id], "attributes.status = 'FINISHED'", max_results=_PAGE_RUNS, page_token=token
            )
        runs += [_recorded(run) for run in found]
        token = found.token or ""
    return sorted(runs, key=lambda run: run.ended, reverse=True)


def read_predictions(run_id: str) -> pd.DataFrame:
    """The run's ``review_id``, ``stars_true`` and ``stars_pred``, one row a test review.

    Raises:
        DataError: the run has no such table, or it cannot be read.
        RegistryError: the store cannot be reached.
    """
    try:
        with registry_errors("looking for a run's predictions"):
            text = report_text(run_id, _PREDICTIONS)
        if text is None:
            raise DataError("its table of predictions is gone")
        table = pd.read_csv(io.StringIO(text), dtype={"review_id": str}, keep_default_na=False)
        return table[["review_id", "stars_true", "stars_pred"]].astype({"stars_true": float, "stars_pred": float})
    except (ValueError, KeyError):
        raise DataError("its table of predictions cannot be read") from None


def _recorded(run: mlflow.entities.Run) -> RecordedRun:
    tags, params = run.data.tags, run.data.params
    return RecordedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        model=params.get("model", "unnamed"),
        ended=datetime.fromtimestamp((run.info.end_time or run.info.start_time) / 1000, UTC),
        dataset=tags.get("dataset"),
        test_rows=tags.get("test_rows"),
        device=tags.get("device"),
        metrics={key: value for key, value in run.data.metrics.items() if _is_number(value)},
    )


def _is_number(value: float) -> bool:
    return math.isfinite(value) and abs(value) < sys.float_info.max  # as which MLflow's database keeps an infinity
