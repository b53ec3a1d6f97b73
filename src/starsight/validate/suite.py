"""What clean reviews promise, as Great Expectations puts it: a list for each table that promises are about.

A hard promise that is broken stops the pipeline: what would be learnt or measured would not mean what it says. A soft
one warns: the reviews may well be as they are, but such reviews are often misread ones.
"""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal

# read when great_expectations is imported: nobody's run is reported to anybody
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from starsight.params import ValidateParams
from starsight.records import MAX_STARS, MIN_STARS, SPLITS
from starsight.validate.evidence import LENGTHS, REQUIRED

between = gxe.ExpectColumnValuesToBeBetween
in_set = gxe.ExpectColumnValuesToBeInSet
not_null = gxe.ExpectColumnValuesToNotBeNull
unique = gxe.ExpectColumnValuesToBeUnique
# ``measures`` has one row, whose value is the column's maximum: unlike ``between``, this says what was found instead
measure_between = gxe.ExpectColumnMaxToBeBetween

_REDO = "The clean stage never writes this; write it again (dvc repro --force --single-item clean)"


@dataclass(frozen=True)
class Promise:
    """One promise about one table."""

    table: str
    """Key of ``facts.tables``."""
    kind: Literal["hard", "soft"]
    """Whether the pipeline stops or warns."""
    name: str
    """Its key in ``reports/validation.json``."""
    says: str
    """The promise in words."""
    expectation: Expectation
    do: str
    """What to do when it is broken."""


def promises(
    params: ValidateParams, *, group: str | None, by_time: bool, known_mix: bool, today: date
) -> list[Promise]:
    """Every promise of the clean reviews, table by table.

    Args:
        params: the limits.
        group: column whose values may not be in two splits, or None.
        by_time: whether the test reviews are the newest.
        known_mix: whether the source's shares of the five stars are known.
        today: in UTC.
    """
    return [
        *_of_columns(),
        *_of_reviews(params),
        *_of_times(params, today),
        *_of_copies(),
        *(_of_groups(params, group) if group else []),
        *_of_test_reviews(by_time),
        *_of_splits(params),
        *_of_measures(params, known_mix),
    ]


def _of_columns() -> list[Promise]:
    hard = partial(Promise, "columns", "hard")
    typed = gxe.ExpectColumnPairValuesToBeEqual(
        column_A="found", column_B="promised", ignore_row_if="either_value_is_missing"
    )
    return [
        hard("columns_present", "every column of a clean review is there", not_null(column="found"), _REDO),
        hard("columns_typed", "every column has its type", typed, _REDO),
    ]


def _of_reviews(params: ValidateParams) -> list[Promise]:
    hard, soft = partial(Promise, "reviews", "hard"), partial(Promise, "reviews", "soft")
    return [
        *(
            hard(f"{name}_present", f"every review has a {name}", not_null(column=LENGTHS.get(name, name)), _REDO)
            for name in REQUIRED
        ),
        hard("review_id_unique", "no two reviews have the same review_id", unique(column="review_id"), _REDO),
        hard(
            "stars_in_range",
            f"stars are between {MIN_STARS:g} and {MAX_STARS:g}",
            between(column="stars", min_value=MIN_STARS, max_value=MAX_STARS),
            _REDO,
        ),
        hard(
            "text_clean_length",
            f"text_clean has 1 to {params.max_characters:,} characters (validate.max_characters)",
            between(column="characters", min_value=1, max_value=params.max_characters),
            "Lower ingest.max_characters to below half the limit: summary and text are joined",
        ),
        soft(
            "few_long",
            f"at most {params.warn_long_share:.1%} of the reviews (validate.warn_long_share) have more than "
            f"{params.long_characters:,} characters (validate.long_characters)",
            between(column="characters", max_value=params.long_characters, mostly=1 - params.warn_long_share),
            "Look at some: models read the beginning alone, and such texts may be no reviews",
        ),
        hard("split_known", f"split is one of {', '.join(SPLITS)}", in_set(column="split", value_set=SPLITS), _REDO),
        hard(
            "enough_reviews",
            f"there are at least {params.min_reviews:,} reviews (validate.min_reviews)",
            gxe.ExpectTableRowCountToBeBetween(min_value=params.min_reviews),
            "Find more, or lower the limit and expect wide intervals",
        ),
    ]


