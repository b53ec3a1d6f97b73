"""The rule by which a challenger becomes champion: evidence in, verdict out, and nothing else.

Promoted is who is closer to the truth, or as close and cheaper, and besides meets every other condition:

    (closer or (as close and cheaper)) and enough reviewers and no slice worse and same dataset and validated
    and not rolled back

Closeness is the paired difference of the MAEs, challenger minus champion, on the same test reviews, with the 95 %
interval of ``starsight.intervals``. Two equal models lie on the wrong side of it once in forty times. ``As close`` is
non-inferiority: the whole interval below a margin (Piaggio et al. 2012, CONSORT for noninferiority trials, JAMA 308).

Slices too small to be judged are left out, but for the lowest stars: the fewest from 1 up that are large enough
together are one slice. Unhappy customers are rare, and a model could gain on all the others by giving them up.

Slices are many, so that some look worse by chance alone. Each gets an interval wide enough that all of them together
hold in 95 % of cases (Bonferroni: with ``m`` slices the tail of each is 0.025 / m), and it is worse only where that
interval lies above a margin: even if every slice lies at the margin, they block at most one promotion in forty.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from starsight.evaluate.slices import Slice, count_reviewers
from starsight.intervals import TAILS, ClusterBootstrap, Estimate
from starsight.metrics import Stars
from starsight.pages import interval, signed
from starsight.params import PromoteParams

_TAIL: Final = TAILS[0]


@dataclass(frozen=True)
class Rated:
    """What one model makes of the test reviews, and at what cost."""

    errors: Stars
    """Signed, ``(reviews,)``, in stars."""
    seconds: Stars
    """Seconds a review in each block of them, ``(blocks,)``; the models took turns block by block."""
    size_bytes: int
    """Of its files."""

    @property
    def mae(self) -> float:
        """In stars."""
        return float(np.abs(self.errors).mean())

    @property
    def seconds_a_review(self) -> float:
        """Of the median block: one that the machine disturbed does not count."""
        return float(np.median(self.seconds))


@dataclass(frozen=True)
class Evidence:
    """All that the rule looks at."""

    challenger: Rated
    champion: Rated
    """On the same reviews, in the same order."""
    reviewers: Sequence[str | None]
    """Who wrote each review, ``(reviews,)``; None where nobody knows."""
    slices: Sequence[Slice]
    """Parts of the same reviews."""
    validated: bool | None
    """Whether the challenger's reviews kept their promises; None where its run has no report of it."""
    datasets: tuple[str | None, str | None] = (None, None)
    """What challenger and champion were made from. On the home ground of one the other is no match."""
    rolled_back: str | None = None
    """When and why the challenger was taken back as champion, if it was."""


@dataclass(frozen=True)
class Condition:
    """One thing that was asked."""

    name: str
    passed: bool
    found: str
    limit: str
    missed: str = ""
    """By how much it failed; empty where it passed."""

    @property
    def answer(self) -> str:
        """``passed``, or ``failed`` and by how much."""
        if self.passed:
            return "passed"
        return f"failed by {self.missed}" if self.missed else "failed"

    def __str__(self) -> str:
        return f"{self.name}: {self.answer}; found {self.found}, asked {self.limit}"


@dataclass(frozen=True)
class Verdict:
    """Every condition, met or not."""

    difference: Estimate
    """MAE of the challenger minus that of the champion, in stars; below 0 where the challenger is closer."""
    closer: Condition
    as_close: Condition
    cheaper: Condition
    others: list[Condition]
    figures: dict[str, float]
    """The numbers behind the words, flat."""

    @property
    def passed(self) -> bool:
        """Whether the challenger may become champion."""
        return self.better and all(condition.passed for condition in self.others)

    @property
    def better(self) -> bool:
        """Whether there is a reason to change: closer, or as close and cheaper."""
        return self.closer.passed or (self.as_close.passed and self.cheaper.passed)

    @property
    def conditions(self) -> list[Condition]:
        """All of them, as the rule names them."""
        return [self.closer, self.as_close, self.cheaper, *self.others]

    @property
    def failed(self) -> list[Condition]:
        """Those that stand in the way."""
        reasons = [] if self.better else [self.closer, self.as_close, self.cheaper]
        return [condition for condition in [*reasons, *self.others] if not condition.passed]

    @property
    def why(self) -> str:
        """The reason in one line."""
        if not self.passed:
            return ", ".join(f"{each.name}: {each.answer}" for each in self.failed)
        if self.closer.passed:
            return self.closer.found
        return f"as close ({self.as_close.found}) and cheaper ({self.cheaper.found})"


