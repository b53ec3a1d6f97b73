"""Read the reviews of the chosen dataset: every record is kept, or rejected with a reason.

Reads   the source in datasets.<dataset>: files, an address, a wheel, the hub or a database
Writes  data/interim/reviews.parquet, data/interim/rejected.parquet, reports/ingest.json
"""

from starsight.ingest.outcome import ingest
from starsight.layout import Layout
from starsight.params import Params
from starsight.stage import run


def main(params: Params, layout: Layout) -> None:
    ingest(params.dataset_row, layout, params.ingest)  # a stream: it saves as it reads


if __name__ == "__main__":
    run(main)
