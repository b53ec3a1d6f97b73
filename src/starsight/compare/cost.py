"""What a model costs to train and to ask."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """From the metrics of a run; None where it recorded none, or nothing above 0."""

    training_s: float | None
    """Seconds of training steps, every epoch and every seed; reading and validation not counted."""
    training_reviews_per_s: float | None
    peak_memory_mib: float | None
    """Of training, in MiB."""
    n_parameters: float | None
    model_bytes: float | None
    """Everything that is registered: weights, tokenizer, corrections."""
    rating_reviews_per_s: float | None

    @classmethod
    def of(cls, metrics: Mapping[str, float]) -> "Cost":
        """The costs among a run's metrics."""

        def of(name: str) -> float | None:
            value = metrics.get(name, 0.0)
            return value if 0 < value < math.inf else None

        speed = of("reviews_per_s")
        n_seen = (of("epochs") or 0) * (of("n_train_reviews") or 0)
        return cls(
            # from counts, not from a clock: a training that was killed and went on has several
            training_s=n_seen / speed if speed and n_seen else None,
            training_reviews_per_s=speed,
            peak_memory_mib=of("peak_memory_mib"),
            n_parameters=of("n_parameters"),
            model_bytes=of("model_bytes"),
            rating_reviews_per_s=of("rate_reviews_per_s"),
        )

    @property
    def rating_ms(self) -> float | None:
        """Milliseconds that a review takes to be rated, in batches."""
        return 1000 / self.rating_reviews_per_s if self.rating_reviews_per_s else None
