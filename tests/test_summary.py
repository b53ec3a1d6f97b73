"""What make repro ends with."""

import pytest
from typer.testing import CliRunner

from starsight.cli import app
from starsight.layout import Layout
from starsight.tables import write_json

METHODS = ("test", "ridge_all", "ridge", "constant", "untrained")


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return Layout()


def metrics(methods):
    values = {"n_test_reviews": 4000, "n_test_reviewers": 3204, "n_train_reviews": 10000}
    for i, method in enumerate(methods):
        for measure in ("mae", "rmse"):
            name = f"{method}_{measure}"
            values |= {name: 0.3 + i / 10, f"{name}_low": 0.2 + i / 10, f"{name}_high": 0.4 + i / 10}
    return values


def test_the_summary_shows_every_method_with_its_interval_and_what_each_stage_took(layout):
    write_json(metrics(METHODS), layout.metrics)
    write_json({"stage": "clean", "seconds": 14.2, "peak_memory_mib": 1138}, layout.timing("clean"))
    done = CliRunner().invoke(app, ["summary"], env={"COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    assert "4,000 test reviews" in done.output
    assert "0.300  (0.200 to 0.400)" in done.output
    assert "TF-IDF and ridge" in done.output
    assert "1,138" in done.output
    assert "reports/evaluation.html" in done.output


def test_methods_that_were_not_measured_are_left_out(layout):
    write_json(metrics(("test", "ridge", "constant", "untrained")), layout.metrics)
    done = CliRunner().invoke(app, ["summary"], env={"COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    assert "every training review" not in done.output


def test_before_the_first_run_the_summary_says_what_to_run(layout):
    done = CliRunner().invoke(app, ["summary"])
    assert done.exit_code == 1
    assert "metrics.json is missing; run the stage that writes it (dvc repro)" in " ".join(done.output.split())


def test_an_unknown_command_is_wrong_usage():
    assert CliRunner().invoke(app, ["nosuch"]).exit_code == 2
