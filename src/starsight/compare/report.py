"""A line-up as a page for people, as JSON for machines, and as a table on the terminal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from starsight.compare.before_after import before_after_charts
from starsight.compare.lineup import LineUp
from starsight.compare.scatter import Point, Scatter, make_scatter
from starsight.intervals import LEVEL, Estimate
from starsight.pages import count, interval, signed, stars, write_page
from starsight.tracking.evidence import RecordedRun

_IN_WORDS = {"mae": "mean absolute error", "rmse": "root mean squared error"}


def summarise(lined_up: LineUp) -> str:
    """The result in one sentence or two, for someone who never met a P value."""
    best, *rest = lined_up.contenders
    error = best.errors[lined_up.metric]
    sentence = (
        f"On the same test reviews of {lined_up.dataset}, {best.run.model} is closest of {len(lined_up.contenders)} "
        f"runs: its {_IN_WORDS[lined_up.metric]} is {_with_interval(error)} stars"
    )
    if not rest:
        return (
            f"One run was measured on these test reviews of {lined_up.dataset}: the {_IN_WORDS[lined_up.metric]} of "
            f"{best.run.model} is {_with_interval(error)} stars. There is nothing yet to compare it with."
        )
    level = [each.run.model for each in rest if each.p_corrected is not None and each.p_corrected >= LEVEL]
    behind = [each for each in rest if each.p_corrected is not None and each.p_corrected < LEVEL]
    reference = lined_up.reference
    if reference and reference.rank != best.rank:
        sentence += (
            f". Its predictions are gone, so the others are compared with number {reference.rank}, "
            f"{reference.run.model}, and not with it"
        )
    elif level:
        sentence += f"; its lead over {_listed(level)} may be chance"
    elif behind:
        sentence += "; chance does not explain its lead over any that it was compared with"
    fastest = max(lined_up.contenders, key=lambda each: each.cost.rating_reviews_per_s or 0.0)
    speed, own = fastest.cost.rating_reviews_per_s, best.cost.rating_reviews_per_s
    if speed and own and fastest is not best:
        sentence += f". {fastest.run.model} rates {speed / own:.1f} times as fast"
    return f"{sentence}."


def write_comparison_page(lined_up: LineUp, path: Path) -> None:
    """Write the line-up as one self-contained page."""
    write_page(
        "comparison.html",
        path,
        sentence=summarise(lined_up),
        lined_up=lined_up,
        metric_in_words=_IN_WORDS[lined_up.metric],
        devices=sorted({each.run.device or "not recorded" for each in lined_up.contenders}),
        charts=list(_charts(lined_up)),
        before_after_charts=before_after_charts(lined_up),
    )


def _charts(lined_up: LineUp) -> list[tuple[Scatter, list[str]]]:
    """Each chart, and the runs that recorded no such cost."""
    axes = (
        ("Error against the cost of a rating", "milliseconds a review, in batches", "ms a review", "rating_ms"),
        ("Error against the cost of training", "seconds of training", "s", "training_s"),
    )
    charts = []
    for title, x_title, unit, cost in axes:
        costs = [(each, getattr(each.cost, cost)) for each in lined_up.contenders]
        points = [Point(each.label, value, each.errors[lined_up.metric]) for each, value in costs if value]
        if points:
            left_out = [each.label for each, value in costs if not value]
            charts.append((make_scatter(title, x_title, unit, points), left_out))
    return charts


def as_json(lined_up: LineUp) -> dict[str, Any]:
    """The line-up as nested plain values; what is not known is null."""
    return {
        "metric": lined_up.metric,
        "dataset": lined_up.dataset,
        "test_rows": lined_up.test_rows,
        "resampled": lined_up.resampled or None,
        "reference": lined_up.reference.run.run_id if lined_up.reference else None,
        "runs": [
            {
                **_named(each.run),
                "rank": each.rank,
                "device": each.run.device,
                **{name: _plain(estimate) for name, estimate in each.errors.items()},
                "minus_reference": None if each.minus_reference is None else _plain(each.minus_reference),
                "p": None if each.minus_reference is None else each.minus_reference.p,
                "p_corrected": each.p_corrected,
                "note": each.note or None,
                "cost": asdict(each.cost),
            }
            for each in lined_up.contenders
        ],
        "on_other_reviews": [
            _named(run) | {"dataset": dataset, "test_rows": rows, "metrics": _errors(run.metrics)}
            for (dataset, rows), runs in lined_up.others.items()
            for run in runs
        ],
        "not_comparable": [_named(run) | {"reason": reason} for run, reason in lined_up.not_comparable],
    }


def print_line_up(lined_up: LineUp, page: Path) -> None:
    """Print what the page says first, and where the page is."""
    console = Console(highlight=False, markup=False)
    console.print(f"\n{summarise(lined_up)}\n")
    table = Table(box=None, pad_edge=False)
    for column, justify in (("", "right"), ("model", "left"), ("run", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for column in ("MAE", "RMSE", f"{lined_up.metric.upper()} minus reference", "P (Holm)", "training, s", "rates, /s"):
        table.add_column(column, justify="right")
    for each in lined_up.contenders:
        cost, gap = each.cost, "" if each.minus_reference is None else signed(each.minus_reference.value)
        table.add_row(
            *(str(each.rank), each.run.model, each.run.name),
            *(stars(each.errors[name].value) for name in ("mae", "rmse")),
            *(gap or each.note or "reference", "" if each.p_corrected is None else f"{each.p_corrected:.3g}"),
            *("–" if value is None else count(value) for value in (cost.training_s, cost.rating_reviews_per_s)),
        )
    console.print(table)
    n_others = sum(map(len, lined_up.others.values()))
    if n_others or lined_up.not_comparable:
        console.print(
            f"\nApart: {n_others} on other reviews, {len(lined_up.not_comparable)} that do not say on which ones."
        )
    console.print(f"\nThe page: {page}")


def _named(run: RecordedRun) -> dict[str, str]:
    return {"run_id": run.run_id, "name": run.name, "model": run.model}


def _errors(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: metrics[f"test_{name}"] for name in _IN_WORDS}


def _plain(estimate: Estimate) -> dict[str, float | None]:
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: None if math.isnan(value) else value for name, value in ends.items()}


def _with_interval(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return f"{stars(estimate.value)} (no interval)"
    return f"{stars(estimate.value)} (95 % interval {interval(estimate.low, estimate.high)})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
