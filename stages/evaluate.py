"""Measure the fine-tuned model on the test reviews beside its rivals, and register it.

Reads   data/interim/clean.parquet, models/finetuned/, models/run.json, reports/plots/epochs.csv
Writes  reports/metrics.json, reports/evaluation.html, reports/plots/*.csv, a registered model version
"""

from starsight.evaluate.evaluation import evaluate_model
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.params import Params
from starsight.stage import run
from starsight.tracking.registry import register_model
from starsight.tracking.runs import continue_run, flatten_params


def main(params: Params, layout: Layout) -> None:
    with continue_run(layout) as mlflow_run:
        facts = {"model": params.model, "dataset": params.dataset, "run": mlflow_run.run_id}

        evaluation = evaluate_model(Predictor.load(layout.finetuned), params, layout)

        evaluation.write(layout, facts)
        mlflow_run.log_params(flatten_params(params))
        mlflow_run.finish_stage(layout, evaluation.metrics, layout.metrics, layout.evaluation_page, layout.epochs)
        register_model(mlflow_run, layout.finetuned, evaluation.metrics)


if __name__ == "__main__":
    run(main)
