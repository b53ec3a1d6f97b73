"""The model card: what the model is, how good, for whom, under which licences, and how to make it again."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from starsight.evaluate.report import UNSEEN
from starsight.layout import Layout
from starsight.pages import count, stars
from starsight.params import Model, Params
from starsight.tables import read_csv, read_json, write_text

NOT_STATED = "not stated"

_OPEN = (
    *("funded_by", "shared_by", "repo", "demo", "hardware_type", "hours_used", "cloud_provider", "cloud_region"),
    *(
        "co2_emitted",
        "compute_infrastructure",
        "citation_bibtex",
        "citation_apa",
        "model_card_authors",
        "model_card_contact",
    ),
    *("developers", "language", "more_information"),
)
"""Fields of the template that nobody told us anything about; left out, they would ask the reader for it."""

_SPLITS = {
    "reviewer": "Splits keep all reviews by a reviewer together",
    "product": "Splits keep all reviews of a product together",
    "time": "Splits go by date, the newest for test",
    "review": "Each review was put into a split by itself",
}

_SLICES_SHOWN = 60
"""Rows of the table of slices; the whole of it is among the run's reports."""


def model_card(
    params: Params, layout: Layout, metrics: Mapping[str, float], split_by: str, origin: Mapping[str, str]
) -> ModelCard:
    """Fill huggingface_hub's own template of a model card (Mitchell et al. 2019, Model Cards for Model Reporting).

    Args:
        params: What the model and its reviews were made by.
        layout: Where ``reports/training.json`` is, and ``reports/plots/slices.csv`` if slices were measured.
        metrics: From ``build_metrics``; every ``test_<metric>`` becomes a result, with its interval if it has one.
        split_by: What the split keeps together, a key of ``UNSEEN``.
        origin: From ``describe_origin``: commit, ``dvc.lock`` and version.

    Raises:
        DataError: ``reports/training.json`` is missing.
    """
    training = read_json(layout.training_report)
    data = ModelCardData(
        model_name=f"starsight-{params.model}-{params.dataset}",
        base_model=params.model_row.checkpoint if _on_hub(params.model_row, layout) else None,
        datasets=[params.dataset],
        license=params.model_row.license,
        library_name="starsight",
        pipeline_tag="text-classification",
        metrics=["mae", "rmse"],
        tags=["sentiment-analysis", "rating-prediction"],
        eval_results=[_result(params, name, metrics) for name in _measured(metrics)],
    )
    sentences = (
        _facts(params, metrics, training, split_by) | _reproduction(params, origin) | dict.fromkeys(_OPEN, NOT_STATED)
    )
    card: ModelCard = ModelCard.from_template(
        data,
        model_id=f"{params.model}, fine-tuned on {params.dataset}",
        results=_results(metrics),
        testing_factors=_slices(layout),
        **sentences,
    )
    return card


def save_card(card: ModelCard, path: Path) -> None:
    """Write the card as Markdown with its facts for machines in front."""
    write_text(str(card), path)


def _on_hub(row: Model, layout: Layout) -> bool:
    """Whether the checkpoint is named as the hub names it; the hub knows no wheels, folders or random weights."""
    return (
        isinstance(row.checkpoint, str)
        and row.checkpoint.count("/") == 1
        and not row.checkpoint.startswith(("/", ".", "~", "pypi:"))
        and not layout.named(row.checkpoint).is_dir()
    )


def _measured(metrics: Mapping[str, float]) -> list[str]:
    """``mae``, ``rmse`` and whatever else was measured of the model itself."""
    own = [name.removeprefix("test_") for name in metrics if name.startswith("test_") and "minus" not in name]
    return [name for name in own if not name.endswith(("_low", "_high", "_p"))]


def _result(params: Params, name: str, metrics: Mapping[str, float]) -> EvalResult:
    interval = {end: metrics[key] for end in ("low", "high") if (key := f"test_{name}_{end}") in metrics}
    return EvalResult(
        task_type="text-classification",
        task_name="rating of reviews, 1 to 5 stars",
        dataset_type=params.dataset,
        dataset_name=params.dataset,
        dataset_split="test",
        metric_type=name,
        metric_name=f"test_{name}",
        metric_value=metrics[f"test_{name}"],
        metric_args={f"interval_95_{end}": value for end, value in interval.items()} or None,
    )