def decide(evidence: Evidence, params: PromoteParams, *, draws: int, seed: int) -> Verdict:
    """May the challenger become champion?

    Args:
        evidence: Of both models.
        params: The margins.
        draws: Resamples behind each interval.
        seed: Of the resamples.

    Raises:
        DataError: the test reviews are by fewer than two reviewers.
    """
    bootstrap = ClusterBootstrap(evidence.reviewers, draws=draws, seed=seed)
    difference = bootstrap.mae_difference(evidence.challenger.errors, evidence.champion.errors)
    return Verdict(
        difference,
        closer=_closer(difference),
        as_close=_as_close(difference, params),
        cheaper=_cheaper(evidence, params),
        others=[
            _enough_reviewers(bootstrap, params),
            _no_slice_worse(evidence, params, draws, seed),
            _same_dataset(evidence.datasets),
            _validated(evidence.validated),
            _not_rolled_back(evidence.rolled_back),
        ],
        figures=_figures(evidence, bootstrap, difference),
    )


def _closer(difference: Estimate) -> Condition:
    return Condition(
        "closer",
        difference.high < 0,
        f"MAE {_with_interval(difference)}",
        "interval below 0",
        _stars_above(difference.high, 0),
    )


def _as_close(difference: Estimate, params: PromoteParams) -> Condition:
    margin = params.margin_stars
    return Condition(
        "as close",
        difference.high < margin,
        f"MAE {_with_interval(difference)}",
        f"interval below {signed(margin)}",
        _stars_above(difference.high, margin),
    )


def _cheaper(evidence: Evidence, params: PromoteParams) -> Condition:
    saving = _saving(evidence)
    milliseconds = [1000 * rated.seconds_a_review for rated in (evidence.challenger, evidence.champion)]
    found = f"{100 * abs(saving):.0f} % {'less' if saving >= 0 else 'more'} time"
    return Condition(
        "cheaper",
        saving >= params.min_saving,
        f"{found} ({milliseconds[0]:.2f} against {milliseconds[1]:.2f} ms a review)",
        f"{100 * params.min_saving:.0f} % less time",
        "" if saving >= params.min_saving else f"{100 * (params.min_saving - saving):.1f} percentage points",
    )


def _enough_reviewers(bootstrap: ClusterBootstrap, params: PromoteParams) -> Condition:
    found, least = bootstrap.n_clusters, params.min_reviewers
    return Condition(
        "enough reviewers",
        found >= least,
        f"{found:,} in the test split",
        f"{least:,} for an interval",
        "" if found >= least else f"{least - found:,} reviewers; raise clean.split.test_share",
    )


