"""The paper's Figure 2: errors before and after fine-tuning, by model, a chart for each dataset."""

from collections.abc import Sequence
from typing import Final

from starsight.compare.lineup import LineUp
from starsight.evaluate.charts import Chart, make_chart
from starsight.evaluate.report import BEFORE_AFTER
from starsight.tracking.evidence import RecordedRun

_MOST_RUNS: Final = 6
"""Of a chart; the names of more would run into one another."""


def before_after_charts(lined_up: LineUp) -> list[Chart]:
    """Bars of the untrained head, the frozen backbone and the fine-tuned model, first of the runs that are lined up,
    then of those on other reviews. A run that recorded less is left out, and so are the hindmost of many."""
    groups = [(lined_up.dataset, [(each.label, each.run) for each in lined_up.contenders])]
    for (dataset, _), runs in lined_up.others.items():
        groups.append((dataset, [(f"{row} {run.model}", run) for row, run in enumerate(runs, start=1)]))
    charts = [_chart(lined_up.metric, dataset, labelled) for dataset, labelled in groups]
    return [chart for chart in charts if chart is not None]


def _chart(metric: str, dataset: str, labelled: Sequence[tuple[str, RecordedRun]]) -> Chart | None:
    names = [f"{name}_{metric}" for name in BEFORE_AFTER]
    measured = [(label, run) for label, run in labelled if all(name in run.metrics for name in names)]
    shown = dict(measured[:_MOST_RUNS])
    if not shown:
        return None
    return make_chart(
        f"{metric.upper()} before and after fine-tuning, {dataset}",
        "model",
        list(shown),
        {
            method: [run.metrics[name] for run in shown.values()]
            for name, method in zip(names, BEFORE_AFTER.values(), strict=True)
        },
    )
