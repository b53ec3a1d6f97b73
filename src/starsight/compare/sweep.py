"""Several models one after another through DVC, then the page that compares them."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from starsight.errors import DataError, ParamsError
from starsight.layout import Layout
from starsight.params import Params
from starsight.tables import read_json
from starsight.tracking.evidence import finished_runs

RAW = "data/raw"
"""Watched by ``ingest``; its files are not in git, and a copy of the repository has none unless they are copied too."""


class Sweep:
    """A sweep over models: what is to be run, and how it went.

    Every model is an experiment in a copy of the repository (``dvc exp run --temp``): the folder stays as it was, with
    its settings, model and reports, and whoever likes an experiment brings it in with ``dvc exp apply``.

    Args:
        models: Rows of ``models``; one that is named twice runs once.
        settings: More settings of every experiment, as ``dvc exp run -S`` takes them.
        params: Names the rows there are.
        layout: The repository.

    Raises:
        ParamsError: all that is wrong with the models and the settings, before anything runs.
    """

    def __init__(self, models: Sequence[str], settings: Sequence[str], params: Params, layout: Layout) -> None:
        problems = [f"no row {model!r} in models" for model in models if model not in params.models]
        content = yaml.safe_load(layout.params.read_text(encoding="utf-8"))
        self.dataset = params.dataset
        """Row of ``datasets`` that every experiment reads."""
        for setting in settings:
            problem = _problem(setting, content)
            if problem:
                problems.append(f"setting {setting!r} {problem}")
            elif setting.startswith("dataset="):
                self.dataset = setting.partition("=")[2]
        if problems:
            raise ParamsError(
                f"nothing was run: {'; '.join(problems)}. Rows of models: {', '.join(sorted(params.models))}."
            )
        self.models = list(dict.fromkeys(models))
        self.settings = list(settings)
        self.done: list[str] = []
        self.failed: list[str] = []
        self.stopped = False
        self._layout = layout
        self._started = time.strftime("%Y%m%d-%H%M%S")

    @property
    def left(self) -> list[str]:
        """Models that a stop came before, or in the middle of."""
        return [model for model in self.models if model not in self.done and model not in self.failed]

    def run(self) -> None:
        """Run every model; one that fails does not stop the rest, Ctrl-C or SIGTERM does.

        Raises:
            DataError: this is no git repository.
        """
        copied = _untracked(self._layout.home / RAW)
        for number, model in enumerate(self.models, start=1):
            Console(highlight=False).print(f"\n[bold]{model}[/bold] ({number} of {len(self.models)})")
            try:
                code = _run_to_the_end([*self._command(model), *copied], self._layout.home)
            except KeyboardInterrupt:
                self.stopped = True
                return
            (self.failed if code else self.done).append(model)

    def verdict(self) -> list[str]:
        """What is to be said at the end, a line each; empty lists are not mentioned."""
        lines = [f"ran: {', '.join(self.done)}"] if self.done else []
        if self.failed:
            lines.append(f"failed: {', '.join(self.failed)} (why stands above, and in scratch/logs/)")
        if self.left:
            lines.append(f"not run, for the sweep was stopped: {', '.join(self.left)}")
        return [*lines, "this folder is as it was; dvc exp show lists the experiments, dvc exp apply brings one in"]

    def test_rows(self) -> str | None:
        """On which test reviews the experiments were measured, by their hash; None where nobody knows.

        DVC restores an experiment that it knows from its cache, and no run is new then: the experiment's own
        ``models/run.json`` names the run that made its model.
        """
        rows = {run.run_id: run.test_rows for run in finished_runs(self._layout) if run.test_rows}
        ids = (self._run_id(model) for model in self.done)  # one at a time, for each takes DVC seconds
        return next((rows[run_id] for run_id in ids if run_id in rows), None)

    def _run_id(self, model: str) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "run.json"
            asked = [".", "models/run.json", "--rev", self._name(model), "--out", str(file)]
            command = [sys.executable, "-m", "dvc", "get", "--quiet", *asked]
            subprocess.run(command, cwd=self._layout.home, capture_output=True, check=False)  # noqa: S603
            return read_json(file).get("run_id") if file.exists() else None

    def _name(self, model: str) -> str:
        """Of its experiment, and of its run."""
        return f"{re.sub(r'[^A-Za-z0-9_-]', '-', model)}-{self._started}"

    def _command(self, model: str) -> list[str]:
        settings = [option for setting in self.settings for option in ("-S", setting)]
        named = ["--name", self._name(model)]
        return [sys.executable, "-m", "dvc", "exp", "run", *named, "--temp", "-S", f"model={model}", *settings]


def _problem(setting: str, content: Any) -> str | None:
    """What is wrong with a setting ``name=value``, read as DVC would; None where nothing is.

    DVC knows more forms (``++name``, ``file:name``, quotes), with which a setting could get past these questions.

    Args:
        setting: From the command line.
        content: Of ``params.yaml``.
    """
    key, equals, value = setting.partition("=")
    if not equals or not re.fullmatch(r"[\w.-]+", key):
        return "is not of the form name=value"
    if re.search(r"^\s|\s$|['\"\n]", value):
        return "has quotes or spaces around its value; leave them out"
    if key == "model":
        return "is not for a sweep: the models are those that it was given"
    if key == "dataset" and value not in content["datasets"]:
        return f"names no row of datasets; there are: {', '.join(sorted(map(str, content['datasets'])))}"
    for part in key.split("."):
        if not isinstance(content, dict) or part not in content:
            return "names nothing that is in params.yaml"
        content = content[part]
    return None


def _untracked(folder: Path) -> list[str]:
    """Options that copy what is in ``folder`` and neither in git nor in DVC's care."""
    command = ["git", "-C", str(folder), "ls-files", "--others", "--directory", "--no-empty-directory", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataError(f"{folder} is in no git repository, which dvc exp run needs ({error}).") from None
    names = [name.rstrip("/") for name in listed.split("\0") if name]
    left = [name for name in names if not (folder / f"{name}.dvc").exists()]
    return [option for name in left for option in ("--copy-paths", f"{RAW}/{name}")]


def _run_to_the_end(command: list[str], folder: Path) -> int:
    """Run a command in a process group of its own, so that a stop reaches all of it once, and wait until it has ended.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the command has been stopped, and has marked its run as killed.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with (
        _stops_as_interrupts(),
        subprocess.Popen(  # noqa: S603
            command, cwd=folder, env=os.environ | {"PATH": path}, stdin=subprocess.DEVNULL, process_group=0
        ) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            _wait_on(process)
            raise


def _wait_on(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a process that was asked to stop has ended; of two more stops the second kills it and its group."""
    try:
        process.wait()
    except KeyboardInterrupt:
        Console(stderr=True, highlight=False).print("Waiting until it has put its run away; once more kills it.")
        try:
            process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _stops_as_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
