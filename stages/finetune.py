"""Fine-tune the chosen model on the tokenized reviews; a killed run goes on where it was.

Reads   data/processed/, models/adapted/, reports/adaptation.json, data/interim/corrections.parquet; for a teacher the
        texts in data/interim/clean.parquet
Writes  models/finetuned/, models/run.json, reports/training.json, reports/plots/epochs.csv
"""

from starsight.layout import Layout
from starsight.params import Params
from starsight.stage import run
from starsight.tables import write_csv, write_json
from starsight.tracking.runs import flatten_params, open_run, run_name, write_run_file
from starsight.train.group import process_group
from starsight.train.session import help_to_train, train_predictor, training_folder


def main(params: Params, layout: Layout) -> None:
    with process_group() as group:
        folder = training_folder(params, layout, group)
        if not group.leads:
            help_to_train(params, layout, folder, group)
            return
        with folder.alone(), open_run(layout, run_name(params), folder.run_id) as mlflow_run:
            mlflow_run.log_params(flatten_params(params))
            mlflow_run.log_adaptation(layout)

            finetuned = train_predictor(params, layout, folder, mlflow_run, group)

            finetuned.predictor.save(layout.finetuned)
            write_csv(finetuned.epochs, layout.epochs)
            write_json(finetuned.report, layout.training_report)
            mlflow_run.finish_stage(layout, finetuned.measurements, layout.training_report)
            write_run_file(mlflow_run, layout)


if __name__ == "__main__":
    run(main)
