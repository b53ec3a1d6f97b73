"""A sweep: mistakes are named before anything runs, one failure does not stop the rest, a stop is clean."""

import os
import signal
import sys
import threading

import pytest
from typer.testing import CliRunner

from starsight.cli import app
from starsight.compare import sweep as sweeps
from starsight.compare.sweep import Sweep
from starsight.errors import DataError, ParamsError


@pytest.fixture
def programs(monkeypatch, layout):
    """What stands in for each model's experiment, as a line of Python."""
    lines = {}
    monkeypatch.setattr(Sweep, "_command", lambda self, model: [sys.executable, "-c", lines[model]])
    monkeypatch.setattr(sweeps, "_untracked", lambda folder: [])
    return lines


def test_every_mistake_is_named_in_one_message_before_anything_runs(params, layout):
    with pytest.raises(ParamsError) as caught:
        Sweep(["minilm", "nosuch", "neither"], ["epochs", "model=bert"], params, layout)
    message = str(caught.value)
    assert all(word in message for word in ("'nosuch'", "'neither'", "'epochs'", "'model=bert'", "minilm"))
    assert "\n" not in message


def test_the_command_line_refuses_a_model_that_is_no_row(layout):
    done = CliRunner().invoke(app, ["sweep", "tiny", "nosuch"])
    assert done.exit_code == 1
    assert "nothing was run: no row 'nosuch' in models" in done.output


def test_each_model_runs_once_in_a_copy_with_the_settings_of_the_sweep(params, layout):
    sweep = Sweep(["minilm", "mpnet", "minilm"], ["finetune.epochs=1", "dataset=mine"], params, layout)
    assert sweep.models == ["minilm", "mpnet"]
    assert sweep.dataset == "mine"
    options = ["--temp", "-S", "model=mpnet", "-S", "finetune.epochs=1", "-S", "dataset=mine"]
    assert sweep._command("mpnet")[-len(options) :] == options


def test_a_model_that_fails_does_not_stop_the_rest_and_is_named_at_the_end(params, layout, programs):
    programs |= {"minilm": "", "mpnet": "raise SystemExit(1)", "bert": ""}
    sweep = Sweep(list(programs), [], params, layout)
    sweep.run()
    assert (sweep.done, sweep.failed, sweep.left, sweep.stopped) == (["minilm", "bert"], ["mpnet"], [], False)
    assert any(line.startswith("failed: mpnet (") for line in sweep.verdict())


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reaches_the_running_model_waits_for_it_and_starts_no_other(params, layout, programs, stop, tmp_path):
    running, ended = tmp_path / "running", tmp_path / "ended"
    programs |= {
        "minilm": "",
        "mpnet": (
            f"import pathlib, time\npathlib.Path({str(running)!r}).touch()\ntry:\n    time.sleep(60)\n"
            f"except KeyboardInterrupt:\n    time.sleep(0.5)\n    pathlib.Path({str(ended)!r}).touch()"
        ),
        "bert": "",
    }

    def stop_when_running():
        while not running.exists():
            pass
        os.kill(os.getpid(), stop)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop_when_running, daemon=True).start()
    sweep = Sweep(list(programs), [], params, layout)
    sweep.run()
    assert ended.exists()
    assert (sweep.done, sweep.left, sweep.stopped) == (["minilm"], ["mpnet", "bert"], True)
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_a_git_repository_a_sweep_says_so(params, layout, tmp_path, monkeypatch):
    (tmp_path / "data/raw").mkdir(parents=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(DataError, match="is in no git repository"):
        Sweep(["minilm"], [], params, layout).run()
