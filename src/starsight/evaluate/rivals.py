"""The model and its rivals on the same test reviews."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from starsight.errors import DataError
from starsight.evaluate.baselines import best_constants, ridge_predictions
from starsight.evaluate.methods import LABELS, Method
from starsight.layout import Layout
from starsight.metrics import Stars
from starsight.model.predictor import Predictor
from starsight.model.start import start_regressor
from starsight.model.target import STARS_AS_THEY_ARE
from starsight.params import Params
from starsight.records import SPLITS
from starsight.split import take

COLUMNS = ["review_id", "user_id", "stars", "text_clean", "split"]
"""What is read of the clean reviews."""


@dataclass(frozen=True)
class Measured:
    """The test reviews and what every method makes of them."""

    test: pd.DataFrame
    """Rows of the clean reviews, in the order of the predictions."""
    methods: list[Method]
    """The model first."""

    @property
    def stars_true(self) -> Stars:
        """``(reviews,)``."""
        return _stars(self.test)


def rate_test_reviews(predictor: Predictor, reviews: pd.DataFrame, params: Params, layout: Layout) -> Measured:
    """Let the model and its rivals rate the test reviews.

    Ridge is fitted twice: on the very reviews that the model learnt from, and on every training review there is.

    Args:
        predictor: The fine-tuned model.
        reviews: ``COLUMNS`` of the clean reviews, every split.
        params: The settings.
        layout: Where pretrained weights are kept.

    Raises:
        DataError: a split is empty.
    """
    by_split = dict(list(reviews.groupby("split")))
    if missing := [split for split in SPLITS if split not in by_split]:
        raise DataError(f"no review is in the {' and the '.join(missing)} split; see clean.split in params.yaml.")
    train, validation = by_split["train"], take(by_split["validation"], params.finetune.max_validation_reviews)
    test = take(by_split["test"], params.evaluate.max_test_reviews)
    sample = take(train, params.finetune.max_train_reviews)
    constants = best_constants(_stars(sample))
    methods = [
        Method("test", f"fine-tuned {params.model}", len(sample), predictor.rate_clean_texts(_texts(test))),
        Method(
            "constant",
            LABELS["constant"],
            len(sample),
            np.full(len(test), constants.median),
            stars_pred_rmse=np.full(len(test), constants.mean),
        ),
        Method(
            "untrained", f"{params.model} under {LABELS['untrained']}", 0, _untrained(predictor, test, params, layout)
        ),
        _ridge("ridge", sample, validation, test, params),
    ]
    if len(sample) < len(train):
        methods.append(_ridge("ridge_all", train, validation, test, params))
    return Measured(test, methods)


def _untrained(predictor: Predictor, test: pd.DataFrame, params: Params, layout: Layout) -> Stars:
    """The paper's model before fine-tuning: pretrained weights, a random head, its output taken for stars as it is."""
    torch.manual_seed(params.seed)
    regressor = start_regressor(params, layout, predictor.tokenizer, STARS_AS_THEY_ARE)
    return replace(predictor, regressor=regressor).rate_clean_texts(_texts(test), cut=False)


def _ridge(name: str, train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, params: Params) -> Method:
    ridge = ridge_predictions(
        _texts(train),
        _stars(train),
        _texts(validation),
        _stars(validation),
        _texts(test),
        params.evaluate.ridge_alphas,
    )
    facts = {f"{name}_alpha_mae": ridge.alpha, f"{name}_alpha_rmse": ridge.alpha_rmse}
    return Method(name, LABELS[name], len(train), ridge.stars_pred, ridge.stars_pred_rmse, facts)


def _texts(reviews: pd.DataFrame) -> list[str]:
    return list(reviews["text_clean"])


def _stars(reviews: pd.DataFrame) -> Stars:
    return reviews["stars"].to_numpy(dtype=np.float64)
