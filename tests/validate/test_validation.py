"""Real Great Expectations on a few made-up rows, each promise broken once."""

import json
import logging
import re
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starsight.errors import DataError
from starsight.layout import Layout
from starsight.params import ValidateParams
from starsight.records import CLEAN_SCHEMA, DROPPED_SCHEMA
from starsight.tables import write_json, write_table
from starsight.validate.evidence import REQUIRED, read_evidence
from starsight.validate.facts import mix, mix_distance
from starsight.validate.report import ValidationReport, validate
from starsight.validate.suite import promises

PARAMS = ValidateParams(
    min_reviews=20,
    min_split_reviews=5,
    max_dropped_share=0.5,
    max_characters=100,
    warn_rejected_share=0.01,
    warn_mix_distance=0.1,
    long_characters=50,
    warn_long_share=0.05,
    warn_unnamed_share=0.2,
    warn_before_year=1995,
)
SPLITS = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10
FOUR_AND_FIVE = [0.0, 0.0, 0.0, 0.5, 0.5]

Change = Callable[[pd.DataFrame], pd.DataFrame]


def clean_reviews() -> pd.DataFrame:
    """40 reviews that keep every promise, whatever the split keeps together: the test reviews are the newest."""
    names = [f"{i:02}" for i in range(40)]
    return pd.DataFrame(
        {
            "review_id": [f"r{name}" for name in names],
            "product_id": [f"p{name}" for name in names],
            "user_id": [f"u{name}" for name in names],
            "stars": [4.0, 5.0] * 20,
            "time": pd.date_range("2020-01-01", periods=40, tz="UTC"),
            "summary": None,
            "text": "It fits.",
            "helpful_votes": None,
            "total_votes": None,
            "verified": None,
            "category": None,
            "source": "made up",
            "text_clean": [f"It fits, said {name}." for name in names],
            "spelling_corrected": False,
            "cluster": [f"c{name}" for name in names],
            "split": SPLITS,
        }
    )


def copies(of: str, stars: float) -> pd.DataFrame:
    """A dropped copy of the review with the number ``of``."""
    return pd.DataFrame(
        {name: [value] for name, value in {"cluster": f"c{of}", "stars": stars, "reason": "exact"}.items()},
        columns=DROPPED_SCHEMA.names,
    )


def write_evidence(
    layout: Layout,
    reviews: pd.DataFrame,
    *,
    dropped: pd.DataFrame | None = None,
    n_dropped: int = 10,
    n_rejected: int = 1,
    schema: pa.Schema | None = None,
) -> None:
    """What the stages before leave behind. Unlike them this lets nulls pass."""
    schema = schema or pa.schema([field.with_nullable(True) for field in CLEAN_SCHEMA if field.name in reviews])
    write_table(reviews, layout.clean, schema)
    nothing = pd.DataFrame(columns=DROPPED_SCHEMA.names)
    nullable = pa.schema([field.with_nullable(True) for field in DROPPED_SCHEMA])
    write_table(nothing if dropped is None else dropped, layout.dropped, nullable)
    write_json({"reviews": 100, "kept": 100 - n_dropped, "dropped": n_dropped}, layout.clean_report)
    write_json({"records": 1000, "rejected": n_rejected}, layout.ingest_report)


def check(
    reviews: pd.DataFrame,
    folder: Path,
    *,
    params: ValidateParams = PARAMS,
    split_by: str = "reviewer",
    rating_mix: list[float] | None = FOUR_AND_FIVE,
    **evidence: Any,
) -> ValidationReport:
    layout = Layout(root=folder, home=folder)
    write_evidence(layout, reviews, **evidence)
    return validate(
        read_evidence(layout), params, split_by=split_by, rating_mix=rating_mix, site=layout.validation_site
    )


def put(column: str, value: object, *rows: int) -> Change:
    """A change of ``column`` in some rows, row 3 if none is named."""

    def change(reviews: pd.DataFrame) -> pd.DataFrame:
        values = list(reviews[column])
        for row in rows or (3,):
            values[row] = value
        return reviews.assign(**{column: pd.Series(values, dtype=object)})

    return change


