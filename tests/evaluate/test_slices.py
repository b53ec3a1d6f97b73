import json
import re

import numpy as np
import pandas as pd
import pytest

from starsight.evaluate.language import languages
from starsight.evaluate.slices import (
    COLUMNS,
    Slice,
    measure_slices,
    slice_metrics,
    slices_by_group,
    slices_of,
    summarise_slices,
)
from starsight.intervals import ClusterBootstrap
from starsight.pages import _environment

N = 600
PARTS = np.arange(N) % 6


def make_test_reviews(**columns):
    generator = np.random.default_rng(0)
    reviews = {
        "user_id": [f"u{i // 2}" for i in range(N)],
        "stars": generator.integers(1, 6, N).astype(np.float32),
        "text_clean": ["It fits very well and I would wear it again."] * N,
        "time": pd.to_datetime(["2019-12-31"] * N, utc=True),
        "category": [None] * N,
        "spelling_corrected": [False] * N,
    }
    return pd.DataFrame(reviews | columns)


def six_slices():
    return [Slice("category", f"part {part}", part == PARTS) for part in range(6)]


def measured(errors, slices=None, draws=400, **columns):
    reviews = make_test_reviews(**columns)
    bootstrap = ClusterBootstrap(list(reviews["user_id"]), draws=draws, seed=0)
    return measure_slices(reviews, errors, slices or six_slices(), bootstrap, min_reviews=50)


def names_of(slices, group):
    return {each.name: int(each.rows.sum()) for each in slices if each.group == group}


# --- which slices there are -------------------------------------------------------------------------------------


def test_a_group_that_parts_nothing_is_left_out():
    assert {each.group for each in slices_of(make_test_reviews())} == {"stars"}
    assert slices_of(make_test_reviews(stars=[5.0] * N)) == []


def test_columns_that_are_missing_make_no_slices():
    reviews = make_test_reviews()[["stars", "text_clean"]]
    assert {each.group for each in slices_of(reviews)} == {"stars"}


