"""An evaluation as a whole: the metrics, the tables behind the plots, and the page."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from starsight.errors import StarsightError
from starsight.evaluate.behaviour import KINDS, BehaviourResult, behaviour_metrics, run_behaviour
from starsight.evaluate.coverage import Coverage, calibration_table, measure_coverage
from starsight.evaluate.fold_summary import CrossValidation
from starsight.evaluate.report import (
    before_after,
    build_metrics,
    errors_by_star,
    predictions_table,
    write_evaluation_page,
)
from starsight.evaluate.rivals import COLUMNS, Measured, rate_test_reviews
from starsight.evaluate.slices import (
    MIN_SLICE_REVIEWERS,
    measure_slices,
    slice_metrics,
    slices_by_group,
    slices_of,
    summarise_slices,
)
from starsight.intervals import FEW_CLUSTERS, ClusterBootstrap
from starsight.layout import Layout
from starsight.metrics import errors
from starsight.model.predictor import Predictor
from starsight.params import Params
from starsight.split import kept_together, rows_hash
from starsight.tables import read_csv, read_table, write_csv, write_json
from starsight.tracking.champion import load_champion

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What the test reviews say of a model and its rivals."""

    measured: Measured
    metrics: dict[str, float]
    """Flat, those of all parts of the evaluation together."""
    split_by: str
    """What the split keeps together, a key of ``UNSEEN``."""
    warnings: tuple[str, ...]
    """What a reader must know before believing the numbers, a sentence each."""
    slices: pd.DataFrame
    """See ``measure_slices``."""
    min_slice_reviews: int
    """Of a slice that was judged."""
    behaviour: list[BehaviourResult]
    coverage: Coverage | None
    """Of the intervals; None from a model that has none."""
    folds: CrossValidation

    @property
    def texts(self) -> list[str]:
        """Clean texts of the test reviews."""
        return list(self.measured.test["text_clean"])

    @property
    def test_rows(self) -> str:
        """Name of the test reviews: numbers on the same name can be compared."""
        return rows_hash(self.measured.test)

    def write(self, layout: Layout, facts: Mapping[str, str]) -> None:
        """Write metrics, plots' data and the page; ``facts`` are shown on the page as given."""
        truth, test, methods = self.measured.stars_true, self.measured.test, self.measured.methods
        by_star = errors_by_star(truth, methods[0].stars_pred)
        write_csv(by_star, layout.errors_by_star)
        write_csv(before_after(self.metrics), layout.before_after)
        predictions = predictions_table(test, methods[0].stars_pred, self.measured.predictions)
        write_csv(predictions, layout.predictions)
        write_csv(calibration_table(self.coverage), layout.calibration)
        write_csv(self.slices, layout.slices)
        write_csv(self.folds.table, layout.folds)
        write_evaluation_page(
            layout.evaluation_page,
            metrics=self.metrics,
            methods=methods,
            epochs=read_csv(layout.epochs),
            by_star=by_star,
            split_by=self.split_by,
            facts=facts,
            warnings=self.warnings,
            parts={
                "slices_sentence": summarise_slices(self.slices),
                "slice_groups": slices_by_group(self.slices),
                "min_slice_reviews": self.min_slice_reviews,
                "min_slice_reviewers": MIN_SLICE_REVIEWERS,
                "behaviour_results": self.behaviour,
                "behaviour_kinds": KINDS,
                "coverage": self.coverage,
                "cross_validation": self.folds,
            },
        )
        write_json(self.metrics, layout.metrics)


def evaluate_model(
    predictor: Predictor, params: Params, layout: Layout, run_id: str, folds: CrossValidation
) -> Evaluation:
    """Let the model and its rivals rate the test reviews, and compare them on the same resamples of reviewers.

    Args:
        predictor: The fine-tuned model.
        params: The settings.
        layout: Where reviews, pretrained weights and the registry are.
        run_id: The run that made the model: its own version is no rival, should it be champion already.
        folds: What cross-validation found.

    Raises:
        DataError: a split is empty, or the test reviews are too few for an interval.
        ModelError: the pretrained weights cannot be had.
    """
    champion, warnings = None, []
    try:
        champion = load_champion(layout, other_than=run_id)
    except StarsightError as error:  # the model's own numbers hold without it
        warnings.append(f"The champion was not measured: {error}")
    measured = rate_test_reviews(predictor, read_table(layout.clean, columns=COLUMNS), params, layout, champion)
    warnings += measured.warnings
    reviewers = list(measured.test["user_id"])
    bootstrap = ClusterBootstrap(reviewers, draws=params.evaluate.bootstrap_draws, seed=params.seed)
    if bootstrap.n_clusters < FEW_CLUSTERS:
        warnings.append(
            f"The test reviews are by {bootstrap.n_clusters} reviewers: too few for an interval to be trusted, which "
            f"takes {FEW_CLUSTERS}; raise clean.split.test_share or evaluate.max_test_reviews."
        )
    for warning in warnings:
        log.warning("%s", warning)
    test = measured.test
    slices = measure_slices(
        test,
        errors(measured.stars_true, measured.methods[0].stars_pred),
        slices_of(test),
        bootstrap,
        min_reviews=params.evaluate.min_slice_reviews,
    )
    behaviour = run_behaviour(predictor.rate_texts, list(test["text_clean"]), params.seed)
    coverage = None
    if predictor.calibration and measured.predictions:
        coverage = measure_coverage(measured.stars_true, measured.predictions, predictor.calibration, bootstrap)
    metrics = {
        **build_metrics(measured.stars_true, measured.methods, bootstrap),
        **slice_metrics(slices),
        **behaviour_metrics(behaviour),
        **(coverage.metrics if coverage else {}),
        **folds.metrics,
    }
    split_by = kept_together(test, params.clean.split)
    return Evaluation(
        measured=measured,
        metrics=metrics,
        split_by=split_by,
        warnings=tuple(warnings),
        slices=slices,
        min_slice_reviews=params.evaluate.min_slice_reviews,
        behaviour=behaviour,
        coverage=coverage,
        folds=folds,
    )
