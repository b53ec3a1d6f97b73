"""What every stage shares: one clear line for a user's mistake, the exit code, what is left behind."""

import json
import logging
import os
import signal
import sys

import pytest
import yaml
from miniature import tiny_params

from starsight.errors import DataError
from starsight.layout import Layout, real_repository
from starsight.stage import run


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch, tiny_checkpoint):
    """A folder with settings, as the working directory of a stage called ``probe``."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params(tiny_checkpoint, "reviews.csv")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(sys, "argv", ["stages/probe.py"])
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    logging.getLogger("starsight").handlers.clear()


def fail(error):
    def main(params, layout):
        raise error

    return main


def test_a_users_mistake_is_one_line_and_exit_code_1_with_the_traceback_in_the_log(capsys, tmp_path):
    with pytest.raises(SystemExit, match="1"):
        run(fail(DataError("reviews.csv has no column 'stars'.")))
    assert capsys.readouterr().err.strip() == "starsight probe: reviews.csv has no column 'stars'."
    assert "Traceback" in (tmp_path / "scratch/logs/probe.log").read_text()


def test_a_full_disk_is_one_line_that_names_the_file(capsys):
    with pytest.raises(SystemExit, match="1"):
        run(fail(OSError(28, "No space left on device", "data/interim/clean.parquet")))
    assert "probe: No space left on device at data/interim/clean.parquet" in capsys.readouterr().err


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_stage_with_its_own_exit_code(capsys, stop, code):
    with pytest.raises(SystemExit, match=str(code)):
        run(lambda params, layout: os.kill(os.getpid(), stop))
    assert "nothing half-written was left" in capsys.readouterr().err


def test_a_log_that_cannot_be_kept_is_one_line(capsys, tmp_path, monkeypatch):
    (tmp_path / "scratch").write_text("a file where a folder should be")
    with pytest.raises(SystemExit, match="1"):
        run(lambda params, layout: pytest.fail("main was run"))
    assert "probe: no log can be kept" in capsys.readouterr().err
    (tmp_path / "scratch").unlink()
    monkeypatch.setenv("STARSIGHT_LOG", "chatty")
    with pytest.raises(SystemExit, match="1"):
        run(lambda params, layout: pytest.fail("main was run"))
    assert "STARSIGHT_LOG a level (INFO)" in capsys.readouterr().err


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda params, layout: 1 / 0)


def test_a_broken_setting_stops_the_stage_before_its_main(capsys, tmp_path):
    (tmp_path / "params.yaml").write_text("seed: one")
    with pytest.raises(SystemExit, match="1"):
        run(lambda params, layout: pytest.fail("main was run"))
    assert "params.yaml has" in capsys.readouterr().err


def test_a_model_that_cannot_be_had_stops_any_stage_before_its_main(capsys, tmp_path, monkeypatch):
    params = tiny_params("somebody/never-downloaded", "reviews.csv")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(SystemExit, match="1"):
        run(lambda params, layout: pytest.fail("main was run"))
    assert "models.tiny.checkpoint: no answer for 'somebody/never-downloaded'" in capsys.readouterr().err


def test_another_folder_is_left_as_it_was(capsys, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(SystemExit, match="1"):
        run(lambda params, layout: pytest.fail("main was run"))
    assert "run from the repository's folder" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


def test_a_finished_stage_leaves_its_time_and_memory(tmp_path):
    run(lambda params, layout: None)
    cost = json.loads((tmp_path / "scratch/timings/probe.json").read_text())
    assert cost["stage"] == "probe"
    assert cost["seconds"] >= 0
    assert cost["peak_memory_mib"] > 10


def test_under_dvc_what_must_last_hangs_below_the_real_repository(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", "/real")
    assert str(real_repository()) == "/real"
    layout = Layout()
    assert layout.root == tmp_path
    assert str(layout.mlruns) == "/real/mlruns"
    assert str(layout.scratch) == "/real/scratch"