def test_the_slices_of_a_group_hold_every_review_once_whatever_the_index():
    reviews = make_test_reviews(
        time=pd.to_datetime([None, "2019-12-31", "2020-01-01"] * (N // 3), utc=True),
        spelling_corrected=[True, False, False] * (N // 3),
        user_id=[None, "a", "a"] * (N // 3),
    )
    reviews.index = reviews.index[::-1] + 7
    slices = slices_of(reviews)
    for group in ("stars", "year", "spelling", "activity"):
        assert (np.sum([each.rows for each in slices if each.group == group], axis=0) == 1).all()
    assert names_of(slices, "year") == {"2019": 200, "2020": 200, "unknown": 200}
    assert names_of(slices, "spelling") == {"corrected": 200, "as written": 400}


def test_reviews_are_parted_by_their_words():
    words = [1, 20, 21, 50, 51, 100, 101, 999]
    reviews = make_test_reviews().iloc[: len(words)].assign(text_clean=[" ".join(["so"] * n) for n in words])
    assert names_of(slices_of(reviews), "length") == {
        "1–20 words": 2,
        "21–50 words": 2,
        "51–100 words": 2,
        "over 100 words": 2,
    }


def test_the_activity_of_a_reviewer_is_the_number_of_test_reviews():
    users = ["once", *["four"] * 4, *["five"] * 5]
    slices = slices_of(make_test_reviews().iloc[:10].assign(user_id=users))
    assert names_of(slices, "activity") == {"1 test review": 1, "2–4 test reviews": 4, "5 or more test reviews": 5}


def test_the_largest_categories_are_slices_and_the_others_are_one():
    categories = [f"c{min(i // 50, 10)}" for i in range(N)]  # c10 has 100, c0 to c9 have 50 each
    categories[-1] = None
    found = names_of(slices_of(make_test_reviews(category=categories)), "category")
    assert list(found) == ["c10", *(f"c{i}" for i in range(7)), "other", "unknown"]
    assert (found["c10"], found["other"], found["unknown"]) == (99, 150, 1)


def test_languages_are_told_apart_and_a_text_that_says_too_little_is_not_given_one():
    texts = [
        "The dress fits well and I would wear it again.",
        "THE DRESS FITS WELL AND I WOULD WEAR IT AGAIN.",
        "El vestido me queda muy bien y lo volvería a comprar.",
        "Das Kleid passt sehr gut, ich würde es wieder kaufen.",
        "5!!",
        "",
    ]
    assert languages(texts) == ["en", "en", "es", "de", "uncertain", "uncertain"]
    slices = slices_of(make_test_reviews().iloc[:600].assign(text_clean=texts * 100))
    assert names_of(slices, "language") == {"en": 200, "de": 100, "es": 100, "uncertain": 200}


# --- what is measured -------------------------------------------------------------------------------------------


def test_a_planted_bad_slice_is_called_worse_and_no_other_is():
    errors = np.random.default_rng(0).normal(size=N) + np.where(PARTS == 3, 1.0, 0.0)
    table = measured(errors)
    assert list(table.loc[table["worse"], "slice"]) == ["part 3"]
    assert list(table.columns) == list(COLUMNS)
    assert summarise_slices(table) == (
        "Of the 6 slices that are large enough 1 is worse than the rest of the group beyond chance: "
        "product category part 3."
    )


def test_errors_by_slice_match_the_sum_done_by_hand():
    errors = np.random.default_rng(0).normal(size=N)
    row = measured(errors).iloc[2]
    inside, outside = errors[PARTS == 2], errors[PARTS != 2]
    assert row["mae"] == pytest.approx(np.abs(inside).mean())
    assert row["bias"] == pytest.approx(inside.mean())
    assert row["minus_rest"] == pytest.approx(np.abs(inside).mean() - np.abs(outside).mean())
    # two reviews a reviewer, in two slices: within a slice the reviews are independent
    assert row["mae_high"] - row["mae_low"] == pytest.approx(2 * 1.96 * np.abs(inside).std() / 10, rel=0.15)
    assert (row["n_reviews"], row["n_reviewers"]) == (100, 100)


def test_of_equal_slices_one_is_called_worse_in_at_most_5_percent_of_test_splits():
    generator = np.random.default_rng(1)
    reviews = make_test_reviews()
    bootstrap = ClusterBootstrap(list(reviews["user_id"]), draws=200, seed=0)
    slices = [
        *(Slice("category", str(part), part == PARTS) for part in range(6)),
        *(Slice("year", str(part), part == np.arange(N) // 100) for part in range(6)),
    ]
    alarms = 0
    for _ in range(200):
        errors = np.repeat(generator.normal(size=N // 2), 2) + generator.normal(size=N)  # a reviewer's are alike
        table = measure_slices(reviews, errors, slices, bootstrap, min_reviews=50)
        alarms += table["worse"].any()
    assert alarms <= 0.05 * 200


def test_a_slice_of_few_reviews_or_few_reviewers_is_listed_and_not_judged():
    users = np.array([f"u{i}" for i in range(N)])
    users[:60] = "one person"
    rows = {
        "few reviews": np.arange(N) >= N - 49,
        "few reviewers": np.arange(N) < 60,
        "most": (np.arange(N) >= 60) & (np.arange(N) < N - 49),
    }
    errors = np.where(rows["most"], 0.1, 3.0) + np.linspace(0, 0.1, N)
    table = measured(errors, [Slice("category", name, part) for name, part in rows.items()], user_id=users)
    assert list(table["n_reviews"]) == [49, 60, 491]
    assert table.loc[:1, ["mae_low", "mae_high", "minus_rest", "p_holm"]].isna().all(axis=None)
    assert not table["worse"].any()
    assert table.loc[2, "minus_rest"] < 0
    assert slice_metrics(table).keys() == {"n_slices", "n_slices_worse", "slice_category_most_mae"}


def test_a_slice_whose_rest_is_small_is_measured_but_not_judged():
    rows = np.arange(N) >= 20
    table = measured(np.where(rows, 2.0, 0.1), [Slice("language", "en", rows), Slice("language", "de", ~rows)])
    assert table.loc[0, ["mae_low", "mae_high"]].notna().all()
    assert table["p_holm"].isna().all()
    assert summarise_slices(table) == "No slice has enough reviews to be judged by itself."


def test_errors_that_are_all_the_same_are_no_difference():
    table = measured(np.full(N, 0.1))
    assert not table["worse"].any()
    assert (table["p_holm"] == 1).all()


def test_flat_metrics_have_names_that_mlflow_takes_and_none_replaces_another():
    slices = [
        Slice("category", "T-shirt & top", PARTS < 2),
        Slice("category", "T shirt, top", (PARTS >= 2) & (PARTS < 4)),
        Slice("category", "платье", PARTS >= 4),
    ]
    metrics = slice_metrics(measured(np.random.default_rng(0).normal(size=N), slices))
    assert list(metrics)[2:] == [
        "slice_category_t_shirt_top_mae",
        "slice_category_t_shirt_top_2_mae",
        "slice_category_платье_mae",
    ]
    assert (metrics["n_slices"], metrics["n_slices_worse"]) == (3, 0)
    assert json.dumps(metrics, allow_nan=False)
    assert all(re.fullmatch(r"[/\w.\- :]+", name) for name in metrics)


def test_without_slices_there_is_an_empty_table():
    reviews = make_test_reviews()
    bootstrap = ClusterBootstrap(list(reviews["user_id"]), draws=10, seed=0)
    table = measure_slices(reviews, np.zeros(N), [], bootstrap, min_reviews=50)
    assert list(table.columns) == list(COLUMNS)
    assert slice_metrics(table) == {"n_slices": 0, "n_slices_worse": 0}
    assert slices_by_group(table) == {}


def test_the_page_shows_every_slice_escapes_its_name_and_marks_the_worse():
    errors = np.random.default_rng(0).normal(size=N) + np.where(PARTS == 3, 1.0, 0.0)
    slices = [*six_slices(), Slice("language", "<i>en", PARTS == 0), Slice("language", "de", PARTS > 0)]
    slices.append(Slice("year", "2019", np.arange(N) < 3))
    macros = _environment().get_template("slices.html").module
    page = macros.slices(slices_by_group(measured(errors, slices)), "All is well.", 50, 10)
    assert page.count('<th scope="row"') == len(slices)
    assert page.count(">worse<") == 1
    assert page.count("too few to judge") == 1
    assert "&lt;i&gt;en" in page
    assert "nan" not in page.lower()
    assert "None" not in page
