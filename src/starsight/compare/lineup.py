"""Line up the runs that were measured on the very same reviews, and keep every other run apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from starsight.compare.cost import Cost
from starsight.errors import DataError
from starsight.intervals import ClusterBootstrap, Difference, Estimate, holm
from starsight.layout import Layout
from starsight.metrics import Metric, Stars, mae, rmse
from starsight.params import Params
from starsight.split import rows_hash
from starsight.tables import read_table
from starsight.tracking.evidence import RecordedRun, finished_runs, read_predictions

MetricName = Literal["mae", "rmse"]
METRICS: Final[dict[MetricName, Metric]] = {"mae": mae, "rmse": rmse}
"""Errors that two models can be compared by, from their predictions alone."""

_ROUNDING = 1e-3
"""Stars by which predictions, kept to four digits, may miss the error that the run recorded."""

Group = tuple[str, str]
"""Dataset and ``rows_hash`` of its test reviews."""


@dataclass(frozen=True)
class Contender:
    """A run among those on the same reviews."""

    rank: int
    """1 is the least error."""
    run: RecordedRun
    errors: Mapping[MetricName, Estimate]
    """As the run recorded them, in stars; bounds that it did not record are NaN."""
    cost: Cost
    minus_reference: Difference | None = None
    """Its error minus the reference's on the same reviews; None for the reference itself, or where ``note`` is."""
    p_corrected: float | None = None
    """Holm's, over every run that was compared with the reference."""
    note: str = ""
    """Why it could not be compared with the reference."""

    @property
    def label(self) -> str:
        """Its row in the tables and its model, as charts write it."""
        return f"{self.rank} {self.run.model}"


@dataclass(frozen=True)
class LineUp:
    """What there is to choose from."""

    metric: MetricName
    dataset: str
    test_rows: str
    contenders: list[Contender]
    """Least error first."""
    reference: Contender | None
    """The run with the least error of those whose predictions are there: what the others are compared with."""
    resampled: str
    """``reviewers``, or ``reviews`` where nobody knows any more who wrote them; empty where nothing was resampled."""
    why_reviews: str
    """Why reviews were resampled in place of reviewers; empty where reviewers were."""
    others: dict[Group, list[RecordedRun]]
    """Runs on other data or other reviews, by what they were measured on."""
    not_comparable: list[tuple[RecordedRun, str]]
    """Runs that do not say what they were measured on, and why."""


@dataclass(frozen=True)
class _Predicted:
    """Predictions of several runs for the same reviews, in the same order."""

    review_ids: list[str]
    stars_true: Stars
    """``(reviews,)``."""
    stars_pred: dict[str, Stars]
    """``(reviews,)``, by run."""
    notes: dict[str, str]
    """Why a run is not among them."""


def line_up(
    layout: Layout,
    params: Params,
    metric: MetricName = "mae",
    *,
    test_rows: str | None = None,
    dataset: str | None = None,
) -> LineUp:
    """Compare the finished runs on one set of test reviews.

    Args:
        layout: Where the store and the clean reviews are.
        params: Draws and seed of the intervals.
        metric: Orders the runs and is compared.
        test_rows: Which reviews, by their ``rows_hash``; those of the newest run by default.
        dataset: Among which the newest run is looked for; all by default.

    Raises:
        DataError: there is no such run.
        RegistryError: the store cannot be reached.
    """
    groups, not_comparable = _grouped(finished_runs(layout))
    chosen = _choose(groups, not_comparable, test_rows, dataset)
    runs = sorted(groups[chosen], key=lambda run: run.metrics[f"test_{metric}"])
    contenders = [
        Contender(rank, run, {name: _recorded(run, name) for name in METRICS}, Cost.of(run.metrics))
        for rank, run in enumerate(runs, start=1)
    ]
    predicted = _predictions(contenders, groups[chosen])
    contenders = [replace(each, note=predicted.notes.get(each.run.run_id, "")) for each in contenders]
    reference = next((each for each in contenders if not each.note), None)
    resampled = why = ""
    if reference and len(predicted.stars_pred) > 1:
        clusters, why = _clusters(predicted, chosen[1], layout)
        resampled = "reviews" if why else "reviewers"
        contenders = _compared(contenders, reference, predicted, clusters, metric, params)
    return LineUp(
        metric=metric,
        dataset=chosen[0],
        test_rows=chosen[1],
        contenders=contenders,
        reference=reference,
        resampled=resampled,
        why_reviews=why,
        others={group: runs for group, runs in groups.items() if group != chosen},
        not_comparable=not_comparable,
    )


def _grouped(runs: Sequence[RecordedRun]) -> tuple[dict[Group, list[RecordedRun]], list[tuple[RecordedRun, str]]]:
    """Runs by what they were measured on, the newest group and run first, and those that cannot be placed."""
    groups: dict[Group, list[RecordedRun]] = {}
    rest: list[tuple[RecordedRun, str]] = []
    for run in runs:
        if any(f"test_{metric}" not in run.metrics for metric in METRICS):
            rest.append(
                (run, "it has no errors on test reviews: it was not evaluated, or rates with what is no number")
            )
        elif run.dataset is None or run.test_rows is None:
            rest.append((run, "it does not say on which reviews it was measured: it was evaluated by an older version"))
        else:
            groups.setdefault((run.dataset, run.test_rows), []).append(run)
    return groups, rest


