"""The words of the command line: what they print, and their exit codes."""

import json
import subprocess
import sys

import pytest
from contenders import BETTER, MEDIOCRE, WORSE, champion
from miniature import REPOSITORY
from typer.testing import CliRunner

from starsight.cli import app


def starsight(*arguments):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})


def test_a_promotion_prints_every_condition_and_ends_well(layout):
    done = starsight("promote", "--version", BETTER)
    assert done.exit_code == 0, done.output
    for word in ("closer", "as close", "cheaper", "enough reviewers", "no slice worse", "validated", "not needed"):
        assert word in done.output
    assert f"Promoted: version {BETTER} (tiny2) is champion, instead of version 1 (tiny1)." in done.output
    assert champion() == BETTER


def test_a_refusal_says_by_how_much_and_exits_with_1(layout):
    done = starsight("promote", "--version", WORSE)
    assert done.exit_code == 1
    assert "Refused: version 1 (tiny1) stays champion. closer: failed by 0." in " ".join(done.output.split())
    assert champion() == MEDIOCRE


def test_a_trial_says_that_nothing_was_changed(layout):
    done = starsight("promote", "--version", BETTER, "--dry-run")
    assert done.exit_code == 0
    assert "Nothing was changed." in done.output
    assert champion() == MEDIOCRE


@pytest.mark.parametrize("options", [["--force"], ["--force", "--reason", " "], ["--reason", "why not"]])
def test_force_and_reason_go_together_or_it_is_wrong_usage(layout, options):
    assert starsight("promote", "--version", WORSE, *options).exit_code == 2
    assert champion() == MEDIOCRE


def test_history_shows_who_when_and_why_and_as_json_every_figure(layout):
    starsight("promote", "--version", WORSE, "--force", "--reason", "a [bold]test[/]")
    starsight("rollback", "--reason", "it was one")
    shown = starsight("history").output
    assert all(word in shown for word in ("first", "forced", "rollback", "a [bold]test[/]", "it was one", "Ada"))
    first, forced, back = json.loads(starsight("history", "--json").output)
    assert (first["version"], forced["version"], back["version"]) == (MEDIOCRE, WORSE, MEDIOCRE)
    assert forced["figures"]["mae_difference"] > 0


def test_history_needs_no_registry_and_says_where_there_is_none_yet(layout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert starsight("history").exit_code == 0
    layout.promotions.unlink()
    assert "Nobody was champion yet" in starsight("history").output
    assert json.loads(starsight("history", "--json").stdout) == []


def test_history_loads_neither_torch_nor_mlflow():
    code = (
        "import sys, starsight.gate.history, starsight.gate.ledger\n"
        "print([name for name in ('torch', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY / "src"
    )
    assert done.stdout.strip() == "[]"


def test_rollback_without_one_before_is_one_line_and_exits_with_1(layout):
    done = starsight("rollback")
    assert done.exit_code == 1
    assert done.stderr.startswith("starsight: there is nothing to roll back to")
    assert len(done.stderr.splitlines()) == 1


def test_a_ledger_that_git_could_not_merge_is_one_line(layout):
    layout.promotions.write_text("<<<<<<< HEAD\n")
    for command in (["history"], ["rollback"], ["promote", "--version", BETTER]):
        done = starsight(*command)
        assert done.exit_code == 1
        assert "promotions.jsonl, line 1, is where git could not merge" in done.stderr
    assert champion() == MEDIOCRE


def test_history_without_a_record_names_the_champion_of_the_registry(layout):
    layout.promotions.unlink()
    done = starsight("history")
    assert done.exit_code == 0
    assert "version 1 (tiny1) is champion, and the record knows nothing" in done.output


@pytest.mark.parametrize("command", ["history", "rollback", "ui"])
def test_outside_the_repository_a_command_is_one_line_and_makes_nothing(command, tmp_path, monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    done = starsight(command)
    assert done.exit_code == 1
    assert done.stderr.startswith("starsight: no params.yaml in ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["rollback"], ["promote", "--force"]])
def test_a_reason_that_is_no_text_is_wrong_usage(layout, command):
    before = layout.promotions.read_text()
    assert starsight(*command, "--reason", "\udcff").exit_code == 2
    assert layout.promotions.read_text() == before
