"""Cross-validation: the model and ridge learn anew for every fold, and each review is rated by a model that never met
its reviewer. A killed one goes on in the fold where it was."""

import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from starsight import metrics
from starsight.errors import DataError
from starsight.evaluate.baselines import ridge_on_reviews, true_stars
from starsight.evaluate.fold_summary import CrossValidation, Earlier, summarise_folds
from starsight.evaluate.folds import COLUMNS, Fold, FoldErrors, Folds, deal_folds
from starsight.layout import Layout
from starsight.metrics import mae, rmse
from starsight.params import Params
from starsight.split import take
from starsight.tables import read_json, read_table, write_json
from starsight.train.checkpoint import CheckpointFolder, shaping_settings, training_key
from starsight.train.fold import train_on, weights_and_code

log = logging.getLogger(__name__)


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


def _key(folds: Folds, params: Params, layout: Layout) -> str:
    settings = shaping_settings(
        params,
        finetune=params.finetune.model_dump(),
        ridge_alphas=params.evaluate.ridge_alphas,
        validation_share=params.clean.split.validation_share,
        rows=folds.rows,
    )
    own = [Path(__file__).with_name(f"{module}.py") for module in ("baselines", "crossvalidation", "folds")]
    return training_key(settings, [*own, Path(metrics.__file__), *weights_and_code(params, layout)])


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
    ridge = ridge_on_reviews(train, validation, fold.test, params.evaluate.ridge_alphas)
    truth = true_stars(fold.test)
    return FoldErrors(
        fold.number,
        n_train=len(train),
        n_test=len(fold.test),
        model_mae=mae(truth, stars_pred),
        model_rmse=rmse(truth, stars_pred),
        ridge_mae=mae(truth, ridge.stars_pred),
        ridge_rmse=rmse(truth, ridge.stars_pred_rmse),
    )
