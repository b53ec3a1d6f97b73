"""Let the backbone read the training reviews before it learns their stars; off unless adapt.enabled.

Reads   data/processed/ (the train split)
Writes  models/adapted/ (adapted.json says whether a backbone is there), reports/adaptation.json
"""

from starsight.adapt.adaptation import adapting
from starsight.layout import Layout
from starsight.params import Params
from starsight.stage import run
from starsight.tables import write_json


def main(params: Params, layout: Layout) -> None:
    with adapting(params, layout) as adaptation:
        adaptation.save(layout)
        write_json(adaptation.report, layout.adaptation_report)


if __name__ == "__main__":
    run(main)
