"""Clean the ingested reviews: repair texts, drop copies, correct spelling, assign splits.

Reads   data/interim/reviews.parquet, spelling_veto.txt
Writes  data/interim/clean.parquet, data/interim/dropped.parquet, data/interim/corrections.parquet,
        reports/clean.json, reports/cleaning.html
"""

from starsight.clean.pipeline import Output, clean_reviews
from starsight.clean.veto import read_veto
from starsight.layout import Layout
from starsight.params import Params
from starsight.records import CORRECTIONS_SCHEMA
from starsight.stage import run
from starsight.tables import write_json, write_table
from starsight.workers import processors


def main(params: Params, layout: Layout) -> None:
    veto = read_veto(layout.spelling_veto)

    report = clean_reviews(
        layout.reviews,
        Output(layout.clean, layout.dropped),  # streams: they are saved as they are made
        layout.clean_scratch,
        params.clean,
        veto=veto,
        n_workers=processors(),
    )

    write_table(report.corrections_table(), layout.corrections, CORRECTIONS_SCHEMA)
    write_json(report.flat(), layout.clean_report)
    report.write_page(layout.cleaning_page)


if __name__ == "__main__":
    run(main)
