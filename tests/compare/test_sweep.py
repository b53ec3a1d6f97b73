"""A sweep: mistakes are named before anything runs, one failure does not stop the rest, a stop is clean."""

import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from starsight.cli import app
from starsight.compare import sweep as sweeps
from starsight.compare.sweep import Sweep
from starsight.errors import DataError, ParamsError
from starsight.tracking.evidence import RecordedRun


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


@pytest.mark.parametrize(
    "setting",
    [
        *("++model=bert", "params.yaml:model=bert", "model =bert", "dataset='mine'", "dataset= mine", "dataset=nosuch"),
        *("nokey=3", "finetune.nokey=3", "seed.x=1", "~seed=1"),
    ],
)
def test_a_setting_that_dvc_would_read_otherwise_or_not_at_all_is_refused_before_anything_runs(params, layout, setting):
    with pytest.raises(ParamsError, match="nothing was run: setting") as caught:
        Sweep(["minilm"], [setting], params, layout)
    assert repr(setting) in str(caught.value)


def test_a_sweep_that_is_stopped_before_any_run_ends_with_130(layout, monkeypatch, programs):
    def stopped(*_):
        raise KeyboardInterrupt

    programs["tiny"] = ""
    monkeypatch.setattr(sweeps, "_run_to_the_end", stopped)
    done = CliRunner().invoke(app, ["sweep", "tiny"])
    assert done.exit_code == 130
    assert "not run, for the sweep was stopped: tiny" in done.output


@pytest.mark.parametrize("stops", [2, 3])
def test_a_second_stop_waits_on_and_a_third_one_kills(params, layout, programs, stops, tmp_path):
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    programs["minilm"] = (
        "import pathlib, signal, time\nsignal.signal(signal.SIGINT, lambda *_: None)\n"
        f"pathlib.Path({str(ready)!r}).touch()\ntime.sleep(4)\npathlib.Path({str(ended)!r}).touch()"
    )

    def stop():
        while not ready.exists():
            pass
        for _ in range(stops):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    threading.Thread(target=stop, daemon=True).start()
    sweep = Sweep(["minilm"], [], params, layout)
    sweep.run()
    assert sweep.stopped
    assert ended.exists() == (stops == 2)


def test_the_page_is_about_the_reviews_of_the_experiments_and_not_of_the_newest_run(params, layout, monkeypatch):
    now = datetime.now(UTC)
    runs = [RecordedRun(run_id, "n", "m", now, "tiny", f"rows of {run_id}") for run_id in ("newer", "restored")]
    monkeypatch.setattr(sweeps, "finished_runs", lambda _: runs)
    monkeypatch.setattr(Sweep, "_run_id", lambda *_: "restored")
    sweep = Sweep(["minilm"], [], params, layout)
    assert sweep.test_rows() is None
    sweep.done.append("minilm")
    assert sweep.test_rows() == "rows of restored"


def test_once_an_experiment_is_found_dvc_is_not_asked_for_the_rest(params, layout, monkeypatch):
    run = RecordedRun("known", "n", "m", datetime.now(UTC), "tiny", "the rows")
    monkeypatch.setattr(sweeps, "finished_runs", lambda _: [run])
    asked = []
    found = {"minilm": None, "mpnet": "known", "bert": "known"}
    monkeypatch.setattr(Sweep, "_run_id", lambda _, model: (asked.append(model), found[model])[1])
    sweep = Sweep(list(found), [], params, layout)
    sweep.done += found
    assert sweep.test_rows() == "the rows"
    assert asked == ["minilm", "mpnet"]
