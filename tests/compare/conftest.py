"""A store of a test's own, and runs as the stage evaluate leaves them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import yaml
from miniature import tiny_params

from starsight.evaluate.report import predictions_table
from starsight.intervals import ClusterBootstrap
from starsight.layout import Layout
from starsight.metrics import mae, rmse
from starsight.params import load_params
from starsight.split import rows_hash
from starsight.tables import write_csv
from starsight.tracking.runs import open_run

N = 120


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params("checkpoint", "reviews.csv")))
    return Layout(tmp_path, tmp_path)


@pytest.fixture
def params(layout):
    return load_params(layout.params)


def make_test_reviews(seed=0):
    """``N`` reviews by N / 3 reviewers, in the columns of the clean reviews."""
    stars = np.random.default_rng(seed).integers(1, 6, N).astype(float)
    return pd.DataFrame(
        {
            "review_id": [f"{seed}{i:04d}" for i in range(N)],  # read as a number, it would lose its zeros
            "user_id": [f"u{i // 3}" for i in range(N)],
            "stars": stars,
            "text_clean": [f"review {i} of {seed}" for i in range(N)],
        }
    )


@dataclass
class Store:
    """The layout's store, filled run by run."""

    layout: Layout

    def run(self, model, reviews, noise, *, seed=1, tagged=True, kept=True, dataset="tiny", **metrics):
        """A finished run that is off by ``noise`` stars in either direction; its id."""
        truth = reviews["stars"].to_numpy()
        generator = np.random.default_rng(seed)
        errors = noise * generator.choice([-1.0, 1.0], N) * generator.permutation(np.linspace(0.5, 1.5, N))
        bootstrap = ClusterBootstrap(list(reviews["user_id"]), draws=100, seed=0)
        recorded = {}
        for metric in (mae, rmse):
            recorded |= bootstrap.measure(metric, truth, truth + errors).named(f"test_{metric.name}")
        with open_run(self.layout, f"{model}-run", self.layout.scratch / f"{model}{seed}{dataset}{tagged}") as run:
            run.log_params({"model": model, "dataset": dataset})
            run.log(recorded | metrics)
            if tagged:
                run.tag(dataset=dataset, test_rows=rows_hash(reviews), device="cpu")
            if kept:
                write_csv(predictions_table(reviews, truth + errors, None), self.layout.predictions)
                run.log_artifact(self.layout.predictions, "reports")
        return run.run_id


@pytest.fixture
def store(layout):
    return Store(layout)
