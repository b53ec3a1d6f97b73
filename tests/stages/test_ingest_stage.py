from pathlib import Path

import pytest

from stages.ingest import main
from starsight.layout import Layout
from starsight.params import CsvDataset, load_params
from starsight.tables import read_json, read_table

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(root=tmp_path, home=tmp_path)
    raw = tmp_path / "data/raw/reviews.csv"
    raw.parent.mkdir(parents=True)
    raw.write_text("text,stars\n" + "".join(f"Review number {i},{i % 5 + 1}\n" for i in range(100)) + ",5\n")
    return layout


def test_the_stage_writes_its_three_files_and_the_same_again(layout: Layout) -> None:
    settings = load_params(PARAMS)
    mine = settings.datasets["mine"]
    assert isinstance(mine, CsvDataset)
    params = settings.model_copy(update={"dataset": "mine"})
    before = set(layout.root.rglob("*"))
    contents = []
    for _ in range(2):
        main(params, layout)
        files = {path for path in set(layout.root.rglob("*")) - before if path.is_file()}
        assert files == {layout.reviews, layout.rejected, layout.ingest_report}
        contents.append({path: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert len(read_table(layout.reviews)) == 100
    assert read_json(layout.ingest_report) == {
        "files": 1,
        "records": 101,
        "kept": 100,
        "rejected": 1,
        "rejected_no_text": 1,
        "rejected_too_long": 0,
        "rejected_no_stars": 0,
        "rejected_stars_not_a_number": 0,
        "rejected_stars_out_of_range": 0,
        "rejected_damaged": 0,
        "times_unreadable": 0,
        "undecodable": 0,
        **{f"stars_{stars}": 20 for stars in range(1, 6)},
    }
