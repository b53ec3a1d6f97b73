"""Numbers and tables made of the evidence, so that a promise is always one ordinary expectation."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from starsight.params import RatingMix, ValidateParams
from starsight.records import SPLITS, WHOLE_STARS, Split, whole_stars
from starsight.validate.evidence import Evidence

Mix = NDArray[np.float64]
"""Shares of ``WHOLE_STARS``; NaN where there is no review."""

_TRAIN: Final[Split] = "train"
_TEST: Final[Split] = "test"


def measures(evidence: Evidence, params: ValidateParams, rating_mix: RatingMix | None) -> dict[str, float]:
    """Numbers that people compare between runs; those of an unknown ``rating_mix`` are left out.

    Shares are of the clean reviews unless the name says otherwise; distances are those of ``mix_distance``.
    """
    reviews = evidence.reviews
    n_reviews = max(len(reviews), 1)
    of_mix = {} if rating_mix is None else {"rating_mix_distance": mix_distance(mix(reviews["stars"]), rating_mix)}
    return {
        "rejected_share": evidence.rejected_share,
        "dropped_share": evidence.dropped_share,
        **of_mix,
        "training_stars": reviews.loc[reviews["split"] == _TRAIN, "stars"].nunique(),
        "longest_characters": int(reviews["characters"].max()) if reviews["characters"].notna().any() else 0,
        "long_share": int((reviews["characters"] > params.long_characters).sum()) / n_reviews,
        "without_reviewer_share": int(reviews["user_id"].isna().sum()) / n_reviews,
    }


def mix(stars: "pd.Series[float]") -> Mix:
    """Shares of ``whole_stars``, ``(5,)``; what is out of range counts as the nearest."""
    rounded = whole_stars(stars.dropna().to_numpy()).clip(WHOLE_STARS[0], WHOLE_STARS[-1])
    counts = np.array([np.count_nonzero(rounded == star) for star in WHOLE_STARS])
    return counts / len(rounded) if len(rounded) else np.full(len(WHOLE_STARS), np.nan)


def mix_distance(one: Mix | RatingMix, other: Mix | RatingMix) -> float:
    """Share of the reviews that would need other stars to turn one mix into the other (total variation), 0 to 1."""
    return float(np.abs(np.subtract(one, other)).sum() / 2)


def tables(evidence: Evidence, measured: dict[str, float], group: str | None) -> dict[str, pd.DataFrame]:
    """The tables that promises are about, by name. The index counts rows from 0, and the first column
    names them; ``measures`` has one row, which needs no name.

    Args:
        evidence: what is known.
        measured: from ``measures``.
        group: column whose values may not be in two splits, or None.
    """
    reviews = evidence.reviews.copy(deep=False)
    with_text = reviews[reviews["characters"].notna()]
    reviews["text_splits"] = with_text.groupby("text_key")["split"].transform("nunique")
    for key in filter(None, ["cluster", group]):
        reviews[f"{key}_splits"] = reviews.groupby(key)["split"].transform("nunique")
    return {
        "columns": evidence.columns,
        "reviews": reviews,
        "test_reviews": _test_reviews(evidence),
        "splits": _splits(reviews),
        "measures": pd.DataFrame([measured]),
    }


def _test_reviews(evidence: Evidence) -> pd.DataFrame:
    """The test reviews: when they were written, the newest training review, and whether dropped copies disagree."""
    reviews = evidence.reviews
    columns = ["review_id", "time", "cluster", "stars"]
    test = reviews.loc[reviews["split"] == _TEST, columns].assign(
        newest_train=reviews.loc[reviews["split"] == _TRAIN, "time"].max()
    )
    copies = test.merge(evidence.dropped, on="cluster", suffixes=("", "_of_copy"))
    disputed = copies.loc[copies["stars"] != copies["stars_of_copy"], "cluster"]
    return test.assign(stars_disputed=test["cluster"].isin(disputed)).reset_index(drop=True)


def _splits(reviews: pd.DataFrame) -> pd.DataFrame:
    stars = {split: reviews.loc[reviews["split"] == split, "stars"] for split in SPLITS}
    training_mix = mix(stars[_TRAIN])
    return pd.DataFrame(
        {
            "split": list(SPLITS),
            "reviews": [len(each) for each in stars.values()],
            "distance_from_train": [mix_distance(mix(each), training_mix) for each in stars.values()],
        }
    )
