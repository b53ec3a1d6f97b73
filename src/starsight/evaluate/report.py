"""The metrics of the test split, as flat names for machines and as a page for people."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from starsight.evaluate.charts import Chart, make_chart
from starsight.evaluate.methods import Method
from starsight.intervals import LEVEL, MIN_REPEAT_REVIEWERS, ClusterBootstrap, Estimate, holm
from starsight.metrics import METRICS, Stars, errors, mae, rmse
from starsight.model.predictor import Predictions
from starsight.pages import count, interval, p_value, percent, stars, write_page
from starsight.records import whole_stars

COMPARED = (mae, rmse)
"""What the model and its rivals are compared by."""

BEFORE_AFTER = {"untrained": "untrained head", "frozen": "frozen backbone", "test": "fine-tuned"}
"""Bars of the paper's Figure 2, by the name that opens their metrics."""

UNSEEN = {
    "reviewer": "by people none of whose reviews it learnt from",
    "product": "of products none of whose reviews it learnt from",
    "time": "newer than all that it learnt from",
    "review": "that it did not learn from, though it may have met their writers",
}
"""For whom the numbers hold, by what the split keeps together."""


def build_metrics(stars_true: Stars, methods: Sequence[Method], bootstrap: ClusterBootstrap) -> dict[str, float]:
    """Every method's metrics and the model's distance to each rival, with 95 % intervals.

    Args:
        stars_true: ``(reviews,)``, in stars.
        methods: The model first, then its rivals.
        bootstrap: Draws over the reviewers of the same reviews.

    Returns:
        ``n_test_reviews``, ``n_test_reviewers``, ``n_repeat_reviewers`` (with two or more of the test reviews) and
        ``n_train_reviews``; ``<method>_<metric>`` of ``METRICS`` and ``<model>_worst_decile_mae``;
        ``<model>_minus_<rival>_mae`` and ``..._rmse``, below 0 where the model is closer; each with ``_low`` and
        ``_high``. Differences also have ``_p``, and ``_p_holm``, which is corrected for the number of rivals. What is
        not defined on these reviews is left out.
    """
    model, *rivals = methods
    metrics: dict[str, float] = {
        "n_test_reviews": bootstrap.n_reviews,
        "n_test_reviewers": bootstrap.n_clusters,
        "n_repeat_reviewers": bootstrap.n_repeat_clusters,
    }
    if model.n_train_reviews is not None:
        metrics["n_train_reviews"] = model.n_train_reviews
    for method in methods:
        for metric in METRICS:
            measured = bootstrap.measure(metric, stars_true, method.answer(metric))
            metrics |= measured.named(f"{method.name}_{metric.name}") if measured else {}
        metrics |= dict(method.facts)
    worst = bootstrap.worst_decile(stars_true, model.stars_pred)
    metrics |= worst.named(f"{model.name}_worst_decile_mae") if worst else {}
    for metric in COMPARED:
        answer = model.answer(metric)
        gaps = [bootstrap.difference(metric, stars_true, answer, rival.answer(metric)) for rival in rivals]
        for rival, gap, p_holm in zip(rivals, gaps, holm([gap.p for gap in gaps]), strict=True):
            name = f"{model.name}_minus_{rival.name}_{metric.name}"
            metrics |= gap.named(name) | {f"{name}_p_holm": p_holm}
    return metrics


def errors_by_star(stars_true: Stars, stars_pred: Stars) -> pd.DataFrame:
    """Errors apart for each true rating, to the nearest whole star.

    Returns:
        ``stars``, ``n_reviews``, ``mae``, ``rmse`` and ``bias`` (the mean error, above 0 where predictions are too
        high).
    """
    table = pd.DataFrame({"stars": whole_stars(stars_true), "error": errors(stars_true, stars_pred)})
    table["absolute"], table["square"] = table["error"].abs(), table["error"] ** 2
    by_star = table.groupby("stars", as_index=False).agg(
        n_reviews=("error", "size"), mae=("absolute", "mean"), rmse=("square", "mean"), bias=("error", "mean")
    )
    by_star["rmse"] **= 0.5
    return by_star


