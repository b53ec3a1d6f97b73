"""What it costs to keep a model and to ask it."""

import time
from collections.abc import Sequence
from pathlib import Path

from starsight.model.predictor import Predictor
from starsight.tables import folder_size

TIMED_REVIEWS = 500
"""Enough for full batches of every length; seconds even for the largest model."""


def measure_cost(predictor: Predictor, texts: Sequence[str], folder: Path) -> dict[str, float]:
    """Rating speed and size of a model that has rated before, so that nothing is loaded or compiled meanwhile.

    Args:
        predictor: The model.
        texts: Clean texts of the test reviews, a fair sample first; the first ``TIMED_REVIEWS`` are rated once more.
        folder: Where the model was saved.

    Returns:
        ``rate_reviews_per_s``, from text to stars in batches, and ``model_bytes``.
    """
    timed = list(texts[:TIMED_REVIEWS])
    started = time.perf_counter()
    predictor.rate_clean_texts(timed)
    seconds = time.perf_counter() - started
    return {"rate_reviews_per_s": round(len(timed) / seconds, 2), "model_bytes": float(folder_size(folder))}
