"""Parts of the test reviews that someone may care about by themselves, and how far off the stars are in each."""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from starsight.evaluate.language import UNCERTAIN, languages
from starsight.intervals import LEVEL, TAILS, ClusterBootstrap, Estimate, holm
from starsight.metrics import Stars
from starsight.records import WHOLE_STARS, whole_stars

TITLES: Final = {
    "stars": "True stars",
    "length": "Length of the review",
    "category": "Product category",
    "activity": "Reviews by the same reviewer",
    "year": "Year of the review",
    "language": "Language",
    "spelling": "Spelling",
}
"""What a reader calls each group of slices."""

LENGTHS: Final = {20: "1–20 words", 50: "21–50 words", 100: "51–100 words", np.inf: "over 100 words"}
"""Ranges by the most words in them."""
ACTIVITIES: Final = {1: "1 test review", 4: "2–4 test reviews", np.inf: "5 or more test reviews"}
"""Ranges by the most reviews in them. Only test reviews are counted: others are not measured on."""
MAX_CATEGORIES: Final = 8
"""The largest; the others are one slice, so that the page can be read."""
MAX_LANGUAGES: Final = 4
OTHER: Final = "other"
UNKNOWN: Final = "unknown"

MIN_SLICE_REVIEWERS: Final = 10
"""Of a slice that is judged: of fewer, too many resamples would hold none. Student's t allows for their number."""

COLUMNS: Final = (
    "group",
    "slice",
    "n_reviews",
    "n_reviewers",
    "mae",
    "mae_low",
    "mae_high",
    "bias",
    "minus_rest",
    "minus_rest_low",
    "minus_rest_high",
    "p_holm",
    "worse",
)
"""Of the table of slices."""

Names = tuple["pd.Series[Any]", list[str]]
"""The slice of each review, ``(reviews,)``, missing where nobody knows; and the slices in the order of the page."""


@dataclass(frozen=True)
class Slice:
    """Some of the test reviews."""

    group: str
    """What they were parted by: ``stars``."""
    name: str
    """Which part: ``5``."""
    rows: NDArray[np.bool_]
    """``(reviews,)``."""


def slices_of(test: pd.DataFrame) -> list[Slice]:
    """Every slice of the test reviews that holds one.

    The slices of a group part all reviews; what nobody knows of is the slice ``unknown``. A group is left out where its
    column is missing or empty, or all reviews are in one slice.

    Args:
        test: Rows of the clean reviews.
    """
    slices: list[Slice] = []
    for group, (column, part) in _PARTS.items():
        if column in test and test[column].notna().any():
            names, order = part(test[column])
            names = names.astype(object).where(names.notna(), UNKNOWN)
            order = [name for name in order if name not in (OTHER, UNKNOWN)] + [OTHER, UNKNOWN]
            found = [Slice(group, name, (names == name).to_numpy(dtype=bool)) for name in order]
            found = [each for each in found if each.rows.any()]
            slices += found if len(found) > 1 else []
    return slices


def measure_slices(
    test: pd.DataFrame, errors: Stars, slices: Sequence[Slice], bootstrap: ClusterBootstrap, *, min_reviews: int
) -> pd.DataFrame:
    """How far off the stars are in each slice, and whether further than in the rest of its group.

    A slice is judged where it and the rest have ``min_reviews`` and ``MIN_SLICE_REVIEWERS`` or more. P is that of
    Student's t on the standard error of the resamples, two-sided, with one degree of freedom less than there are
    reviewers in the smaller part (Cameron, Gelbach and Miller 2008, Bootstrap-Based Improvements for Inference with
    Clustered Errors); corrected by Holm's method over all slices that are judged. The resamples' own P cannot be below
    1 in their number, which would not survive the correction.

    Args:
        test: ``user_id`` of the test reviews; a review without is by a reviewer of its own.
        errors: Signed errors on the same reviews, ``(reviews,)``, in stars.
        slices: Of the same reviews.
        bootstrap: Draws over their reviewers.
        min_reviews: A smaller slice has no interval and is not judged.

    Returns:
        ``COLUMNS``, one row a slice: ``mae``, ``bias`` (mean error, above 0 where predictions are too high) and
        ``minus_rest`` (MAE minus that of the rest of the group) in stars, the ends of 95 % intervals, and ``worse``:
        whether the slice is further off than the rest beyond chance. What is not known is NaN.
    """
    absolute, reviewers = np.abs(errors), test["user_id"]
    rows: list[dict[str, Any]] = []
    for part in slices:
        within = part.rows
        rest = np.any([each.rows for each in slices if each.group == part.group], axis=0) & ~within
        n_reviewers = count_reviewers(reviewers[within])
        row = {
            "group": part.group,
            "slice": part.name,
            "n_reviews": int(within.sum()),
            "n_reviewers": n_reviewers,
            "mae": absolute[within].mean(),
            "bias": errors[within].mean(),
        }
        if within.sum() >= min_reviews and n_reviewers >= MIN_SLICE_REVIEWERS:
            draws = bootstrap.means_of_part(absolute, within)
            row |= _estimate(row["mae"], draws).named("mae")
            smaller = min(n_reviewers, count_reviewers(reviewers[rest]))
            if rest.sum() >= min_reviews and smaller >= MIN_SLICE_REVIEWERS:
                draws = draws - bootstrap.means_of_part(absolute, rest)
                difference = row["mae"] - absolute[rest].mean()
                row |= _estimate(difference, draws).named("minus_rest")
                row["p"] = _p_value(difference, draws, smaller)
        rows.append(row)
    table = pd.DataFrame(rows, columns=[*COLUMNS, "p"])
    judged = table["p"].notna()
    table["p_holm"] = pd.Series(holm(list(table.loc[judged, "p"])), table.index[judged], dtype=np.float64)
    table["worse"] = (table["minus_rest"] > 0) & (table["p_holm"] < LEVEL)
    return table[list(COLUMNS)]


