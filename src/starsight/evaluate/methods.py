"""A way to rate the test reviews: the model, or one of its rivals."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starsight.metrics import Metric, Stars

LABELS = {
    "test": "this model",
    "ridge_all": "TF-IDF and ridge on every training review",
    "ridge": "TF-IDF and ridge on the model's training reviews",
    "frozen": "ridge on the frozen backbone",
    "champion": "the champion",
    "constant": "the best constant",
    "untrained": "an untrained head",
}
"""What a reader calls each method, by the name that opens its metrics."""


@dataclass(frozen=True)
class Method:
    """A way to rate the test reviews."""

    name: str
    """Opens the names of its metrics."""
    label: str
    """The same in plain words."""
    n_train_reviews: int | None
    """Reviews it learnt from; None where nothing here knows."""
    stars_pred: Stars
    """``(reviews,)``, in stars."""
    answers: Mapping[str, Stars] = field(default_factory=dict)
    """``(reviews,)``, in stars, by the name of a metric that calls for another answer: the mean for RMSE, where
    ``stars_pred`` is the median."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """How it was made, by metric name, such as the strength that was chosen."""

    def answer(self, metric: Metric) -> Stars:
        """The stars that it is measured with, ``(reviews,)``: its better answer for that metric."""
        return self.answers.get(metric.name, self.stars_pred)
