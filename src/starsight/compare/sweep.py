"""Several models one after another through DVC, then the page that compares them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from starsight.errors import DataError, ParamsError
from starsight.layout import Layout
from starsight.params import Params

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
        for setting in settings:
            key, equals, _ = setting.partition("=")
            if not equals or not key:
                problems.append(f"setting {setting!r} is not of the form name=value")
            elif key == "model":
                problems.append(f"setting {setting!r}: the models are those that the sweep was given")
        if problems:
            raise ParamsError(
                f"nothing was run: {'; '.join(problems)}. Rows of models: {', '.join(sorted(params.models))}."
            )
        self.models = list(dict.fromkeys(models))
        self.settings = list(settings)
        chosen = [setting.partition("=")[2] for setting in settings if setting.startswith("dataset=")]
        self.dataset = chosen[-1] if chosen else params.dataset
        """Row of ``datasets`` that every experiment reads."""
        self.done: list[str] = []
        self.failed: list[str] = []
        self.stopped = False
        self._layout = layout

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

    def _command(self, model: str) -> list[str]:
        settings = [option for setting in self.settings for option in ("-S", setting)]
        return [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-S", f"model={model}", *settings]


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
            process.wait()
            raise


@contextmanager
def _stops_as_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
