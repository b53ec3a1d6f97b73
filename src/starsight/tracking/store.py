"""Where runs and models are recorded: ``MLFLOW_TRACKING_URI``, else one database in the real repository."""

import logging
import os
import re
import signal
import sqlite3
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from starsight.errors import RegistryError
from starsight.layout import Layout
from starsight.progress import quiet

log = logging.getLogger(__name__)

EXPERIMENT = "starsight"

_PATIENCE_S = 5
"""Before it is said that a database keeps us waiting."""


def tracking_uri(layout: Layout) -> str:
    """Address of the store that ``connect`` uses.

    A relative database file begins in the real repository: an experiment that DVC runs in a copy must not record there.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{layout.mlflow_database}"
    scheme, separator, path = uri.partition(":///")
    return f"{scheme}{separator}{(layout.home / path).resolve()}" if scheme == "sqlite" else uri


def connect(layout: Layout) -> str:
    """Point MLflow at the store, made on first use, and return the id of our experiment.

    Several processes that open a fresh SQLite store at once break it for good; hence one at a time, under a lock.

    Raises:
        RegistryError: the store cannot be reached.
    """
    _quieten()
    uri = tracking_uri(layout)
    layout.mlruns.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    store = f"the MLflow store at {_without_password(uri)}"
    with FileLock(layout.mlflow_lock), registry_errors(store), _said_when_slow(store):
        _check_opens(uri)
        experiment = mlflow.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            local = uri.startswith("sqlite:")
            artifacts = layout.mlflow_artifacts.as_uri() if local else None
            return str(mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts))
        if experiment.lifecycle_stage != "active":
            raise RegistryError(
                f"the MLflow experiment {EXPERIMENT!r} was deleted; restore it: mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}"
            )
        return str(experiment.experiment_id)


def _check_opens(uri: str) -> None:
    """Open a database file before MLflow does: it tries for minutes.

    Raises:
        RegistryError: it cannot be opened, or is no database.
    """
    scheme, _, path = uri.partition(":///")
    if scheme != "sqlite":
        return
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:  # someone writes: MLflow waits for them
            return
        what = "is a folder" if Path(path).is_dir() else f"cannot be opened ({error})"
        raise RegistryError(f"the MLflow store {path} {what}; mend it, or move it away and a new one is made") from None


@contextmanager
def _said_when_slow(store: str) -> Iterator[None]:
    said = threading.Timer(_PATIENCE_S, log.warning, ["%s does not answer yet; still trying", store])
    said.daemon = True
    said.start()
    try:
        yield
    finally:
        said.cancel()


@contextmanager
def registry_errors(what: str) -> Iterator[None]:
    """Turn MLflow's and the database's own errors into one line that names ``what`` was asked of, and let a stop wait
    for the local database."""
    try:
        with _uninterrupted():
            yield
    except ModuleNotFoundError as error:
        raise not_installed(what, error) from None
    except (MlflowException, SQLAlchemyError, ConnectionError) as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # MLflow takes a Ctrl-C inside it for an error
            raise KeyboardInterrupt from error
        reason = _without_password((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise RegistryError(
            f"{what} did not answer: {reason}. Is MLFLOW_TRACKING_URI right, is the server up?"
        ) from error


def is_missing(error: MlflowException) -> bool:
    """Whether the store has no such run, version or model."""
    return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")


def not_installed(what: str, error: ModuleNotFoundError) -> RegistryError:
    """What to say where an address asks for a driver that is not there."""
    return RegistryError(f"{what} needs the module {error.name}, which is not installed; install it into this Python.")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the local database has been written to: an exception in the middle of it leaves
    the database locked, and the run could not be marked KILLED. A server is not waited for."""
    local = mlflow.get_tracking_uri().startswith("sqlite")
    if not local or threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    stops = (signal.SIGINT, signal.SIGTERM)
    before = {stop: signal.signal(stop, lambda number, _frame: arrived.append(number)) for stop in stops}
    try:
        yield
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
        if arrived:
            signal.raise_signal(arrived[0])


def _without_password(text: str) -> str:
    """The text with every ``user:password@`` taken out of the addresses in it: messages end up in logs."""
    return re.sub(r"://[^/@\s]+@", "://", text)


def _quieten() -> None:
    """MLflow and what it loads speak of their own set-up; a stage's terminal shows what the stage does."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    if quiet():
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="mlflow")
