"""The model and its rivals on the same test reviews."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from starsight.errors import DataError, ModelError
from starsight.evaluate.baselines import (
    RidgePredictions,
    best_constant,
    ridge_on_reviews,
    ridge_on_states,
    true_stars,
)
from starsight.evaluate.frozen import read_texts
from starsight.evaluate.methods import LABELS, Method
from starsight.layout import Layout
from starsight.metrics import METRICS, Stars
from starsight.model.predictor import Predictions, Predictor
from starsight.model.start import start_regressor
from starsight.model.target import STARS_AS_THEY_ARE
from starsight.params import Params
from starsight.records import SPLITS
from starsight.split import take

COLUMNS = [
    "review_id",
    "user_id",
    "product_id",
    "stars",
    "time",
    "category",
    "text_clean",
    "spelling_corrected",
    "split",
]
"""What is read of the clean reviews."""


@dataclass(frozen=True)
class Measured:
    """The test reviews and what every method makes of them."""

    test: pd.DataFrame
    """Rows of the clean reviews, in the order of the predictions."""
    methods: list[Method]
    """The model first."""
    predictions: Predictions | None
    """The model's, with their intervals; None from a model that has none."""
    warnings: list[str]
    """What a reader must know before believing the numbers, a sentence each."""

    @property
    def stars_true(self) -> Stars:
        """``(reviews,)``."""
        return true_stars(self.test)


def take_test_reviews(reviews: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Those of the clean reviews that every model is measured on; none where no review is for testing."""
    return take(reviews[reviews["split"] == "test"], params.evaluate.max_test_reviews)


def check_numbers(stars_pred: Stars, who: str) -> None:
    """Refuse ratings ``(reviews,)`` of which some are NaN or infinite.

    Raises:
        ModelError: ``who`` gave such ones.
    """
    if n_none := int((~np.isfinite(stars_pred)).sum()):
        raise ModelError(f"{who} rates {n_none} reviews as no number.")


def rate_test_reviews(
    predictor: Predictor,
    reviews: pd.DataFrame,
    params: Params,
    layout: Layout,
    champion: tuple[str, Predictor] | None = None,
) -> Measured:
    """Let the model and its rivals rate the test reviews.

    Ridge on word counts is fitted twice: on the very reviews that the model learnt from, and on every training review
    there is.

    Args:
        predictor: The fine-tuned model.
        reviews: ``COLUMNS`` of the clean reviews, every split.
        params: The settings.
        layout: Where pretrained weights are kept.
        champion: Version and model of the registered champion, where it is a rival.

    Raises:
        DataError: a split is empty.
    """
    by_split = dict(list(reviews.groupby("split")))
    if missing := [split for split in SPLITS if split not in by_split]:
        raise DataError(f"no review is in the {' and the '.join(missing)} split; see clean.split in params.yaml.")
    train, validation = by_split["train"], take(by_split["validation"], params.finetune.max_validation_reviews)
    test = take_test_reviews(reviews, params)
    sample = take(train, params.finetune.max_train_reviews)
    stars = true_stars(sample)
    constants = {metric.name: np.full(len(test), best_constant(metric, stars)) for metric in METRICS}
    predictions = predictor.predict_clean_texts(_texts(test)) if predictor.calibration else None
    stars_pred = predictions.stars if predictions else predictor.rate_clean_texts(_texts(test))
    methods = [
        Method("test", f"fine-tuned {params.model}", len(sample), stars_pred),
        Method("constant", LABELS["constant"], len(sample), constants["mae"], constants),
        *_before_finetuning(predictor, sample, validation, test, params, layout),
        _ridge("ridge", sample, validation, test, params),
    ]
    if len(sample) < len(train):
        methods.append(_ridge("ridge_all", train, validation, test, params))
    warnings: list[str] = []
    if champion:
        version, its_predictor = champion
        label = f"{LABELS['champion']}, version {version}, measured on this split"
        stars_of_champion = its_predictor.rate_clean_texts(_texts(test))
        try:
            check_numbers(stars_of_champion, f"version {version}")
            methods.append(Method("champion", label, None, stars_of_champion))
        except ModelError as error:  # the model's own numbers hold without it
            warnings.append(f"The champion was not measured: {error}")
    return Measured(test, methods, predictions, warnings)


def _before_finetuning(
    predictor: Predictor,
    sample: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    params: Params,
    layout: Layout,
) -> list[Method]:
    """The paper's model before fine-tuning: pretrained weights, a random head, its output taken for stars as it is. And
    an honest one: ridge on the states of the same backbone. One pass over the test reviews serves both."""
    torch.manual_seed(params.seed)
    regressor = start_regressor(params, layout, predictor.tokenizer, STARS_AS_THEY_ARE)
    learnt = sample.iloc[: params.evaluate.max_frozen_reviews]
    on_test, on_train, on_validation = (
        read_texts(regressor, predictor, _texts(reviews), "read, not fine-tuned")
        for reviews in (test, learnt, validation)
    )
    ridge = ridge_on_states(
        on_train.states,
        true_stars(learnt),
        on_validation.states,
        true_stars(validation),
        on_test.states,
        params.evaluate.frozen_alphas,
    )
    return [
        Method("untrained", f"{params.model} under {LABELS['untrained']}", 0, on_test.stars_pred),
        _as_method("frozen", f"{LABELS['frozen']} of {params.model}", len(learnt), ridge),
    ]


def _ridge(name: str, train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame, params: Params) -> Method:
    ridge = ridge_on_reviews(train, validation, test, params.evaluate.ridge_alphas)
    return _as_method(name, LABELS[name], len(train), ridge)


def _as_method(name: str, label: str, n_train_reviews: int, ridge: RidgePredictions) -> Method:
    facts = {f"{name}_alpha_mae": ridge.alpha, f"{name}_alpha_rmse": ridge.alpha_rmse}
    squared = {metric.name: ridge.stars_pred_rmse for metric in METRICS if metric.squared}
    return Method(name, label, n_train_reviews, ridge.stars_pred, squared, facts)


def _texts(reviews: pd.DataFrame) -> list[str]:
    return list(reviews["text_clean"])
