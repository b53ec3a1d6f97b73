import os
import subprocess
import sys

import pytest
import yaml
from miniature import REPOSITORY

from stages.clean import main as clean
from stages.ingest import main as ingest
from stages.validate import main
from starsight.errors import DataError
from starsight.layout import Layout
from starsight.params import load_params
from starsight.records import CLEAN_SCHEMA
from starsight.tables import read_json, read_table, write_table


@pytest.fixture
def layout(workspace: Layout) -> Layout:
    params = load_params(workspace.params)
    ingest(params, workspace)
    clean(params, workspace)
    return workspace


def test_the_stage_writes_its_report_and_site_and_the_same_verdict_again(layout: Layout) -> None:
    before = set(layout.root.rglob("*"))
    verdicts = []
    for _ in range(2):
        main(load_params(layout.params), layout)
        files = {path for path in set(layout.root.rglob("*")) - before if path.is_file()}
        assert layout.validation_report in files
        assert layout.validation_site / "index.html" in files
        assert all(path == layout.validation_report or layout.validation_site in path.parents for path in files)
        verdicts.append(layout.validation_report.read_bytes())
    assert verdicts[0] == verdicts[1]
    verdict = read_json(layout.validation_report)
    assert verdict["passed"] is True
    assert verdict["rejected_share"] == verdict["dropped_share"] == 0


def test_a_broken_promise_stops_the_stage_after_its_report_is_written(layout: Layout) -> None:
    table = read_table(layout.clean)
    write_table(table.assign(stars=table["stars"] + 1), layout.clean, CLEAN_SCHEMA)
    with pytest.raises(DataError, match="break 1 promise; nothing is trained on them"):
        main(load_params(layout.params), layout)
    assert read_json(layout.validation_report).items() >= {"passed": False, "stars_in_range": False}.items()
    assert (layout.validation_site / "index.html").is_file()


def test_the_terminal_shows_the_warnings_and_then_the_broken_promises_alone(layout: Layout) -> None:
    table = read_table(layout.clean)
    write_table(table[table["split"] != "test"], layout.clean, CLEAN_SCHEMA)
    params = yaml.safe_load(layout.params.read_text())
    params["datasets"]["tiny"]["rating_mix"] = [0.0, 0.0, 0.0, 0.0, 1.0]
    params["validate"]["warn_mix_distance"] = 0.7
    layout.params.write_text(yaml.safe_dump(params))
    stage = subprocess.run(
        [sys.executable, "-m", "stages.validate"],
        cwd=layout.root,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}", "DVC_ROOT": str(layout.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert stage.returncode == 1
    assert stage.stdout == ""
    lines = stage.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["warning", "", "starsight validate", "  enough_reviews_a_split"]
    assert lines[0].startswith("warning: rating_mix_as_known: at most 70.0%")
    assert lines[2].startswith("starsight validate: the clean reviews break 1 promise; ")