def _of_times(params: ValidateParams, today: date) -> list[Promise]:
    soft = partial(Promise, "reviews", "soft")
    # tomorrow: the source's clock may be ahead of UTC
    first, tomorrow = datetime(params.warn_before_year, 1, 1, tzinfo=UTC), today + timedelta(days=1)
    end = datetime(tomorrow.year, tomorrow.month, tomorrow.day, 23, 59, 59, tzinfo=UTC)
    return [
        soft(
            "times_plausible",
            f"times are from {params.warn_before_year} (validate.warn_before_year) to tomorrow",
            between(column="time", min_value=first, max_value=end),
            "Correct the format of time in the dataset's row of params.yaml",
        )
    ]


def _of_copies() -> list[Promise]:
    hard = partial(Promise, "reviews", "hard")
    return [
        hard("cluster_unique", "no two reviews say the same (have one cluster)", unique(column="cluster"), _REDO),
        hard(
            "cluster_in_one_split", "no cluster is in two splits", between(column="cluster_splits", max_value=1), _REDO
        ),
        hard("text_in_one_split", "no text_clean is in two splits", between(column="text_splits", max_value=1), _REDO),
    ]


def _of_groups(params: ValidateParams, group: str) -> list[Promise]:
    return [
        Promise(
            "reviews",
            "hard",
            f"{group}_in_one_split",
            f"no {group} is in two splits",
            between(column=f"{group}_splits", max_value=1),
            _REDO,
        ),
        Promise(
            "reviews",
            "soft",
            f"{group}_known",
            f"at most {params.warn_unnamed_share:.1%} of the reviews have no {group} (validate.warn_unnamed_share)",
            not_null(column=group, mostly=1 - params.warn_unnamed_share),
            f"Name the column of {group} in the dataset's row, if there is one; such reviews are split one by one",
        ),
    ]


def _of_test_reviews(by_time: bool) -> list[Promise]:
    hard = partial(Promise, "test_reviews", "hard")
    undisputed = in_set(column="stars_disputed", value_set=[False])
    newer = gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A="time", column_B="newest_train", or_equal=True, ignore_row_if="neither"
    )
    return [
        hard("test_stars_undisputed", "no copy of a test review has other stars", undisputed, _REDO),
        *([hard("test_newest", "no training review is newer than a test review", newer, _REDO)] if by_time else []),
    ]


def _of_splits(params: ValidateParams) -> list[Promise]:
    return [
        Promise(
            "splits",
            "hard",
            "enough_reviews_a_split",
            f"each split has at least {params.min_split_reviews:,} reviews (validate.min_split_reviews)",
            between(column="reviews", min_value=params.min_split_reviews),
            "Raise the shares in clean.split, find more reviews, or lower the limit and expect wide intervals",
        ),
        Promise(
            "splits",
            "soft",
            "splits_alike",
            f"at most {params.warn_mix_distance:.1%} of a split's reviews would need other stars to be mixed as in "
            "train (validate.warn_mix_distance)",
            between(column="distance_from_train", max_value=params.warn_mix_distance),
            "Small splits differ by chance, those by time as ratings change; elsewhere look for the reason",
        ),
    ]


def _of_measures(params: ValidateParams, known_mix: bool) -> list[Promise]:
    hard, soft = partial(Promise, "measures", "hard"), partial(Promise, "measures", "soft")
    rating_mix = soft(
        "rating_mix_as_known",
        f"at most {params.warn_mix_distance:.1%} of the reviews (validate.warn_mix_distance) would need other stars to "
        "be mixed as the dataset's rating_mix says",
        measure_between(column="rating_mix_distance", max_value=params.warn_mix_distance),
        "Look whether the source is the one that was meant, and its scale; or correct rating_mix",
    )
    return [
        hard(
            "stars_vary",
            "train has at least 2 different stars",
            measure_between(column="training_stars", min_value=2),
            "There is nothing to learn from a constant; look at the rating column in the dataset's row",
        ),
        hard(
            "few_dropped",
            f"cleaning drops at most {params.max_dropped_share:.1%} of the reviews (validate.max_dropped_share)",
            measure_between(column="dropped_share", max_value=params.max_dropped_share),
            "reports/clean.json says why they went",
        ),
        soft(
            "few_rejected",
            f"at most {params.warn_rejected_share:.1%} of the records are rejected (validate.warn_rejected_share)",
            measure_between(column="rejected_share", max_value=params.warn_rejected_share),
            "reports/ingest.json says why they went",
        ),
        *([rating_mix] if known_mix else []),
    ]
