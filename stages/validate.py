"""Check what the clean reviews promise; a broken promise stops the pipeline, after its report is written.

Reads   data/interim/clean.parquet, data/interim/dropped.parquet, reports/clean.json, reports/ingest.json
Writes  reports/validation.json, reports/validation/
"""

from starsight.layout import Layout
from starsight.params import Params
from starsight.stage import run
from starsight.tables import write_json
from starsight.validate.evidence import read_evidence
from starsight.validate.report import validate


def main(params: Params, layout: Layout) -> None:
    evidence = read_evidence(layout)

    report = validate(
        evidence,
        params.validate_,
        split_by=params.clean.split.by,
        rating_mix=params.dataset_row.rating_mix,
        site=layout.validation_site,
    )

    write_json(report.flat(), layout.validation_report)
    report.enforce()


if __name__ == "__main__":
    run(main)