def _no_slice_worse(evidence: Evidence, params: PromoteParams, draws: int, seed: int) -> Condition:
    reviewers = np.array(evidence.reviewers, dtype=object)

    def is_large(rows: NDArray[np.bool_]) -> bool:
        n_reviewers = count_reviewers(pd.Series(reviewers[rows]))
        return bool(rows.sum() >= params.min_slice_reviews and n_reviewers >= params.min_reviewers)

    judged = [part for part in [*evidence.slices, *_lowest_stars(evidence.slices, is_large)] if is_large(part.rows)]
    differences: dict[str, Estimate] = {}
    for part in judged:
        bootstrap = ClusterBootstrap(list(reviewers[part.rows]), draws=draws, seed=seed)
        errors = evidence.challenger.errors[part.rows], evidence.champion.errors[part.rows]
        differences[f"{part.group} {part.name}"] = bootstrap.mae_difference(*errors)

    margin = params.slice_margin_stars
    lows = {name: low_of_several(difference, len(differences)) for name, difference in differences.items()}
    worst_first = sorted(lows, key=lambda name: -lows[name])
    worse = [name for name in worst_first if lows[name] > margin]
    shown = ", ".join(
        f"{name} {signed(differences[name].value)} (at least {signed(lows[name])})" for name in worse or worst_first[:1]
    )
    return Condition(
        "no slice worse",
        not worse,
        f"of {len(judged)} judged, {'worse' if worse else 'nearest'}: {shown}" if shown else "none large enough",
        f"none by at least {signed(margin)}",
        f"{lows[worse[0]] - margin:.3f} stars" if worse else "",
    )


def _lowest_stars(slices: Sequence[Slice], is_large: Callable[[NDArray[np.bool_]], bool]) -> list[Slice]:
    """The fewest stars from 1 up that are large enough together, where 1 star alone is not."""
    by_star = [part for part in slices if part.group == "stars"]
    for n in range(1, len(by_star) + 1):
        rows = np.any([part.rows for part in by_star[:n]], axis=0)
        if is_large(rows):
            return [Slice("stars", f"{by_star[0].name} to {by_star[n - 1].name}", rows)] if n > 1 else []
    return []


def low_of_several(difference: Estimate, n: int) -> float:
    """Low end of an interval that, with ``n - 1`` others like it, holds for all of them together in 95 % of cases.

    The lower half of the 95 % interval, stretched as a normal distribution's is from a tail of 0.025 to one of
    0.025 / n: quantiles so far out would rest on a handful of draws.
    """
    stretch = norm.ppf(_TAIL / n) / norm.ppf(_TAIL)
    return float(difference.value - stretch * (difference.value - difference.low))


def _validated(validated: bool | None) -> Condition:
    found = {True: "every hard promise kept", False: "a broken promise", None: "no reports/validation.json in its run"}
    return Condition("validated", validated is True, found[validated], "every hard promise kept")


def _same_dataset(datasets: tuple[str | None, str | None]) -> Condition:
    challenger, champion = (name or "not recorded" for name in datasets)
    return Condition(
        "same dataset", datasets[0] == datasets[1], f"{challenger}, the champion's {champion}", "the champion's own"
    )


def _not_rolled_back(rolled_back: str | None) -> Condition:
    return Condition("not rolled back", rolled_back is None, rolled_back or "never", "never")


def _saving(evidence: Evidence) -> float:
    """Share of the champion's time that the challenger does without, in the median block; below 0 where it takes more.

    Within a block both met the same reviews and, nearly, the same load of the machine.
    """
    return float(1 - np.median(evidence.challenger.seconds / evidence.champion.seconds))


def _figures(evidence: Evidence, bootstrap: ClusterBootstrap, difference: Estimate) -> dict[str, float]:
    return {
        "n_test_reviews": bootstrap.n_reviews,
        "n_test_reviewers": bootstrap.n_clusters,
        "mae": evidence.challenger.mae,
        "champion_mae": evidence.champion.mae,
        **difference.named("mae_difference"),
        "seconds_a_review": evidence.challenger.seconds_a_review,
        "champion_seconds_a_review": evidence.champion.seconds_a_review,
        "saving": _saving(evidence),
        "size_bytes": evidence.challenger.size_bytes,
        "champion_size_bytes": evidence.champion.size_bytes,
    }


def _with_interval(difference: Estimate) -> str:
    return f"{signed(difference.value)} ({interval(difference.low, difference.high, show=signed)})"


def _stars_above(value: float, limit: float) -> str:
    """How far a value that must lie below a limit lies above it."""
    return f"{value - limit:.3f} stars" if value >= limit else ""
