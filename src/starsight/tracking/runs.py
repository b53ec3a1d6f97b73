"""One MLflow run an experiment: opened by ``finetune``, written to by every later stage, always brought to an end."""

import os
import subprocess
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from pydantic import BaseModel

from starsight import __version__
from starsight.errors import RegistryError
from starsight.fetch.download import file_sha256
from starsight.layout import Layout
from starsight.params import Params
from starsight.tables import read_json, write_json
from starsight.tracking.store import connect, is_missing, registry_errors

_TABLES = "tables"
"""Folder of a run's tables."""

_BATCH = 100
"""Values a request: MLflow's own limit for params."""

REPORTS: Final = "reports"
"""Folder of a run's artifacts with what its stages found."""


@dataclass(frozen=True)
class Run:
    """A run of the store that MLflow points at."""

    run_id: str

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Record values in one write."""
        now = int(time.time() * 1000)
        values = [Metric(key, float(value), now, step) for key, value in metrics.items()]
        with registry_errors("recording metrics"):
            for start in range(0, len(values), _BATCH):
                mlflow.MlflowClient().log_batch(self.run_id, metrics=values[start : start + _BATCH])

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings. MLflow never changes one that stands: a new value of it becomes tag ``changed.<key>``."""
        client = mlflow.MlflowClient()
        with registry_errors("recording params"):
            known = client.get_run(self.run_id).data.params
            new = [Param(key, str(value)) for key, value in params.items() if key not in known]
            for start in range(0, len(new), _BATCH):
                client.log_batch(self.run_id, params=new[start : start + _BATCH])
            for key, value in params.items():
                if known.get(key, str(value)) != str(value):
                    client.set_tag(self.run_id, f"changed.{key}", str(value))

    def tag(self, **tags: str) -> None:
        """Set tags, replacing older values."""
        with registry_errors("recording tags"):
            for key, value in tags.items():
                mlflow.MlflowClient().set_tag(self.run_id, key, value)

    def finish_stage(self, layout: Layout, metrics: Mapping[str, float], *reports: Path) -> None:
        """Record what a stage found: its metrics, its reports, and the code and data that it ran on."""
        self.log(metrics)
        for report in reports:
            self.log_artifact(report, REPORTS)
        for origin in (layout.params, layout.pipeline, layout.pipeline_lock):
            if origin.exists():
                self.log_artifact(origin, "origin")
        self.tag(**describe_origin(layout))

    def log_adaptation(self, layout: Layout) -> None:
        """Record what ``adapt`` measured, as ``adapt_<name>``, if it was switched on: it ends before the run begins."""
        report = read_json(layout.adaptation_report)
        if report.pop("enabled"):
            self.log({f"adapt_{key}": value for key, value in report.items() if isinstance(value, int | float)})
            self.log_artifact(layout.adaptation_report, REPORTS)

    def log_artifact(self, path: Path, folder: str) -> None:
        """Keep a file or a folder under ``folder`` of the run."""
        with registry_errors("keeping an artifact"):
            mlflow.MlflowClient().log_artifact(self.run_id, str(path), folder)

    def log_tables(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Keep tables, by their names, where MLflow shows them as such and ``mlflow.load_table`` finds them."""
        with registry_errors("keeping a table"):
            client = mlflow.MlflowClient()
            kept = {artifact.path for artifact in client.list_artifacts(self.run_id, _TABLES)}
            for name, table in tables.items():
                path = f"{_TABLES}/{name}.json"
                if path in kept:  # log_table would append to it
                    client.log_text(self.run_id, table.to_json(orient="split", index=False), path)
                else:
                    client.log_table(self.run_id, table, path)


@contextmanager
def open_run(layout: Layout, name: str, run_id_file: Path) -> Iterator[Run]:
    """The run of a training. A training that is gone on with, or done again, reports to its own: one training, one run.

    Args:
        layout: Where the store is.
        name: Shown in the UI.
        run_id_file: Holds the run's id, from its beginning on.
    """
    experiment_id = connect(layout)
    run_id = run_id_file.read_text().strip() if run_id_file.exists() else None
    with registry_errors("opening a run"):
        if run_id is None or not _exists(run_id):
            run_id = mlflow.MlflowClient().create_run(experiment_id, run_name=name).info.run_id
            run_id_file.parent.mkdir(parents=True, exist_ok=True)
            run_id_file.write_text(run_id)
    with _under_way(run_id, system_metrics=True) as run:
        yield run


@contextmanager
def continue_run(layout: Layout) -> Iterator[Run]:
    """The run that ``finetune`` named in ``models/run.json``.

    Raises:
        RegistryError: the store no longer has it.
    """
    connect(layout)
    run_id = read_json(layout.run)["run_id"]
    with registry_errors("looking for the run"):
        if not _exists(run_id):
            raise RegistryError(
                f"the run {run_id} of {layout.run} is not in the MLflow store; "
                "dvc repro --force --single-item finetune makes a new one."
            )
    with _under_way(run_id, system_metrics=False) as run:
        yield run


@contextmanager
def _under_way(run_id: str, *, system_metrics: bool) -> Iterator[Run]:
    """Mark a run RUNNING, and at the end FINISHED, FAILED (with the traceback) or KILLED."""
    run = Run(run_id)
    started = time.perf_counter()
    with registry_errors("opening a run"):
        mlflow.start_run(run_id=run_id, log_system_metrics=system_metrics)
    try:
        yield run
        if stage := os.environ.get("DVC_STAGE"):  # of a training that went on after a kill, the last part alone
            run.log({f"{stage}_seconds": round(time.perf_counter() - started, 2)})
    except Exception as error:
        _end("FAILED", run, "".join(traceback.format_exception(error)))
        raise
    except BaseException:  # Ctrl-C, SIGTERM
        _end("KILLED", run)
        raise
    _end("FINISHED", run)


def _end(status: str, run: Run, trace: str | None = None) -> None:
    if trace is not None:
        mlflow.MlflowClient().log_text(run.run_id, trace, "error.txt")
    mlflow.end_run(status)


def _exists(run_id: str) -> bool:
    try:
        return str(mlflow.get_run(run_id).info.lifecycle_stage) == "active"
    except MlflowException as error:
        if is_missing(error):
            return False
        raise


def report_text(run_id: str, name: str) -> str | None:
    """A report of any run, such as ``validation.json``; None where the run has none of that name.

    Raises:
        MlflowException: the run is gone, or the store cannot be reached.
        OSError: the report cannot be had.
        UnicodeDecodeError: it is no text.
    """
    path = f"{REPORTS}/{name}"
    client = mlflow.MlflowClient()
    if path not in {artifact.path for artifact in client.list_artifacts(run_id, REPORTS)}:
        return None
    with TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, path, folder)).read_text(encoding="utf-8")


def write_run_file(run: Run, layout: Layout) -> None:
    """Name the run in ``models/run.json``: DVC restores that file together with the model that the run made."""
    write_json({"run_id": run.run_id}, layout.run)


def run_name(params: Params) -> str:
    """DVC's name of the experiment, else model and dataset."""
    return os.environ.get("DVC_EXP_NAME") or f"{params.model}-{params.dataset}"


def describe_origin(layout: Layout) -> dict[str, str]:
    """What leads from a run back to its code and data.

    ``dvc.lock`` is the one that the stage found, with the hashes of all that came before it; DVC adds the stage itself
    when it has ended. The file stands among the run's artifacts, under ``origin``, with this very hash.
    """
    lock = layout.pipeline_lock
    return {
        "git_commit": _git(layout.root, "rev-parse", "HEAD") or "none",
        "git_dirty": str(bool(_git(layout.root, "status", "--porcelain", "--untracked-files=no"))).lower(),
        "dvc_lock_sha256": file_sha256(lock) if lock.exists() else "none",
        "dvc_exp_name": os.environ.get("DVC_EXP_NAME", "none"),
        "starsight_version": __version__,
    }


def flatten_params(params: Params) -> dict[str, Any]:
    """Every setting that shaped the run, by its path; of the two tables only the chosen rows."""
    content = params.model_dump(by_alias=True, exclude={"datasets", "models"})
    rows = {f"datasets.{params.dataset}": params.dataset_row, f"models.{params.model}": params.model_row}
    return dict(_flatten(content | {key: row.model_dump() for key, row in rows.items()}))


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict | BaseModel):
            yield from _flatten(dict(value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def git_user() -> str | None:
    """Git's name of whoever runs this; None where it knows none."""
    return _git(Path.cwd(), "config", "user.name") or None


def git_keeps(path: Path) -> bool:
    """Whether ``git checkout`` would bring a file back that says something."""
    return bool(_git(path.parent, "show", f":./{path.name}"))


def _git(folder: Path, *arguments: str) -> str:
    """Git's answer; empty where there is no git or no repository."""
    try:
        answer = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.decode(errors="replace").strip()