def slice_metrics(table: pd.DataFrame) -> dict[str, float]:
    """The table of slices as flat metrics.

    Returns:
        ``n_slices`` that were judged, ``n_slices_worse`` of them, and ``slice_<group>_<slice>_mae`` of each, in stars.
        What is no letter, digit or underscore in a slice's name is an underscore; of two slices whose names are then
        the same, the second ends in ``_2``.
    """
    judged = table[table["p_holm"].notna()]
    metrics: dict[str, float] = {"n_slices": len(judged), "n_slices_worse": int(judged["worse"].sum())}
    for row in judged.to_dict("records"):
        plain = re.sub(r"\W+", "_", row["slice"].lower()).strip("_")[:100]  # MLflow's names end at 250 characters
        stem = name = f"slice_{row['group']}_{plain}"
        number = 1
        while f"{name}_mae" in metrics:
            number += 1
            name = f"{stem}_{number}"
        metrics[f"{name}_mae"] = row["mae"]
    return metrics


def summarise_slices(table: pd.DataFrame) -> str:
    """What the table of slices says, in one sentence."""
    n_judged, worse = int(table["p_holm"].notna().sum()), table[table["worse"]]
    if not n_judged:
        return "No slice has enough reviews to be judged by itself."
    if worse.empty:
        return f"Of the {n_judged} slices that are large enough none is worse than the rest of its group beyond chance."
    named = ", ".join(f"{TITLES[row['group']].lower()} {row['slice']}" for _, row in worse.iterrows())
    verb = "is" if len(worse) == 1 else "are"
    return (
        f"Of the {n_judged} slices that are large enough {len(worse)} {verb} worse than the rest of the group "
        f"beyond chance: {named}."
    )


def slices_by_group(table: pd.DataFrame) -> dict[str, list[dict[Hashable, Any]]]:
    """Rows of the table of slices by the title of their group, as the page shows them; None for NaN."""
    known = table.astype(object).where(table.notna(), None)
    return {TITLES[str(group)]: rows.to_dict("records") for group, rows in known.groupby("group", sort=False)}


def _estimate(value: float, draws: Stars) -> Estimate:
    low, high = np.nanquantile(draws, TAILS)
    return Estimate(float(value), float(low), float(high))


def count_reviewers(reviewers: "pd.Series[Any]") -> int:
    """How many people wrote the reviews of ``reviewers`` ``(reviews,)``; a missing one is a person of their own."""
    return int(reviewers.nunique() + reviewers.isna().sum())


def _p_value(difference: float, draws: Stars, n_reviewers: int) -> float:
    error = max(float(np.nanstd(draws)), 1e-12)  # where all errors are the same, what is left is rounding
    return float(2 * student.sf(abs(difference) / error, n_reviewers - 1))


def _by_stars(stars: "pd.Series[Any]") -> Names:
    return pd.Series(whole_stars(stars)).astype(str), [str(star) for star in WHOLE_STARS]


def _by_length(texts: "pd.Series[Any]") -> Names:
    return _in_ranges(texts.map(lambda text: len(text.split())), LENGTHS)


def _by_category(categories: "pd.Series[Any]") -> Names:
    return _largest(categories, MAX_CATEGORIES)


def _by_activity(reviewers: "pd.Series[Any]") -> Names:
    return _in_ranges(reviewers.map(reviewers.value_counts()), ACTIVITIES)


def _by_year(times: "pd.Series[Any]") -> Names:
    years = times.dt.strftime("%Y")
    return years, sorted(years.dropna().unique())


def _by_language(texts: "pd.Series[Any]") -> Names:
    names, order = _largest(pd.Series(languages(list(texts))), MAX_LANGUAGES)
    return names, [name for name in order if name != UNCERTAIN] + [UNCERTAIN]


def _by_spelling(corrected: "pd.Series[Any]") -> Names:
    order = ["corrected", "as written"]
    return corrected.map(dict(zip((True, False), order, strict=True))), order


def _in_ranges(numbers: "pd.Series[Any]", ranges: Mapping[float, str]) -> Names:
    return pd.cut(numbers, [-np.inf, *ranges], labels=list(ranges.values())), list(ranges.values())


def _largest(names: "pd.Series[Any]", n: int) -> Names:
    """The ``n`` most frequent names, most frequent first; the others are one."""
    counts = names.value_counts()
    order = sorted(counts.index, key=lambda name: (-counts[name], name))[:n]
    return names.where(names.isin(order) | names.isna(), OTHER), order


_PARTS: Final[Mapping[str, tuple[str, Callable[["pd.Series[Any]"], Names]]]] = {
    "stars": ("stars", _by_stars),
    "length": ("text_clean", _by_length),
    "category": ("category", _by_category),
    "activity": ("user_id", _by_activity),
    "year": ("time", _by_year),
    "language": ("text_clean", _by_language),
    "spelling": ("spelling_corrected", _by_spelling),
}
"""The column that each group of slices is parted by, and how."""