def before_after(metrics: Mapping[str, float]) -> pd.DataFrame:
    """The bars of the paper's Figure 2: one row a metric and a method, as far as it was measured.

    Returns:
        ``metric`` (MAE or RMSE), ``method``, ``error`` in stars, and ``low`` and ``high`` of its 95 % interval.
    """
    bars = [
        {"metric": metric.name.upper(), "method": method, "error": error.value, "low": error.low, "high": error.high}
        for metric in COMPARED
        for name, method in BEFORE_AFTER.items()
        if f"{name}_{metric.name}" in metrics
        for error in [Estimate.of(metrics, f"{name}_{metric.name}")]
    ]
    return pd.DataFrame(bars, columns=["metric", "method", "error", "low", "high"])


def predictions_table(test: pd.DataFrame, stars_pred: Stars, predictions: Predictions | None) -> pd.DataFrame:
    """One row a test review: ``review_id``, ``stars_true``, ``stars_pred`` and, where there are intervals, their ends
    ``stars_low`` and ``stars_high``. No text: this table may travel."""
    columns = {"review_id": list(test["review_id"]), "stars_true": list(test["stars"]), "stars_pred": stars_pred}
    if predictions is not None:
        columns |= {"stars_low": predictions.low, "stars_high": predictions.high}
    return pd.DataFrame(columns).round(4)


def summarise(metrics: Mapping[str, float], methods: Sequence[Method], split_by: str) -> str:
    """The result in one sentence, for someone who never met MAE.

    Args:
        metrics: From ``build_metrics``.
        methods: As given to it, the model first.
        split_by: What the split keeps together, a key of ``UNSEEN``.
    """
    model, *rivals = methods
    own = Estimate.of(metrics, f"{model.name}_mae")
    sentence = (
        f"On {count(metrics['n_test_reviews'])} reviews {UNSEEN[split_by]}, {model.label} is off by "
        f"{stars(own.value, 2)} stars on average (95 % interval {interval(own.low, own.high, 2)})"
    )
    if not rivals:
        return f"{sentence}."
    rival = min(rivals, key=lambda method: metrics[f"{method.name}_mae"])
    gap = Estimate.of(metrics, f"{model.name}_minus_{rival.name}_mae")
    closer = Estimate(-gap.value, -gap.high, -gap.low) if gap.value <= 0 else gap
    verdict = (
        "and chance does not explain the difference"
        if metrics[f"{model.name}_minus_{rival.name}_mae_p_holm"] < LEVEL
        else "a difference so small against its uncertainty that it may be chance"
    )
    return (
        f"{sentence}, {stars(closer.value)} stars {'closer' if gap.value <= 0 else 'further off'} than its strongest "
        f"rival, {rival.label} ({stars(metrics[f'{rival.name}_mae'], 2)}): {verdict} "
        f"({interval(closer.low, closer.high)})."
    )


def write_evaluation_page(
    path: Path,
    *,
    metrics: Mapping[str, float],
    methods: Sequence[Method],
    epochs: pd.DataFrame,
    by_star: pd.DataFrame,
    split_by: str,
    facts: Mapping[str, str],
    warnings: Sequence[str] = (),
    parts: Mapping[str, Any] | None = None,
) -> None:
    """Write the evaluation as one self-contained page.

    Args:
        path: The HTML file.
        metrics: From ``build_metrics``.
        methods: As given to it, the model first.
        epochs: One row an epoch: ``epoch``, ``train_loss``, ``validation_mae``, ``validation_rmse``, ``seconds``.
        by_star: From ``errors_by_star``.
        split_by: What the split keeps together, a key of ``UNSEEN``.
        facts: What was measured, such as the model and the dataset, shown as given.
        warnings: What a reader must know before believing the numbers, a sentence each.
        parts: What else is shown, by the template's names: slices, behaviour, intervals, folds.
    """
    beside = _beside_the_model(metrics, methods)
    write_page(
        "evaluation.html",
        path,
        sentence=summarise(metrics, methods, split_by),
        warnings=warnings,
        rows=_method_rows(metrics, methods),
        has_champion=any(method.name == "champion" for method in methods),
        other_rows=_other_rows(metrics, [methods[0], *beside]),
        beside=[method.label for method in beside],
        metrics=metrics,
        facts=facts,
        epochs=epochs.to_dict("records"),
        by_star=by_star.to_dict("records"),
        **(parts or {}),
        before_after_chart=_before_after_chart(before_after(metrics)),
        epoch_chart=make_chart(
            "Error on validation, by epoch",
            "epoch",
            [f"{epoch:g}" for epoch in epochs["epoch"]],
            {"MAE": list(epochs["validation_mae"]), "RMSE": list(epochs["validation_rmse"])},
        ),
        star_chart=make_chart(
            "Mean absolute error, by true stars",
            "true stars",
            [str(star) for star in by_star["stars"]],
            {"MAE": list(by_star["mae"])},
        ),
    )


