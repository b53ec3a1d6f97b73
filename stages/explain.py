"""Show which words made the ratings of the test reviews, and how far that can be trusted.

Reads   data/interim/clean.parquet, models/finetuned/, models/run.json
Writes  reports/explanations/ (tables as CSV, index.html), reports/explain.json
"""

from starsight.explain.report import COLUMNS, explain_model
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.params import Params
from starsight.split import take
from starsight.stage import run
from starsight.tables import read_table, write_json
from starsight.tracking.runs import continue_run, flatten_params


def main(params: Params, layout: Layout) -> None:
    reviews = read_table(layout.clean, columns=COLUMNS)
    test = take(reviews[reviews["split"] == "test"], len(reviews))
    with continue_run(layout) as mlflow_run:
        facts = {"model": params.model, "dataset": params.dataset, "run": mlflow_run.run_id}

        explained = explain_model(Predictor.load(layout.finetuned), test, params, layout)

        explained.write(layout.explanations, facts)
        write_json(explained.report, layout.explain_report)
        mlflow_run.log_params(flatten_params(params))
        mlflow_run.log_tables(explained.tables)
        mlflow_run.finish_stage(layout, explained.report, layout.explain_report, layout.explanations)


if __name__ == "__main__":
    run(main)
