"""What an explanation costs: 2,000 test reviews rated, and rated with the weight and the contribution of every word.

    python -m benchmarks.explaining [FOLDER]

FOLDER is a repository in which the pipeline has run (here by default). The two take turns, block by block, so that a
machine that slows down slows both. Prints reviews a second of each, and as the last line a JSON object: ``ratio`` is
the speed of explaining as a share of that of rating, from the median block.
"""

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from starsight.explain.report import COLUMNS
from starsight.explain.reviews import explain_reviews
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.split import take
from starsight.tables import read_table

_BLOCK: Final = 250
"""Reviews a turn."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path.cwd())
    parser.add_argument("--reviews", type=int, default=2000, help="(%(default)s)")
    options = parser.parse_args()
    layout = Layout(options.folder, options.folder)
    reviews = read_table(layout.clean, columns=COLUMNS)
    texts = list(take(reviews[reviews["split"] == "test"], options.reviews)["text_clean"])
    result = measure(Predictor.load(layout.finetuned), texts)
    sys.stdout.write(
        f"rated {result['rated_per_s']:.1f} reviews/s, explained {result['explained_per_s']:.1f} reviews/s\n"
        f"{json.dumps(result)}\n"
    )


def measure(predictor: Predictor, texts: list[str]) -> dict[str, float]:
    """Reviews a second, rated and explained, and the ratio of the two."""
    blocks = [texts[start : start + _BLOCK] for start in range(0, len(texts), _BLOCK)]
    predictor.rate_clean_texts(blocks[0][:32])  # the first batch of a process is slow
    seconds = []
    for block in blocks:
        started = perf_counter()
        predictor.rate_clean_texts(block)
        rated = perf_counter()
        explain_reviews(predictor, block, [np.nan] * len(block))
        seconds.append((rated - started, perf_counter() - rated))
    rating, explaining = np.transpose(seconds)
    return {
        "n_reviews": len(texts),
        "rated_per_s": round(len(texts) / float(rating.sum()), 1),
        "explained_per_s": round(len(texts) / float(explaining.sum()), 1),
        "ratio": round(float(np.median(rating / explaining)), 3),
    }


if __name__ == "__main__":
    main()
