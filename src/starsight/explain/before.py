"""What the model's words were before it was fine-tuned: the paper's other column."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from starsight.explain.reviews import explain_reviews
from starsight.explain.words import ExplainedReview
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.model.start import start_regressor
from starsight.model.target import STARS_AS_THEY_ARE
from starsight.params import Params


def explain_before(
    predictor: Predictor, params: Params, layout: Layout, reviews: Sequence[ExplainedReview]
) -> list[ExplainedReview]:
    """The same texts under the pretrained backbone and a head of random weights, read as ``predictor`` reads them.

    Raises:
        ModelError: the pretrained weights cannot be had.
    """
    with torch.random.fork_rng():
        torch.manual_seed(params.seed)
        start = start_regressor(params, layout, predictor.tokenizer, STARS_AS_THEY_ARE)
    before = replace(predictor, regressor=start, calibration=None)
    return explain_reviews(before, [review.text for review in reviews], [review.stars_true for review in reviews])
