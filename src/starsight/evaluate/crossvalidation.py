"""Cross-validation: the model and ridge learn anew for every fold, and each review is rated by a model that never met
its reviewer. A killed one goes on in the fold where it was."""

import logging
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd

from starsight.errors import DataError
from starsight.evaluate.baselines import ridge_predictions
from starsight.evaluate.folds import COLUMNS, Fold, Folds, deal_folds
from starsight.evaluate.resampled import FoldMean, nadeau_bengio
from starsight.intervals import Estimate
from starsight.layout import Layout
from starsight.metrics import Stars, mae, rmse
from starsight.pages import stars
from starsight.params import Params
from starsight.split import take
from starsight.tables import read_json, read_table, write_json
from starsight.train.checkpoint import CheckpointFolder, shaping_settings, training_key
from starsight.train.fold import train_on, weights_and_code

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldErrors:
    """A row of the table: errors on one fold, in stars."""

    fold: int
    """Counts from 1."""
    n_train: int
    """Reviews learnt from; those that choose the epoch are not counted."""
    n_test: int
    model_mae: float
    model_rmse: float
    ridge_mae: float
    ridge_rmse: float


FOLD_COLUMNS = [each.name for each in fields(FoldErrors)]


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
    mae: FoldMean
    rmse: FoldMean


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
            f"off by {stars(own.value, 2)} stars on average (95 % interval {stars(own.low, 2)} to {stars(own.high, 2)})"
        ]
        said += [_in_words(each) for each in self.differences]
        return "; ".join(said) + "."


def cross_validate(params: Params, layout: Layout, earlier: Earlier | None) -> CrossValidation:
    """Fine-tune and measure the chosen model, and ridge, once for every fold.

    Folds that are done are read back; the one under way when a kill came goes on where it was, and on a CPU all ends
    with the same numbers, bit for bit. Changing ``evaluate.folds_against`` trains nothing.

    Args:
        params: The settings. Each fold learns with those of ``finetune``.
        layout: Where reviews, weights and finished folds are.
        earlier: Another model's cross-validation to compare with.

    Raises:
        DataError: the reviews fall into too few groups, or ``earlier`` has other folds; before anything is trained.
        ModelError: a training fails, or another process is at it.
    """
    settings = params.evaluate
    if not settings.folds:
        return CrossValidation()
    folds = deal_folds(take(read_table(layout.clean, columns=COLUMNS), settings.fold_reviews), settings.folds)
    if earlier is not None:
        _check_same_folds(earlier, folds)
    folder = CheckpointFolder(layout.cross_validation(_key(folds, params, layout)))
    with folder.alone(keep=True):
        numbers = range(1, folds.n + 1)
        table = pd.DataFrame([asdict(_measured_once(folds, number, params, layout, folder.root)) for number in numbers])
    label = f"fine-tuned {params.model}"
    return summarise_folds(table, folds.rows, label, earlier)


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


def _key(folds: Folds, params: Params, layout: Layout) -> str:
    settings = shaping_settings(
        params,
        finetune=params.finetune.model_dump(),
        ridge_alphas=params.evaluate.ridge_alphas,
        validation_share=params.clean.split.validation_share,
        rows=folds.rows,
    )
    own = [Path(__file__).with_name(f"{module}.py") for module in ("baselines", "crossvalidation", "folds")]
    return training_key(settings, [*own, *weights_and_code(params, layout)])


def _check_same_folds(earlier: Earlier, folds: Folds) -> None:
    if earlier.rows != folds.rows:
        raise DataError(
            f"evaluate.folds_against: the folds of run {earlier.run_id} ({earlier.rows}) are not the present ones "
            f"({folds.rows}); the same dataset, cleaning, evaluate.folds and evaluate.fold_reviews make the same."
        )


def _measured_once(folds: Folds, number: int, params: Params, layout: Layout, root: Path) -> FoldErrors:
    """Errors on a fold, from its file where it is done."""
    done, under_way = root / f"fold_{number}.json", CheckpointFolder(root / f"fold_{number}")
    if not done.exists():
        found = _measure(folds.fold(number, params.clean.split.validation_share), params, layout, under_way)
        write_json(asdict(found), done)
    shutil.rmtree(under_way.root, ignore_errors=True)  # it may outlive a kill that came right after the line above
    errors = FoldErrors(**read_json(done))
    log.info("fold %d of %d: MAE %.4f stars, ridge %.4f", number, folds.n, errors.model_mae, errors.ridge_mae)
    return errors


def _measure(fold: Fold, params: Params, layout: Layout, folder: CheckpointFolder) -> FoldErrors:
    train = take(fold.train, params.finetune.max_train_reviews)
    validation = take(fold.validation, params.finetune.max_validation_reviews)
    model = train_on(train, validation, params, layout, folder)
    stars_pred = model.rate_clean_texts(list(fold.test["text_clean"]))
    ridge = ridge_predictions(
        list(train["text_clean"]),
        _stars(train),
        list(validation["text_clean"]),
        _stars(validation),
        list(fold.test["text_clean"]),
        params.evaluate.ridge_alphas,
    )
    truth = _stars(fold.test)
    return FoldErrors(
        fold.number,
        n_train=len(train),
        n_test=len(fold.test),
        model_mae=mae(truth, stars_pred),
        model_rmse=rmse(truth, stars_pred),
        ridge_mae=mae(truth, ridge.stars_pred),
        ridge_rmse=rmse(truth, ridge.stars_pred_rmse),
    )


def _sizes(table: pd.DataFrame) -> tuple[float, float]:
    """Reviews that a fold learns from and is measured on, on average."""
    return float(table["n_train"].mean()), float(table["n_test"].mean())


def _stars(reviews: pd.DataFrame) -> Stars:
    return reviews["stars"].to_numpy(dtype=np.float64)


def _in_words(difference: RivalDifference) -> str:
    gap = difference.mae
    closer = gap.estimate.value <= 0
    low, high = sorted((abs(gap.estimate.low), abs(gap.estimate.high)))
    size = f"{stars(abs(gap.estimate.value))} stars {'closer' if closer else 'further off'} than {difference.label}"
    if gap.estimate.sign:
        return f"that is {size} ({stars(low)} to {stars(high)}, {gap.p_said})"
    return f"that is {size}, which may be chance ({gap.p_said})"
