"""Measure the fine-tuned model on the test reviews beside its rivals, and register it.

Reads   data/interim/clean.parquet, models/finetuned/, models/run.json, reports/plots/epochs.csv,
        reports/validation.json
Writes  reports/metrics.json, reports/evaluation.html, reports/MODEL_CARD.md, reports/plots/*.csv, a model version
"""

from starsight.evaluate.card import model_card, save_card
from starsight.evaluate.cost import measure_cost
from starsight.evaluate.crossvalidation import cross_validate
from starsight.evaluate.evaluation import evaluate_model
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.params import Params
from starsight.stage import run
from starsight.tracking.folds import recall_folds, record_folds
from starsight.tracking.registry import register_model
from starsight.tracking.runs import continue_run, describe_origin, flatten_params


def main(params: Params, layout: Layout) -> None:
    with continue_run(layout) as mlflow_run:
        facts = {"model": params.model, "dataset": params.dataset, "run": mlflow_run.run_id}
        predictor = Predictor.load(layout.finetuned)
        folds = cross_validate(params, layout, recall_folds(mlflow_run, params.evaluate.folds_against, layout))
        evaluation = evaluate_model(predictor, params, layout, mlflow_run.run_id, folds)
        cost = measure_cost(predictor, evaluation.texts, layout.finetuned)

        evaluation.write(layout, facts)
        card = model_card(params, layout, evaluation.metrics, evaluation.split_by, describe_origin(layout))
        save_card(card, layout.model_card)
        mlflow_run.log_params(flatten_params(params))
        mlflow_run.tag(dataset=params.dataset, test_rows=evaluation.test_rows, device=predictor.compute.device.type)
        mlflow_run.finish_stage(layout, evaluation.metrics | cost, *layout.evaluation_reports())
        record_folds(mlflow_run, folds, layout)
        register_model(mlflow_run, layout.finetuned, evaluation.metrics, layout.model_card, layout.promotions)


if __name__ == "__main__":
    run(main)