def with_type(column: str, kind: pa.DataType) -> pa.Schema:
    place = CLEAN_SCHEMA.get_field_index(column)
    return CLEAN_SCHEMA.set(place, pa.field(column, kind))


def same(reviews: pd.DataFrame) -> pd.DataFrame:
    return reviews


ROW = "found 1 of 40 otherwise; review_id: r03. "
HARD: dict[str, tuple[Change, dict[str, Any], str]] = {
    "columns_present": (lambda reviews: reviews.drop(columns="category"), {}, "of 16 otherwise; column: category. "),
    "columns_typed": (
        same,
        {"schema": with_type("helpful_votes", pa.int64())},
        "found 1 of 16 otherwise; column: helpful_votes. ",
    ),
    "stars_present": (put("stars", None), {}, ROW),
    "text_present": (put("text", None), {}, ROW),
    "source_present": (put("source", None), {}, ROW),
    "text_clean_present": (put("text_clean", None, 3, 33), {}, "found 2 of 40 otherwise; review_id: r03, r33. "),
    "spelling_corrected_present": (put("spelling_corrected", None), {}, ROW),
    "cluster_present": (put("cluster", None), {}, ROW),
    "review_id_present": (put("review_id", None), {}, "found 1 of 40 otherwise; review_id: row 3. "),
    "review_id_unique": (put("review_id", "r03", 7), {}, "found 2 of 40 otherwise; review_id: r03. "),
    "stars_in_range": (put("stars", 7.0), {}, "stars are between 1 and 5; " + ROW),
    "text_clean_length": (put("text_clean", "x" * 101), {}, "1 to 100 characters .*; " + ROW),
    "split_known": (put("split", "trial", 19), {}, "one of train, validation, test; .*: r19. "),
    "enough_reviews": (same, {"params": {"min_reviews": 41}}, "at least 41 .*; found 40. "),
    "cluster_unique": (put("cluster", "c07"), {}, "review_id: r03, r07. "),
    "text_in_one_split": (put("text_clean", "It fits, said 33."), {}, "review_id: r03, r33. "),
    "user_id_in_one_split": (put("user_id", "u33"), {}, "no user_id .*; review_id: r03, r33. "),
    "product_id_in_one_split": (put("product_id", "p33"), {"split_by": "product"}, "review_id: r03, r33. "),
    "test_stars_undisputed": (same, {"dropped": copies("33", 1.0)}, "found 1 of 10 otherwise; review_id: r33. "),
    "test_newest": (
        put("time", pd.Timestamp("2020-02-05", tz="UTC")),
        {"split_by": "time"},
        "found 5 of 10 otherwise; review_id: r30, r31, r32, r33, r34. ",
    ),
    "enough_reviews_a_split": (
        lambda reviews: reviews[:36],
        {"params": {"min_split_reviews": 7}},
        "at least 7 .*; found 1 of 3 otherwise; split: test. ",
    ),
    "stars_vary": (
        lambda reviews: reviews.assign(stars=reviews["stars"].where(reviews["split"] != "train", 4.0)),
        {"params": {"warn_mix_distance": 1.0}},
        "at least 2 different stars; found 1. ",
    ),
    "few_dropped": (same, {"n_dropped": 70}, "at most 50.0% .*; found 0.7. "),
}
SOFT: dict[str, tuple[Change, dict[str, Any], str]] = {
    "few_long": (put("text_clean", "x" * 51, 3), {"params": {"warn_long_share": 0.01}}, "more than 50 .*; " + ROW),
    "times_plausible": (
        put("time", pd.Timestamp.now("UTC") + pd.Timedelta(days=3), 39),
        {},
        "from 1995 .*; found 1 of 40 otherwise; review_id: r39. ",
    ),
    "user_id_known": (put("user_id", None, *range(9)), {}, "at most 20.0% .*; found 9 of 40 .*: r00, .*, r08. "),
    "product_id_known": (
        lambda reviews: reviews.assign(product_id=None),
        {"split_by": "product"},
        "found 40 of 40 .*, r19 and more. ",
    ),
    "splits_alike": (put("stars", 4.0, 31, 33, 35), {}, "found 1 of 3 otherwise; split: test. "),
    "rating_mix_as_known": (same, {"rating_mix": [0.0, 0.0, 0.2, 0.3, 0.5]}, "rating_mix says; found 0.2. "),
    "few_rejected": (same, {"n_rejected": 11}, "at most 1.0% .*; found 0.011. "),
}


