"""Check what the clean reviews promise; a broken promise stops the pipeline, after its report is written.

Reads   data/interim/clean.parquet, reports/clean.json
Writes  reports/validation.json, reports/validation/
"""

from starsight.layout import Layout
from starsight.params import Params
from starsight.stage import run
from starsight.tables import read_json, read_table, write_json
from starsight.validate.report import validate


def main(params: Params, layout: Layout) -> None:
    reviews = read_table(layout.clean)
    counts = read_json(layout.clean_report)

    report = validate(
        reviews,
        dropped_share=counts["dropped"] / max(counts["reviews"], 1),
        params=params.validate_,
        split_by=params.clean.split.by,
        site=layout.validation_site,
    )

    write_json(report.as_json(), layout.validation_report)
    report.raise_if_broken()


if __name__ == "__main__":
    run(main)