def _facts(
    params: Params, metrics: Mapping[str, float], training: Mapping[str, float | str], split_by: str
) -> dict[str, str]:
    """Fields of the template, in plain sentences."""
    split, row, tuned = params.clean.split, params.model_row, params.finetune
    checkpoint = row.checkpoint if isinstance(row.checkpoint, str) else ", ".join(row.checkpoint)
    unseen = UNSEEN[split_by]
    return {
        "model_summary": "Predicts the stars of a review, 1 to 5, from its text, and says how much each word counted.",
        "model_description": (
            f"A {row.family} backbone under a head ({tuned.head}), fine-tuned with the objective `{tuned.objective}`."
        ),
        "model_type": f"{row.family}, {count(float(training['n_parameters']))} parameters",
        "license": (
            f"weights: {row.license or NOT_STATED}; reviews: {params.dataset_row.license or NOT_STATED}. A licence of "
            "the weights it started from, or of the reviews, may bind the fine-tuned model too."
        ),
        "base_model": f"`{checkpoint}`",
        "paper": "see the repository's README",
        "direct_use": "Rating reviews of the kind it was trained on, in bulk or one by one.",
        "downstream_use": "Ordering or summarising reviews where a mean error as stated below does no harm.",
        "out_of_scope_use": (
            "Judging people, other languages or other kinds of text than it was trained on, and any decision on a "
            "single review that nobody looks at."
        ),
        "bias_risks_limitations": (
            "It learnt from what reviewers wrote and shares their habits. Rare ratings, mostly the low ones, are drawn "
            "towards the common ones. Irony, facts outside the text and texts beyond "
            f"{params.tokenize.max_tokens} tokens are beyond it. The numbers below hold for reviews {unseen}, of the "
            f"same source; for others nothing was measured."
        ),
        "bias_recommendations": "Measure it on a sample of your own reviews before you rely on it.",
        "get_started_code": (
            "```python\nimport mlflow\n\n"
            'model = mlflow.pyfunc.load_model("models:/starsight@champion")  # or the version of this card\n'
            'model.predict(["It fits perfectly and I got so many compliments."])\n```'
        ),
        "training_data": (
            f"{count(metrics['n_train_reviews'])} reviews of the training split of `{params.dataset}` "
            f"(`{params.dataset_row.format}`, {_source(params)}), chosen by a stable hash; "
            f"{count(float(training['n_validation_reviews']))} of the validation split chose the epoch. Licence of the "
            f"reviews: {params.dataset_row.license or NOT_STATED}."
        ),
        "preprocessing": (
            "Markup removed, encoding repaired, exact and near copies dropped, spelling corrected; cut to "
            f"{params.tokenize.max_tokens} tokens (`{params.tokenize.cut}`)."
        ),
        "training_regime": (
            f"{training['precision']} on {training['device']}; {tuned.optimizer}, learning rate "
            f"{tuned.learning_rate:g}, batch of {tuned.batch_size}, best of {training['epochs']} epochs: "
            f"{training['best_epoch']}; seed {params.seed}, {tuned.seeds} seed(s)"
        ),
        "speeds_sizes_times": (
            f"{training['reviews_per_s']} training reviews a second; peak memory "
            f"{count(float(training['peak_memory_mib']))} MiB."
        ),
        "testing_data": (
            f"{count(metrics['n_test_reviews'])} reviews by {count(metrics['n_test_reviewers'])} reviewers of the test "
            f"split, {unseen}. {_SPLITS[split_by]}: {split.test_share:g} of them for test, {split.validation_share:g} "
            "for validation."
        ),
        "testing_metrics": (
            "MAE is the mean distance between predicted and true stars, RMSE the root of the mean squared one. "
            f"Intervals are 95 %, from {count(params.evaluate.bootstrap_draws)} resamples of whole reviewers."
        ),
        "model_examination": "Word weights and their faithfulness are in the run's `reports/explanations`.",
        "model_specs": f"Head `{tuned.head}`, objective `{tuned.objective}`, adapter `{tuned.adapter.kind}`.",
        "hardware_requirements": f"Trained on {training['device']}; rates on a CPU.",
    }


def _source(params: Params) -> str:
    """Where the reviews come from; an address of a database is not told, for it may hold a user's name."""
    row = params.dataset_row
    return "a database" if row.format == "sql" else f"`{row.source}`"


def _reproduction(params: Params, origin: Mapping[str, str]) -> dict[str, str]:
    changes = " with changes that were not committed" if origin["git_dirty"] == "true" else ""
    command = f"dvc exp run -S model={params.model} -S dataset={params.dataset}"
    return {
        "software": f"starsight {origin['starsight_version']}",
        "glossary": (
            f"**To make it again**\n\n- commit: `{origin['git_commit']}`{changes}\n"
            f"- `dvc.lock`, sha256: `{origin['dvc_lock_sha256']}`\n- command: `{command}`\n\n"
            "`params.yaml`, `dvc.yaml` and `dvc.lock` as they were lie among the run's artifacts, under `origin`."
        ),
    }


def _results(metrics: Mapping[str, float]) -> str:
    lines = ["| metric | value | 95 % interval |", "|---|---|---|"]
    for name in _measured(metrics):
        ends = [metrics.get(f"test_{name}_{end}") for end in ("low", "high")]
        interval = NOT_STATED if None in ends else " to ".join(stars(end) for end in ends if end is not None)
        lines.append(f"| {_cell(f'test_{name}')} | {stars(metrics[f'test_{name}'])} | {interval} |")
    return "\n".join(lines)


def _slices(layout: Layout) -> str:
    """The table of slices as it is; a short sentence where none was measured."""
    if not layout.slices.exists():
        return "Not measured."
    table = read_csv(layout.slices)
    shown = table.head(_SLICES_SHOWN)
    lines = [f"| {' | '.join(map(_cell, table.columns))} |", f"|{'---|' * len(table.columns)}"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in shown.itertuples(index=False)]
    left_out = len(table) - len(shown)
    return "\n".join(lines) + (f"\n\n{left_out} more rows are in the run's reports." if left_out else "")


def _cell(value: object) -> str:
    """A value of a Markdown table: names of slices come from the data, and must not end the cell or open a tag."""
    if isinstance(value, float):
        return NOT_STATED if pd.isna(value) else stars(value)
    text = " ".join(str(value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("`", "'")
