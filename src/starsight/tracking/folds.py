"""The folds of a cross-validation in its MLflow run, so that another model can be compared with them."""

import io

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from starsight.errors import RegistryError
from starsight.evaluate.fold_summary import CrossValidation, Earlier
from starsight.evaluate.folds import FOLD_COLUMNS
from starsight.layout import Layout
from starsight.tracking.runs import REPORTS, Run, report_text
from starsight.tracking.store import is_missing, registry_errors

TAG = "folds_rows"
"""Holds the name of the folds: equal names, equal reviews in every fold."""


def record_folds(run: Run, found: CrossValidation, layout: Layout) -> None:
    """Keep the folds' table and their name. Where there was no cross-validation, one that stands stays."""
    if found.rows is not None:
        run.log_artifact(layout.folds, REPORTS)
        run.tag(**{TAG: found.rows})


def recall_folds(run: Run, run_id: str | None, layout: Layout) -> Earlier | None:
    """The cross-validation of the run that ``evaluate.folds_against`` names; None where it names none.

    Raises:
        RegistryError: there is no such run or it has no folds, or it is ``run`` itself.
    """
    if run_id is None:
        return None
    if run_id == run.run_id:
        raise RegistryError(f"evaluate.folds_against names this very run, {run_id}; name the run of another model.")
    with registry_errors("looking for evaluate.folds_against"):
        found = _find(run_id)
        rows = found.data.tags.get(TAG)
        if rows is None:
            raise RegistryError(
                f"evaluate.folds_against: run {run_id} holds no cross-validation; make one with that model's settings "
                "and evaluate.folds."
            )
        table = _read_table(run_id, layout.folds.name)
    return Earlier(run_id, found.info.run_name, rows, table)


def _find(run_id: str) -> mlflow.entities.Run:
    try:
        return mlflow.get_run(run_id)
    except MlflowException as error:
        if is_missing(error) or error.error_code == "INVALID_PARAMETER_VALUE":  # it is not even like an id
            raise RegistryError(
                f"evaluate.folds_against: no run {run_id!r} is in the MLflow store; it wants the id of a run, as "
                "models/run.json and the MLflow UI show it."
            ) from None
        raise


def _read_table(run_id: str, name: str) -> pd.DataFrame:
    try:
        text = report_text(run_id, name)
        if text is None:
            raise FileNotFoundError(f"{REPORTS}/{name} is gone")
        table = pd.read_csv(io.StringIO(text))
    except (OSError, MlflowException, ValueError) as error:
        raise RegistryError(
            f"evaluate.folds_against: the folds of run {run_id} cannot be read ({' '.join(str(error).split())}); "
            "measure that model again with evaluate.folds."
        ) from None
    if missing := [column for column in FOLD_COLUMNS if column not in table]:
        raise RegistryError(f"evaluate.folds_against: {name} of run {run_id} has no column {', '.join(missing)}.")
    return table
