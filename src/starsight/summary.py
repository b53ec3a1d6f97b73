"""What ``make repro`` ends with: the errors beside their rivals, what each stage took, and where to look next."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from starsight.evaluate.methods import LABELS
from starsight.intervals import Estimate
from starsight.layout import Layout
from starsight.tables import read_json

STAGES = ("ingest", "clean", "validate", "tokenize", "adapt", "finetune", "evaluate", "explain")


def print_summary(layout: Layout) -> None:
    """Print the last run's figures.

    Raises:
        DataError: the pipeline has not run yet.
    """
    console = Console(highlight=False)
    metrics = read_json(layout.metrics)
    console.print()
    console.print(_errors(metrics))
    console.print(_costs(layout))
    console.print(_places(layout))


def _errors(metrics: dict[str, Any]) -> Table:
    title = (
        f"Error in stars on {metrics['n_test_reviews']:,.0f} test reviews by {metrics['n_test_reviewers']:,.0f} "
        f"reviewers, after {metrics['n_train_reviews']:,.0f} training reviews; 95 % intervals"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method")
    table.add_column("MAE", justify="right")
    table.add_column("RMSE", justify="right")
    for method, name in LABELS.items():
        if f"{method}_mae" not in metrics:  # ridge_all is left out where the model learnt from every training review
            continue
        values = [_estimate(metrics, f"{method}_{measure}") for measure in ("mae", "rmse")]
        table.add_row(name, *values, style="bold" if method == "test" else "")
    return table


def _estimate(metrics: dict[str, Any], key: str) -> str:
    estimate = Estimate.of(metrics, key)
    return f"{estimate.value:.3f}  ({estimate.low:.3f} to {estimate.high:.3f})"


def _costs(layout: Layout) -> Table:
    table = Table(title="What each stage took when it last ran", title_justify="left", title_style="bold")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("peak memory, MiB", justify="right")
    for stage in STAGES:
        path = layout.timing(stage)
        if path.exists():  # a stage that DVC restored from its cache has not run on this machine
            cost = read_json(path)
            table.add_row(stage, f"{cost['seconds']:.0f}", f"{cost['peak_memory_mib']:,}")
    return table


def _places(layout: Layout) -> Table:
    table = Table(title="Where to look next", title_justify="left", title_style="bold", show_header=False, box=None)
    rows: dict[Path | str, str] = {
        layout.evaluation_page: "how good, how sure, compared with what",
        layout.explanations / "index.html": "which words made the ratings",
        layout.validation_site / "index.html": "promises that the reviews keep",
        "make ui": "runs and registered models in MLflow",
        "dvc exp run -S model=mpnet": "the same reviews, another model",
    }
    for place, what in rows.items():
        table.add_row(str(place.relative_to(layout.root) if isinstance(place, Path) else place), what)
    return table