def _choose(
    groups: Mapping[Group, list[RecordedRun]],
    not_comparable: Sequence[tuple[RecordedRun, str]],
    test_rows: str | None,
    dataset: str | None,
) -> Group:
    fitting = [group for group in groups if test_rows in (None, group[1]) and dataset in (None, group[0])]
    if fitting:
        return fitting[0]
    if groups:
        known = ", ".join(f"{rows} ({name})" for name, rows in groups)
        wanted = " ".join(
            f"{word} {value}" for word, value in (("on reviews", test_rows), ("of dataset", dataset)) if value
        )
        raise DataError(f"no finished run {wanted}; there are runs on: {known}.")
    if not_comparable:
        raise DataError(
            f"none of the {len(not_comparable)} finished runs can be compared: of the newest, {not_comparable[0][1]}; "
            "dvc repro --force --single-item evaluate measures the model of this folder again."
        )
    raise DataError("there is no finished run to compare; make one: dvc repro, or dvc exp run -S model=<row>.")


def _recorded(run: RecordedRun, metric: MetricName) -> Estimate:
    low, high = (run.metrics.get(f"test_{metric}_{end}", math.nan) for end in ("low", "high"))
    return Estimate(run.metrics[f"test_{metric}"], low, high)


def _predictions(contenders: Sequence[Contender], newest_first: Sequence[RecordedRun]) -> _Predicted:
    """Read what each run predicted. The newest run's table says which reviews they are; one that holds others, or does
    not give the errors that its run recorded, belongs to another measurement and is left out."""
    tables: dict[str, pd.DataFrame] = {}
    notes: dict[str, str] = {}
    truth: pd.DataFrame | None = None
    errors_of = {each.run.run_id: each.errors for each in contenders}
    for run in newest_first:
        try:
            table = read_predictions(run.run_id).sort_values("review_id").reset_index(drop=True)
            if not _gives(table, errors_of[run.run_id]):
                raise DataError("its table of predictions does not give the errors that it recorded")
            if truth is None:
                truth = table[["review_id", "stars_true"]]
            elif not truth.equals(table[["review_id", "stars_true"]]):
                raise DataError("its table of predictions is of other reviews than the newest run's")
        except DataError as error:
            notes[run.run_id] = str(error)
            continue
        tables[run.run_id] = table
    if truth is None:
        return _Predicted([], np.empty(0), {}, notes)
    stars_true = truth["stars_true"].to_numpy(dtype=np.float64)
    stars_pred = {run_id: table["stars_pred"].to_numpy(dtype=np.float64) for run_id, table in tables.items()}
    return _Predicted(list(truth["review_id"]), stars_true, stars_pred, notes)


def _gives(table: pd.DataFrame, recorded: Mapping[MetricName, Estimate]) -> bool:
    if table.empty:
        return False
    pair = table["stars_true"].to_numpy(dtype=np.float64), table["stars_pred"].to_numpy(dtype=np.float64)
    return all(abs(METRICS[metric](*pair) - estimate.value) < _ROUNDING for metric, estimate in recorded.items())


def _clusters(predicted: _Predicted, test_rows: str, layout: Layout) -> tuple[list[str | None], str]:
    """Who wrote each review; where the clean reviews of this folder are others, each review by itself and why."""
    by_themselves: list[str | None] = list(predicted.review_ids)
    try:
        clean = read_table(layout.clean, columns=["review_id", "user_id", "stars", "text_clean"])
    except DataError:
        return by_themselves, f"{layout.clean.relative_to(layout.root)} is not there"
    clean = clean[clean["review_id"].isin(predicted.review_ids)]
    if rows_hash(clean) != test_rows:
        return by_themselves, f"{layout.clean.relative_to(layout.root)} holds other reviews"
    writers = clean.set_index("review_id")["user_id"].reindex(predicted.review_ids)
    return [None if pd.isna(writer) else str(writer) for writer in writers], ""


def _compared(
    contenders: Sequence[Contender],
    reference: Contender,
    predicted: _Predicted,
    clusters: list[str | None],
    metric: MetricName,
    params: Params,
) -> list[Contender]:
    """The contenders with their distance to the reference."""
    try:
        bootstrap = ClusterBootstrap(clusters, draws=params.evaluate.bootstrap_draws, seed=params.seed)
    except DataError as error:
        return [each if each is reference else replace(each, note=each.note or str(error)) for each in contenders]
    best = predicted.stars_pred[reference.run.run_id]
    differences = {
        run_id: bootstrap.difference(METRICS[metric], predicted.stars_true, stars_pred, best)
        for run_id, stars_pred in predicted.stars_pred.items()
        if run_id != reference.run.run_id
    }
    corrected = dict(zip(differences, holm([each.p for each in differences.values()]), strict=True))
    return [
        replace(each, minus_reference=differences.get(each.run.run_id), p_corrected=corrected.get(each.run.run_id))
        for each in contenders
    ]
