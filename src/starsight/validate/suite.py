"""What clean reviews promise, as Great Expectations puts it.

Most promises are about the reviews themselves. Those about splits are about small tables made of them: a row for each
split, for each pair of cluster and split, and so on, so that a promise is always one ordinary expectation.
"""

import os
from dataclasses import dataclass

# read when great_expectations is imported: nobody's run is reported to anybody
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.expectation import Expectation

from starsight.params import ValidateParams
from starsight.records import CLEAN_SCHEMA, MAX_STARS, MIN_STARS, SPLITS
from starsight.split import GROUP_COLUMNS


@dataclass(frozen=True)
class Promise:
    """One promise about one table."""

    name: str
    """Its key in ``reports/validation.json``."""
    table: str
    """Key of ``tables``."""
    row_name: str
    """Column that names a row which breaks the promise."""
    says: str
    """The promise in words, for the message when it is broken."""
    expectation: Expectation


def promises(params: ValidateParams, split_by: str) -> list[Promise]:
    """Every promise of the clean reviews.

    Args:
        params: the limits.
        split_by: what the splits keep together, as in ``SplitParams.by``.
    """
    required = [field.name for field in CLEAN_SCHEMA if not field.nullable]
    limit = params.max_characters
    about_reviews = {
        "columns_present": (
            "every column of a clean review is there",
            gxe.ExpectTableColumnsToMatchSet(column_set=CLEAN_SCHEMA.names, exact_match=False),
        ),
        **{
            f"{column}_present": (f"every review has a {column}", gxe.ExpectColumnValuesToNotBeNull(column=column))
            for column in required
        },
        "review_id_unique": (
            "no two reviews have the same review_id",
            gxe.ExpectColumnValuesToBeUnique(column="review_id"),
        ),
        "stars_in_range": (
            f"stars are between {MIN_STARS:g} and {MAX_STARS:g}",
            gxe.ExpectColumnValuesToBeBetween(column="stars", min_value=MIN_STARS, max_value=MAX_STARS),
        ),
        "text_clean_length": (
            f"text_clean has 1 to {limit} characters (validate.max_characters)",
            gxe.ExpectColumnValueLengthsToBeBetween(column="text_clean", min_value=1, max_value=limit),
        ),
        "cluster_unique": (
            "no two reviews say the same (have the same cluster)",
            gxe.ExpectColumnValuesToBeUnique(column="cluster"),
        ),
        "split_known": (
            f"split is one of {', '.join(SPLITS)}",
            gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        ),
        "enough_reviews": (
            f"there are at least {params.min_reviews} reviews (validate.min_reviews)",
            gxe.ExpectTableRowCountToBeBetween(min_value=params.min_reviews),
        ),
    }
    about_splits = [
        Promise(
            "enough_reviews_a_split",
            "splits",
            "split",
            f"each split has at least {params.min_split_reviews} reviews (validate.min_split_reviews)",
            gxe.ExpectColumnValuesToBeBetween(column="reviews", min_value=params.min_split_reviews),
        ),
        _stays_in_one_split("cluster"),
    ]
    if (group := GROUP_COLUMNS.get(split_by)) in ("user_id", "product_id"):
        about_splits.append(_stays_in_one_split(group))
    return [
        *(Promise(name, "reviews", "review_id", says, check) for name, (says, check) in about_reviews.items()),
        *about_splits,
        Promise(
            "few_dropped",
            "cleaning",
            "dropped_share",
            f"cleaning drops at most {params.max_dropped_share:g} of the reviews (validate.max_dropped_share)",
            gxe.ExpectColumnValuesToBeBetween(column="dropped_share", max_value=params.max_dropped_share),
        ),
    ]


def _stays_in_one_split(column: str) -> Promise:
    return Promise(
        f"{column}_in_one_split",
        f"{column}_splits",
        column,
        f"no {column} is in two splits",
        gxe.ExpectColumnValuesToBeUnique(column=column),
    )


def tables(reviews: pd.DataFrame, dropped_share: float) -> dict[str, pd.DataFrame]:
    """The tables that promises are about, by name. A column that ``reviews`` lacks is empty in the small ones."""
    columns = reviews.reindex(columns=["split", "cluster", *GROUP_COLUMNS.values()])
    counts = columns["split"].value_counts()
    return {
        "reviews": reviews,
        "splits": pd.DataFrame({"split": list(SPLITS), "reviews": [int(counts.get(split, 0)) for split in SPLITS]}),
        **{
            f"{column}_splits": columns[[column, "split"]].dropna().drop_duplicates()
            for column in ("cluster", "user_id", "product_id")
        },
        "cleaning": pd.DataFrame({"dropped_share": [dropped_share]}),
    }
