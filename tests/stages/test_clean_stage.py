import pandas as pd
import pytest

from stages.clean import main
from starsight.clean.text import clean_text
from starsight.errors import DataError
from starsight.layout import Layout
from starsight.params import load_params
from starsight.records import CLEAN_SCHEMA, CORRECTIONS_SCHEMA, DROPPED_SCHEMA, REVIEW_SCHEMA
from starsight.tables import read_json, read_table, write_table

ORDINARY = [
    (f"u{i % 40}", 4.0, "Lovely dress", f"The dress is comfortable and <b>number {i}</b> was the right size.&nbsp;")
    for i in range(120)
]
SPECIAL = [
    ("u1", 5.0, None, "<br />"),
    ("u2", 5.0, "LOVELY DRESS", "the dress is comfortable, and number 7 was the right size"),
    ("u3", 2.0, "", "Very confortable 😀!!! See www.shop.example"),
    ("u4", 1.0, "Lovely dress", "The dress is comfortable and number 8 was the right size!"),
]


@pytest.fixture
def layout(workspace: Layout) -> Layout:
    rows = pd.DataFrame([*ORDINARY, *SPECIAL], columns=["user_id", "stars", "summary", "text"])
    numbers = pd.Series(range(len(rows)))
    reviews = rows.assign(
        review_id="r" + numbers.astype(str).str.zfill(3),
        time=pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(numbers, unit="D"),
        source="made up",
    )
    write_table(reviews.reindex(columns=REVIEW_SCHEMA.names), workspace.reviews, REVIEW_SCHEMA)
    return workspace


def test_the_stage_writes_its_five_files_and_the_same_again(layout: Layout) -> None:
    before = set(layout.root.rglob("*"))
    contents = []
    for _ in range(2):
        main(load_params(layout.params), layout)
        files = {path for path in set(layout.root.rglob("*")) - before if path.is_file()}
        assert files == {layout.clean, layout.dropped, layout.corrections, layout.clean_report, layout.cleaning_page}
        contents.append({path: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    for path, schema in (
        (layout.clean, CLEAN_SCHEMA),
        (layout.dropped, DROPPED_SCHEMA),
        (layout.corrections, CORRECTIONS_SCHEMA),
    ):
        assert read_table(path).columns.tolist() == schema.names


def test_every_review_is_kept_or_dropped_for_a_reason(layout: Layout) -> None:
    main(load_params(layout.params), layout)
    kept, dropped, report = read_table(layout.clean), read_table(layout.dropped), read_json(layout.clean_report)
    assert sorted([*kept["review_id"], *dropped["review_id"]]) == read_table(layout.reviews)["review_id"].tolist()
    assert dropped[["review_id", "reason"]].to_numpy().tolist() == [
        ["r120", "empty"],
        ["r121", "exact"],
        ["r123", "exact"],
    ]
    assert dropped["kept_review_id"].fillna("").tolist() == ["", "r007", "r008"]
    assert (
        report.items()
        >= {
            "reviews": 124,
            "kept": 121,
            "dropped": 3,
            "dropped_empty": 1,
            "dropped_same_id": 0,
            "dropped_exact": 2,
            "disputed_clusters": 2,
            "changed_by_encoding": 0,
            "changed_by_entities": 120,
            "changed_by_markup": 121,
            "changed_by_addresses": 1,
            "spelling_words": 1,
            "spelling_tokens": 1,
            "spelling_corrected": 1,
        }.items()
    )
    assert report["kept"] == sum(report[f"split_{split}"] for split in ("train", "validation", "test"))
    assert all(isinstance(value, int | float | str) for value in report.values())


def test_the_service_cleans_a_review_as_the_stage_did(layout: Layout) -> None:
    main(load_params(layout.params), layout)
    table = read_table(layout.corrections)
    assert table[["word", "correction", "n"]].to_numpy().tolist() == [["confortable", "comfortable", 1]]
    corrections = dict(zip(table["word"], table["correction"], strict=True))
    kept = read_table(layout.clean)
    for review in kept.itertuples():
        summary = review.summary if isinstance(review.summary, str) else None
        assert clean_text(str(review.text), corrections, summary=summary) == review.text_clean
    (corrected,) = kept[kept["spelling_corrected"]]["text_clean"]
    assert corrected == "Very comfortable 😀!!! See [link]"


def test_no_reviews_make_empty_tables(layout: Layout) -> None:
    write_table(read_table(layout.reviews).iloc[:0], layout.reviews, REVIEW_SCHEMA)
    main(load_params(layout.params), layout)
    assert len(read_table(layout.clean)) == 0
    assert read_json(layout.clean_report)["reviews"] == 0


@pytest.mark.parametrize("damage", ["another schema", "no table", "missing"])
def test_an_ingested_table_that_cannot_be_used_is_told_in_one_line(layout: Layout, damage: str) -> None:
    if damage == "another schema":
        read_table(layout.reviews).drop(columns="verified").to_parquet(layout.reviews)
    elif damage == "no table":
        layout.reviews.write_bytes(b"PAR1")
    else:
        layout.reviews.unlink()
    with pytest.raises(DataError, match="dvc repro"):
        main(load_params(layout.params), layout)


def test_what_a_killed_cleaning_has_left_goes(layout: Layout) -> None:
    leftover = layout.clean_scratch / "999999999"
    leftover.mkdir(parents=True)
    main(load_params(layout.params), layout)
    assert list(layout.clean_scratch.iterdir()) == []
