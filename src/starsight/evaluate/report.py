"""The metrics of the test split, as flat names for machines and as a page for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from starsight.evaluate.charts import make_chart
from starsight.evaluate.methods import Method
from starsight.intervals import ClusterBootstrap, Estimate
from starsight.metrics import Stars, errors
from starsight.pages import count, stars, write_page
from starsight.records import whole_stars

UNSEEN = {
    "reviewer": "by people none of whose reviews it learnt from",
    "product": "of products none of whose reviews it learnt from",
    "time": "newer than all that it learnt from",
    "review": "that it did not learn from, though it may have met their writers",
}
"""For whom the numbers hold, by what the split keeps together."""


def build_metrics(stars_true: Stars, methods: Sequence[Method], bootstrap: ClusterBootstrap) -> dict[str, float]:
    """Errors of every method and the model's distance to each rival, with 95 % intervals, in stars.

    Args:
        stars_true: ``(reviews,)``, in stars.
        methods: The model first, then its rivals.
        bootstrap: Draws over the reviewers of the same reviews.

    Returns:
        ``n_test_reviews``, ``n_test_reviewers`` and ``n_train_reviews``; ``<name>_mae`` and ``<name>_rmse`` of each
        method; ``<model>_minus_<rival>_mae`` and ``..._rmse``, below 0 where the model is closer; each with ``_low``
        and ``_high``.
    """
    model, *rivals = methods
    metrics: dict[str, float] = {
        "n_test_reviews": bootstrap.n_reviews,
        "n_test_reviewers": bootstrap.n_clusters,
        "n_train_reviews": model.n_train_reviews,
    }
    model_absolute, model_squared = model.errors(stars_true)
    for method in methods:
        absolute, squared = method.errors(stars_true)
        metrics |= bootstrap.mae(absolute).named(f"{method.name}_mae")
        metrics |= bootstrap.rmse(squared).named(f"{method.name}_rmse") | dict(method.facts)
    for rival in rivals:
        absolute, squared = rival.errors(stars_true)
        name = f"{model.name}_minus_{rival.name}"
        metrics |= bootstrap.mae_difference(model_absolute, absolute).named(f"{name}_mae")
        metrics |= bootstrap.rmse_difference(model_squared, squared).named(f"{name}_rmse")
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


def predictions_table(review_ids: Sequence[str], stars_true: Stars, stars_pred: Stars) -> pd.DataFrame:
    """One row a test review: ``review_id``, ``stars_true``, ``stars_pred``. No text: this table may travel."""
    return pd.DataFrame(
        {"review_id": list(review_ids), "stars_true": stars_true, "stars_pred": np.round(stars_pred, 4)}
    )


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
        f"{stars(own.value, 2)} stars on average (95 % interval {_interval(own, 2)})"
    )
    if not rivals:
        return f"{sentence}."
    rival = min(rivals, key=lambda method: metrics[f"{method.name}_mae"])
    gap = Estimate.of(metrics, f"{model.name}_minus_{rival.name}_mae")
    closer = Estimate(-gap.value, -gap.high, -gap.low) if gap.value <= 0 else gap
    verdict = (
        "and chance does not explain the difference"
        if gap.sign
        else "a difference so small against its uncertainty that it may be chance"
    )
    return (
        f"{sentence}, {stars(closer.value)} stars {'closer' if gap.value <= 0 else 'further off'} than its strongest "
        f"rival, {rival.label} ({stars(metrics[f'{rival.name}_mae'], 2)}): {verdict} ({_interval(closer, 3)})."
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
    """
    model = methods[0]
    rows = [
        {
            "label": method.label,
            "n_train_reviews": method.n_train_reviews,
            "is_model": method is model,
            **{
                f"{prefix}{metric}": Estimate.of(metrics, f"{name}_{metric}") if name else None
                for metric in ("mae", "rmse")
                for prefix, name in (
                    ("", method.name),
                    ("gap_", "" if method is model else f"{model.name}_minus_{method.name}"),
                )
            },
        }
        for method in methods
    ]
    write_page(
        "evaluation.html",
        path,
        sentence=summarise(metrics, methods, split_by),
        rows=rows,
        metrics=metrics,
        facts=facts,
        epochs=epochs.to_dict("records"),
        by_star=by_star.to_dict("records"),
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


def _interval(value: Estimate, digits: int) -> str:
    return f"{stars(value.low, digits)} to {stars(value.high, digits)}"
