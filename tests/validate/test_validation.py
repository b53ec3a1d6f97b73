"""Real Great Expectations on a few made-up rows."""

import re
import threading
from pathlib import Path

import pandas as pd
import pytest

from starsight.errors import DataError
from starsight.params import ValidateParams
from starsight.validate.report import ValidationReport, validate

PARAMS = ValidateParams(min_reviews=20, min_split_reviews=5, max_dropped_share=0.5, max_characters=100)
SPLITS = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10


def clean_reviews() -> pd.DataFrame:
    names = [f"{i:02}" for i in range(40)]
    return pd.DataFrame(
        {
            "review_id": [f"r{name}" for name in names],
            "product_id": "p1",
            "user_id": [f"u{name}" for name in names],
            "stars": 4.0,
            "time": pd.NaT,
            "summary": None,
            "text": "It fits.",
            "helpful_votes": None,
            "total_votes": None,
            "source": "made up",
            "text_clean": "It fits.",
            "spelling_corrected": False,
            "cluster": [f"c{name}" for name in names],
            "split": SPLITS,
        }
    )


def check(
    reviews: pd.DataFrame,
    folder: Path,
    *,
    params: ValidateParams = PARAMS,
    dropped_share: float = 0.1,
    split_by: str = "reviewer",
) -> ValidationReport:
    return validate(reviews, dropped_share=dropped_share, params=params, split_by=split_by, site=folder / "site")


def test_good_reviews_keep_every_promise(tmp_path: Path) -> None:
    report = check(clean_reviews(), tmp_path)
    verdict = report.as_json()
    assert report.broken == []
    assert verdict["passed"] is True
    assert verdict["promises"] == len(report.promises) == len(verdict) - 3
    report.raise_if_broken()


BREAKS = {
    "review_id_unique": ("review_id", 3, "r07", "found 2 of 40 otherwise; review_id: r03, r07"),
    "stars_in_range": ("stars", 3, 7.0, "found 1 of 40 otherwise; review_id: r03"),
    "stars_present": ("stars", 3, None, "found 1 of 40 otherwise; review_id: r03"),
    "text_clean_length": ("text_clean", 3, "x" * 101, "1 to 100 characters .*; review_id: r03"),
    "text_clean_present": ("text_clean", 3, None, "review_id: r03"),
    "cluster_unique": ("cluster", 3, "c07", "review_id: r03, r07"),
    "split_known": ("split", 3, "trial", "one of train, validation, test; .* review_id: r03"),
    "cluster_in_one_split": ("cluster", 3, "c39", "cluster: c39"),
    "user_id_in_one_split": ("user_id", 3, "u39", "no user_id is in two splits; .* user_id: u39"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_promise_names_the_rows(tmp_path: Path, name: str) -> None:
    column, row, value, message = BREAKS[name]
    reviews = clean_reviews()
    if name == "review_id_unique":  # two rows of one name
        row, value, message = 7, "r03", "found 2 of 40 otherwise; review_id: r03"
    reviews[column] = reviews[column].astype(object)
    reviews.loc[row, column] = value
    report = check(reviews, tmp_path)
    assert report.as_json()[name] is False
    with pytest.raises(DataError, match=f"\n  {name}: .*{message}"):
        report.raise_if_broken()


def test_every_broken_promise_is_in_one_message_with_the_page(tmp_path: Path) -> None:
    reviews = clean_reviews().iloc[:12].assign(stars=9.0)
    report = check(reviews, tmp_path, dropped_share=0.7)
    assert {broken.promise.name for broken in report.broken} == {
        "stars_in_range",
        "enough_reviews",
        "enough_reviews_a_split",
        "few_dropped",
    }
    with pytest.raises(DataError) as stopped:
        report.raise_if_broken()
    first, *lines = str(stopped.value).splitlines()
    assert first == (
        f"the clean reviews break 4 promises; nothing is trained on them. Open {tmp_path / 'site/index.html'}"
    )
    assert [line.split(":")[0].strip() for line in lines] == [broken.promise.name for broken in report.broken]
    assert "found 12" in lines[1]
    assert lines[2].endswith("split: validation, test")


def test_at_most_twenty_rows_are_named(tmp_path: Path) -> None:
    (broken,) = check(clean_reviews().assign(stars=0.0), tmp_path).broken
    assert broken.found.endswith("r19, ...")
    assert len(re.findall(r"r\d\d", broken.found)) == 20


def test_a_missing_column_is_named_and_the_rest_still_checked(tmp_path: Path) -> None:
    report = check(clean_reviews().drop(columns=["cluster"]).assign(stars=9.0), tmp_path)
    found = {broken.promise.name: broken.found for broken in report.broken}
    assert found["columns_present"] == "missing: cluster"
    assert "cluster" in found["cluster_present"]
    assert "stars_in_range" in found


def test_what_must_stay_together_depends_on_the_split(tmp_path: Path) -> None:
    one_reviewer = clean_reviews().assign(user_id="u1")
    assert check(one_reviewer, tmp_path, split_by="review").broken == []
    assert [broken.promise.name for broken in check(one_reviewer, tmp_path, split_by="product").broken] == [
        "product_id_in_one_split"
    ]


def test_reviews_without_a_reviewer_break_nothing(tmp_path: Path) -> None:
    assert check(clean_reviews().assign(user_id=None), tmp_path).broken == []


def test_an_empty_table_is_reported_not_a_crash(tmp_path: Path) -> None:
    report = check(clean_reviews().iloc[:0], tmp_path)
    assert {"enough_reviews", "enough_reviews_a_split"} <= {broken.promise.name for broken in report.broken}


def test_the_site_is_written_whatever_the_verdict_and_replaced_by_the_next(tmp_path: Path) -> None:
    for reviews in (clean_reviews().assign(stars=9.0), clean_reviews()):
        report = check(reviews, tmp_path)
        assert report.page.is_file()
        assert len(list(tmp_path.glob("site/expectations/*.html"))) == 5
        assert len(list(tmp_path.glob("site/validations/reviews/**/*.html"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_two_checks_at_once_do_not_meet(tmp_path: Path) -> None:
    reports: dict[str, ValidationReport] = {}
    reviews = {"good": clean_reviews(), "bad": clean_reviews().assign(stars=9.0)}
    threads = [
        threading.Thread(target=lambda name=name: reports.update({name: check(reviews[name], tmp_path / name)}))
        for name in reviews
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(reports[name].broken) for name in ("good", "bad")] == [0, 1]
