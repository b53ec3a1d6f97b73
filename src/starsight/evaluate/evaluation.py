"""An evaluation as a whole: the metrics, the tables behind the plots, and the page."""

from collections.abc import Mapping
from dataclasses import dataclass

from starsight.evaluate.report import build_metrics, errors_by_star, predictions_table, write_evaluation_page
from starsight.evaluate.rivals import COLUMNS, Measured, rate_test_reviews
from starsight.intervals import ClusterBootstrap
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.params import Params
from starsight.tables import read_csv, read_table, write_csv, write_json


@dataclass(frozen=True)
class Evaluation:
    """What the test reviews say of a model and its rivals."""

    measured: Measured
    metrics: dict[str, float]
    """Flat; see ``build_metrics``."""
    split_by: str
    """What the split keeps together."""

    def write(self, layout: Layout, facts: Mapping[str, str]) -> None:
        """Write metrics, plots' data and the page; ``facts`` are shown on the page as given."""
        truth, test, methods = self.measured.stars_true, self.measured.test, self.measured.methods
        by_star = errors_by_star(truth, methods[0].stars_pred)
        write_csv(by_star, layout.errors_by_star)
        write_csv(predictions_table(list(test["review_id"]), truth, methods[0].stars_pred), layout.predictions)
        write_evaluation_page(
            layout.evaluation_page,
            metrics=self.metrics,
            methods=methods,
            epochs=read_csv(layout.epochs),
            by_star=by_star,
            split_by=self.split_by,
            facts=facts,
        )
        write_json(self.metrics, layout.metrics)


def evaluate_model(predictor: Predictor, params: Params, layout: Layout) -> Evaluation:
    """Let the model and its rivals rate the test reviews, and compare them on the same resamples of reviewers."""
    measured = rate_test_reviews(predictor, read_table(layout.clean, columns=COLUMNS), params, layout)
    reviewers = list(measured.test["user_id"])
    bootstrap = ClusterBootstrap(reviewers, draws=params.evaluate.bootstrap_draws, seed=params.seed)
    metrics = build_metrics(measured.stars_true, measured.methods, bootstrap)
    # where a source names no reviewers, each review was split by itself
    unnamed = params.clean.split.by == "reviewer" and measured.test["user_id"].isna().all()
    split_by = "review" if unnamed else params.clean.split.by
    return Evaluation(measured, metrics, split_by)
