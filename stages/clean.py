"""Clean the ingested reviews: repair texts, correct spelling, drop repeated reviews, assign splits.

Reads   data/interim/reviews.parquet
Writes  data/interim/clean.parquet, data/interim/dropped.parquet, data/interim/corrections.parquet, reports/clean.json
"""

from starsight.clean.pipeline import clean_reviews
from starsight.layout import Layout
from starsight.params import Params
from starsight.records import CLEAN_SCHEMA, CORRECTIONS_SCHEMA, DROPPED_SCHEMA
from starsight.stage import run
from starsight.tables import read_table, write_json, write_table


def main(params: Params, layout: Layout) -> None:
    reviews = read_table(layout.reviews)

    clean = clean_reviews(reviews, params.clean)

    write_table(clean.kept, layout.clean, CLEAN_SCHEMA)
    write_table(clean.dropped, layout.dropped, DROPPED_SCHEMA)
    write_table(clean.corrections, layout.corrections, CORRECTIONS_SCHEMA)
    write_json(clean.report, layout.clean_report)


if __name__ == "__main__":
    run(main)