def _method_rows(metrics: Mapping[str, float], methods: Sequence[Method]) -> list[dict[str, Any]]:
    """The table of methods: an estimate for each metric and each distance to the model, None where there is none."""
    model = methods[0]
    rows = []
    for method in methods:
        row: dict[str, Any] = {
            "label": method.label,
            "n_train_reviews": method.n_train_reviews,
            "is_model": method is model,
            **{metric.name: _find(metrics, f"{method.name}_{metric.name}") for metric in METRICS},
        }
        for metric in COMPARED:
            name = f"{model.name}_minus_{method.name}_{metric.name}"
            row[f"gap_{metric.name}"] = _find(metrics, name)
            row[f"p_{metric.name}"] = p_value(metrics[f"{name}_p_holm"]) if name in metrics else ""
        rows.append(row)
    return rows


def _other_rows(metrics: Mapping[str, float], methods: Sequence[Method]) -> list[dict[str, Any]]:
    """The model's other metrics: a name, value and interval as text, what it means, and the values of the rivals beside
    it."""
    model, *rivals = (method.name for method in methods)
    same = "all true stars are the same, on these reviews or on a resample of them"
    n_repeat = metrics["n_repeat_reviewers"]
    rows: list[tuple[str, str, Callable[[float], str], str, str]] = [
        ("accuracy", "Right star", percent, "How many ratings are, to the nearest star, the star that was given.", ""),
        (
            "within_one",
            "At most one star off",
            percent,
            "How many ratings are, to the nearest star, the given star or the one beside it.",
            "",
        ),
        (
            "macro_mae",
            "Error if every star were as common as the others",
            stars,
            "How far off the ratings of each star are, in stars; the mean over 1 to 5 (macro MAE).",
            "",
        ),
        (
            "skill",
            "Skill",
            partial(stars, digits=2),
            "How much of the squared error disappears compared with always answering the mean rating: 1 is perfect.",
            f"Not defined: {same}.",
        ),
        (
            "spearman",
            "Order",
            partial(stars, digits=2),
            "How well it puts reviews in order (Spearman): 1 is always the right order, 0 no better than shuffling.",
            f"Not defined: all its ratings are the same, or {same}.",
        ),
        (
            "worst_decile_mae",
            "Error for the worst-served reviewers",
            stars,
            f"One in ten of the {count(n_repeat)} reviewers with several reviews is rated this far off or further.",
            f"Left out: {count(n_repeat)} reviewers have several test reviews, and it takes {MIN_REPEAT_REVIEWERS}.",
        ),
    ]
    shown = []
    for name, label, as_text, meaning, reason in rows:
        found, *theirs = (_find(metrics, f"{method}_{name}") for method in (model, *rivals))
        value = as_text(found.value) if found else "–"
        shown.append(
            {
                "label": label,
                "value": value,
                "interval": f"{as_text(found.low)} to {as_text(found.high)}" if found else "",
                "meaning": meaning if found else reason,
                "rivals": [as_text(each.value) if each else "–" for each in theirs],
            }
        )
    return shown


def _beside_the_model(metrics: Mapping[str, float], methods: Sequence[Method]) -> list[Method]:
    """The rivals that a reader needs to judge a metric by: the best constant, and the strongest other one."""
    constants = [method for method in methods[1:] if method.name == "constant"]
    others = [method for method in methods[1:] if method.name != "constant"]
    return constants + sorted(others, key=lambda method: metrics[f"{method.name}_mae"])[:1]


def _before_after_chart(bars: pd.DataFrame) -> Chart:
    series = {str(metric): list(rows["error"]) for metric, rows in bars.groupby("metric")}
    return make_chart("Error before and after fine-tuning", "method", list(bars["method"].unique()), series)


def _find(metrics: Mapping[str, float], name: str) -> Estimate | None:
    return Estimate.of(metrics, name) if name in metrics else None
