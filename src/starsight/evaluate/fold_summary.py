"""What the errors on every fold come to: means, intervals and tests, as metrics and in words."""

from dataclasses import dataclass, field

import pandas as pd

from starsight.evaluate.folds import FOLD_COLUMNS
from starsight.evaluate.resampled import nadeau_bengio
from starsight.intervals import Difference, Estimate
from starsight.pages import interval, p_value, stars


@dataclass(frozen=True)
class Earlier:
    """A cross-validation of another model, as its MLflow run has kept it."""

    run_id: str
    name: str
    """Of the run."""
    rows: str
    """``Folds.rows``."""
    table: pd.DataFrame
    """``FOLD_COLUMNS``."""


@dataclass(frozen=True)
class RivalDifference:
    """The model's error minus a rival's, fold by fold: below 0 where the model is closer."""

    name: str
    """Opens its metrics: ``folds_minus_ridge``."""
    label: str
    """The rival in plain words."""
    mae: Difference
    rmse: Difference


@dataclass(frozen=True)
class CrossValidation:
    """What the folds say of a model; nothing where ``evaluate.folds`` is 0."""

    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=FOLD_COLUMNS))
    """``FOLD_COLUMNS``, one row a fold."""
    rows: str | None = None
    """Name of the folds; see ``Folds.rows``."""
    label: str = ""
    """The model in plain words."""
    errors: dict[str, Estimate] = field(default_factory=dict)
    """Mean errors over the folds, by metric name: ``folds_mae``, ``folds_ridge_rmse``."""
    differences: tuple[RivalDifference, ...] = ()
    """From ridge, then from the earlier model where one was named."""

    @property
    def metrics(self) -> dict[str, float]:
        """Flat: each of ``errors`` with ``_low`` and ``_high``; each difference's ``<name>_mae`` and ``<name>_rmse``
        with ``_low``, ``_high`` and ``_p``; mean sizes of a fold as ``folds_n_train_reviews`` and
        ``folds_n_test_reviews``."""
        if self.rows is None:
            return {}
        n_train, n_test = _sizes(self.table)
        metrics: dict[str, float] = {"folds_n_train_reviews": n_train, "folds_n_test_reviews": n_test}
        for name, error in self.errors.items():
            metrics |= error.named(name)
        for each in self.differences:
            metrics |= each.mae.named(f"{each.name}_mae") | each.rmse.named(f"{each.name}_rmse")
        return metrics

    @property
    def sentence(self) -> str:
        """The result in words."""
        own = self.errors["folds_mae"]
        said = [
            f"Trained anew {len(self.table)} times, each time without the reviews that it then rated, {self.label} is "
            f"off by {stars(own.value, 2)} stars on average (95 % interval {interval(own.low, own.high, 2)})"
        ]
        said += [_in_words(each) for each in self.differences]
        return "; ".join(said) + "."


def summarise_folds(table: pd.DataFrame, rows: str, label: str, earlier: Earlier | None) -> CrossValidation:
    """Means, intervals and tests of the errors of every fold.

    Args:
        table: ``FOLD_COLUMNS``, one row a fold.
        rows: Name of the folds.
        label: The model in plain words.
        earlier: Another model on the same folds.
    """
    n_train, n_test = _sizes(table)
    errors = {
        f"folds_{name}{metric}": nadeau_bengio(table[f"{method}_{metric}"], n_train, n_test).estimate
        for name, method in (("", "model"), ("ridge_", "ridge"))
        for metric in ("mae", "rmse")
    }
    rivals = [("folds_minus_ridge", "TF-IDF and ridge", table[["ridge_mae", "ridge_rmse"]], n_train)]
    if earlier is not None:
        other = earlier.table.sort_values("fold", ignore_index=True)
        # the smaller number to learn from: folds that learnt less differ more by chance
        fewer = min(n_train, _sizes(other)[0])
        rivals.append(("folds_minus_other", earlier.name, other[["model_mae", "model_rmse"]], fewer))
    differences = tuple(
        RivalDifference(
            name,
            rival,
            nadeau_bengio(table["model_mae"] - theirs.iloc[:, 0], n_learnt, n_test),
            nadeau_bengio(table["model_rmse"] - theirs.iloc[:, 1], n_learnt, n_test),
        )
        for name, rival, theirs, n_learnt in rivals
    )
    return CrossValidation(table, rows, label, errors, differences)


def _sizes(table: pd.DataFrame) -> tuple[float, float]:
    """Reviews that a fold learns from and is measured on, on average."""
    return float(table["n_train"].mean()), float(table["n_test"].mean())


def _in_words(difference: RivalDifference) -> str:
    gap = difference.mae
    closer = gap.value <= 0
    low, high = sorted((abs(gap.low), abs(gap.high)))
    size = f"{stars(abs(gap.value))} stars {'closer' if closer else 'further off'} than {difference.label}"
    if gap.sign:
        return f"that is {size} ({interval(low, high)}, {p_value(gap.p)})"
    return f"that is {size}, which may be chance ({p_value(gap.p)})"