def break_one(promise: tuple[Change, dict[str, Any], str], folder: Path) -> ValidationReport:
    change, settings, _ = promise
    params = PARAMS.model_copy(update=settings.get("params", {}))
    return check(change(clean_reviews()), folder, **{**settings, "params": params})


@pytest.fixture
def no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time goes into the Data Docs, and most verdicts have nothing to do with them."""
    monkeypatch.setattr("starsight.validate.report.AbstractDataContext.build_data_docs", lambda context: None)


def own_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("starsight")]


@pytest.mark.parametrize("split_by", ["reviewer", "product", "time", "review"])
@pytest.mark.usefixtures("no_site")
def test_good_reviews_keep_every_promise(tmp_path: Path, split_by: str, caplog: pytest.LogCaptureFixture) -> None:
    report = check(clean_reviews(), tmp_path, split_by=split_by)
    report.enforce()
    assert (report.broken, report.warnings, own_lines(caplog)) == ([], [], [])
    assert report.flat()["passed"] is True


@pytest.mark.parametrize("name", HARD)
@pytest.mark.usefixtures("no_site")
def test_a_broken_hard_promise_stops_and_names_what_breaks_it(tmp_path: Path, name: str) -> None:
    report = break_one(HARD[name], tmp_path)
    assert [broken.promise.name for broken in [*report.broken, *report.warnings]] == [name]
    assert report.flat()[name] is report.flat()["passed"] is False
    with pytest.raises(DataError, match=f"break 1 promise; .*\n  {name}: .*{HARD[name][2]}"):
        report.enforce()


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.usefixtures("no_site")
def test_a_broken_soft_promise_warns_in_one_line_and_goes_on(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    report = break_one(SOFT[name], tmp_path)
    assert [broken.promise.name for broken in [*report.broken, *report.warnings]] == [name]
    assert report.flat().items() >= {name: False, "passed": True, "broken": 0, "warnings": 1}.items()
    with caplog.at_level(logging.WARNING, "starsight"):
        report.enforce()
    (line,) = own_lines(caplog)
    assert re.match(f"warning: {name}: .*{SOFT[name][2]}", line)
    assert "\n" not in line


def test_every_promise_is_broken_by_a_test() -> None:
    made = {
        promise.name
        for group, by_time in (("user_id", False), ("product_id", False), (None, True))
        for promise in promises(PARAMS, group=group, by_time=by_time, known_mix=True, today=date(2026, 1, 1))
    }
    # what no table can break alone: a cluster in two splits has two reviews, a null split is no split of anything
    assert made - {*HARD, *SOFT} == {"cluster_in_one_split", "split_present"}


@pytest.mark.usefixtures("no_site")
def test_a_cluster_in_two_splits_is_no_unique_cluster_either(tmp_path: Path) -> None:
    report = check(put("cluster", "c33")(clean_reviews()), tmp_path)
    assert {broken.promise.name: broken.found for broken in report.broken} == dict.fromkeys(
        ["cluster_unique", "cluster_in_one_split"], "found 2 of 40 otherwise; review_id: r03, r33"
    )


@pytest.mark.usefixtures("no_site")
def test_a_review_without_a_split_is_named(tmp_path: Path) -> None:
    (broken,) = check(put("split", None, 19)(clean_reviews()), tmp_path).broken
    assert (broken.promise.name, broken.found) == ("split_present", "found 1 of 40 otherwise; review_id: r19")


@pytest.mark.usefixtures("no_site")
def test_every_broken_promise_is_in_one_message_with_the_page(tmp_path: Path) -> None:
    report = check(clean_reviews()[:12].assign(stars=9.0), tmp_path, n_dropped=70)
    with pytest.raises(DataError) as stopped:
        report.enforce()
    first, *lines = str(stopped.value).splitlines()
    assert first == f"the clean reviews break 5 promises; nothing is trained on them. Open {report.page}"
    assert [line.split(":")[0].strip() for line in lines] == [
        "stars_in_range",
        "enough_reviews",
        "enough_reviews_a_split",
        "stars_vary",
        "few_dropped",
    ]
    assert "split: validation, test. " in lines[2]


@pytest.mark.usefixtures("no_site")
def test_of_twentyfive_rows_the_first_twenty_are_named(tmp_path: Path) -> None:
    (broken,) = check(put("stars", 6.0, *range(5, 30))(clean_reviews()), tmp_path, rating_mix=None).broken
    assert broken.found == (
        f"found 25 of 40 otherwise; review_id: {', '.join(f'r{row:02}' for row in range(5, 25))} and more"
    )


@pytest.mark.usefixtures("no_site")
def test_all_that_a_column_of_another_type_breaks_is_said_without_a_crash(tmp_path: Path) -> None:
    reviews = clean_reviews().assign(stars="five", time="today", text_clean=7)
    schema = CLEAN_SCHEMA
    for name, kind in {"stars": pa.string(), "time": pa.string(), "text_clean": pa.int64()}.items():
        schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
    broken = {each.promise.name: each.found for each in check(reviews, tmp_path, schema=schema).broken}
    assert broken["columns_typed"] == "found 3 of 16 otherwise; column: stars, time, text_clean"
    assert {"stars_present", "text_clean_present", "stars_vary"} < set(broken)


@pytest.mark.usefixtures("no_site")
@pytest.mark.parametrize("column", [*REQUIRED, "time", "user_id"])
def test_a_missing_column_is_named_and_the_rest_still_checked(tmp_path: Path, column: str) -> None:
    reviews = put("stars", 9.0)(clean_reviews()).drop(columns=column)
    report = check(reviews, tmp_path, dropped=copies("33", 5.0))
    broken = {each.promise.name: each.found for each in report.broken}
    assert broken["columns_present"] == f"found 1 of 16 otherwise; column: {column}"
    assert "stars_in_range" in broken or column == "stars"
    assert column not in REQUIRED or f"{column}_present" in broken
    assert not any("cannot be checked" in found for found in broken.values())
    json.dumps(report.flat(), allow_nan=False)


@pytest.mark.usefixtures("no_site")
def test_what_must_stay_together_depends_on_the_split(tmp_path: Path) -> None:
    one_of_each = clean_reviews().assign(user_id="u1", product_id="p1", time=pd.Timestamp("2020-01-01", tz="UTC"))
    broken = {
        split_by: [broken.promise.name for broken in check(one_of_each, tmp_path, split_by=split_by).broken]
        for split_by in ("reviewer", "product", "time", "review")
    }
    assert broken == {
        "reviewer": ["user_id_in_one_split"],
        "product": ["product_id_in_one_split"],
        "time": [],
        "review": [],
    }


@pytest.mark.usefixtures("no_site")
def test_a_test_review_without_a_time_is_not_known_to_be_newest(tmp_path: Path) -> None:
    reviews = clean_reviews()
    reviews.loc[[3, 33], "time"] = pd.NaT
    (broken,) = check(reviews, tmp_path, split_by="time").broken
    assert broken.found == "found 1 of 10 otherwise; review_id: r33"


@pytest.mark.usefixtures("no_site")
def test_copies_may_agree_with_a_test_review_and_disagree_with_a_training_review(tmp_path: Path) -> None:
    dropped = pd.concat([copies("33", 5.0), copies("03", 1.0)])
    assert check(clean_reviews(), tmp_path, dropped=dropped).broken == []


@pytest.mark.usefixtures("no_site")
def test_an_unknown_rating_mix_promises_nothing(tmp_path: Path) -> None:
    known, unknown = (check(clean_reviews(), tmp_path, rating_mix=each).flat() for each in (FOUR_AND_FIVE, None))
    assert set(known) - set(unknown) == {"rating_mix_as_known", "rating_mix_distance"}


def test_the_verdict_is_flat_and_the_same_again(tmp_path: Path) -> None:
    first, second = (check(clean_reviews(), tmp_path).flat() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert list(first)[:4] == ["passed", "promises", "broken", "warnings"]
    names = list(first)[4 : 4 + int(first["promises"])]
    assert all(first[name] is True for name in names)
    assert {name: value for name, value in first.items() if name not in names} == {
        "passed": True,
        "promises": len(names),
        "broken": 0,
        "warnings": 0,
        "rejected_share": 0.001,
        "dropped_share": 0.1,
        "rating_mix_distance": 0.0,
        "training_stars": 2,
        "longest_characters": 17,
        "long_share": 0.0,
        "without_reviewer_share": 0.0,
    }


def test_an_empty_table_is_reported_not_a_crash(tmp_path: Path) -> None:
    report = check(clean_reviews()[:0], tmp_path)
    assert {"enough_reviews", "enough_reviews_a_split"} <= {broken.promise.name for broken in report.broken}
    json.dumps(report.flat(), allow_nan=False)


@pytest.mark.parametrize("missing", ["clean", "dropped", "clean_report", "ingest_report"])
def test_what_a_stage_before_has_not_written_is_named(tmp_path: Path, missing: str) -> None:
    layout = Layout(root=tmp_path, home=tmp_path)
    write_evidence(layout, clean_reviews())
    getattr(layout, missing).unlink()
    with pytest.raises(DataError, match=r"is missing; run the stage that writes it \(dvc repro\)"):
        read_evidence(layout)


def test_a_table_that_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path, home=tmp_path)
    write_evidence(layout, clean_reviews())
    layout.clean.write_text("no table")
    with pytest.raises(DataError, match=r"clean\.parquet is not a readable Parquet file .*; delete it and run dvc"):
        read_evidence(layout)


def test_the_site_says_which_promises_are_hard_and_is_replaced_by_the_next(tmp_path: Path) -> None:
    for reviews in (put("stars", 9.0)(clean_reviews()), clean_reviews()):
        report = check(reviews, tmp_path)
        (page,) = tmp_path.glob("reports/validation/validations/reviews/**/*.html")
        assert report.page.is_file()
        text = page.read_text()
        assert "stars_in_range (hard): stars are between 1 and 5" in text
        assert "few_long (soft): at most 5.0%" in text
        suites = sorted(path.stem for path in tmp_path.glob("reports/validation/expectations/*.html"))
        assert suites == ["columns", "measures", "reviews", "splits", "test_reviews"]
    severities = {promise.kind: promise.expectation.severity.value for promise in report.promises}
    assert severities == {"hard": "critical", "soft": "warning"}


def test_two_checks_at_once_do_not_meet(tmp_path: Path) -> None:
    reports: dict[str, ValidationReport] = {}
    reviews = {"good": clean_reviews(), "bad": put("stars", 9.0)(clean_reviews())}
    threads = [
        threading.Thread(target=lambda name=name: reports.update({name: check(reviews[name], tmp_path / name)}))
        for name in reviews
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(reports[name].broken) for name in ("good", "bad")] == [0, 1]


def test_half_stars_are_rounded_up_in_the_mix() -> None:
    assert mix(pd.Series([1.0, 1.4, 1.5, 4.5])).tolist() == [0.5, 0.25, 0.0, 0.0, 0.25]


shares = st.lists(st.integers(0, 100), min_size=5, max_size=5).filter(any).map(lambda n: [each / sum(n) for each in n])


@given(one=shares, other=shares)
def test_the_distance_of_two_mixes_is_a_share_and_the_same_both_ways(one: list[float], other: list[float]) -> None:
    assert mix_distance(one, one) == 0
    assert 0 <= mix_distance(one, other) == mix_distance(other, one) <= 1 + 1e-9
