"""The registered model ``starsight``: its versions, and who is champion."""

import logging
from importlib.metadata import version
from pathlib import Path

import mlflow

from starsight import __file__ as package_file
from starsight.gate.ledger import Entry, read_ledger, recorded, settle
from starsight.tracking.runs import Run, git_user
from starsight.tracking.store import registry_errors

log = logging.getLogger(__name__)

MODEL = "starsight"
CHAMPION = "champion"
CHALLENGER = "challenger"
FINETUNED = "finetuned"
"""The folder of ``Predictor.save`` among a version's artifacts."""

EVIDENCE_METRICS = [f"test_{error}{end}" for error in ("mae", "rmse") for end in ("", "_low", "_high")]
EVIDENCE_PARAMS = ["dataset", "model"]
EVIDENCE_TAGS = ["test_rows", "git_commit", "dvc_lock_sha256"]
"""What a version says of itself in tags, so that a reader of the registry need not look for its run."""

_EXAMPLE = ["It fits perfectly and I got so many compliments.", "The zipper broke and the fabric looked cheap."]

REQUIREMENTS = [
    "captum",
    "datasets",
    "ftfy",
    "huggingface_hub",
    "mlflow",
    "numpy",
    "pandas",
    "peft",
    "psutil",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "safetensors",
    "scipy",
    "torch",
    "tqdm",
    "tokenizers",
    "transformers",
]
"""What the served model imports; versions are those of this environment."""


def register_model(run: Run, finetuned: Path, metrics: dict[str, float], card: Path, ledger: Path) -> None:
    """Put the fine-tuned model into the registry as challenger; as champion too where it is the first.

    A run has one version: registering it again keeps that one. Where there was a champion before, no version takes its
    place unasked: that is for ``starsight promote`` and ``rollback``.

    Args:
        run: The run that made the model.
        finetuned: ``models/finetuned``: weights, tokenizer, star scale, calibration and spelling corrections.
        metrics: Kept with the model, so that versions can be compared in the UI.
        card: ``reports/MODEL_CARD.md``, kept among the version's artifacts.
        ledger: ``promotions.jsonl``, where the first champion is noted.
    """
    client = mlflow.MlflowClient()
    with registry_errors("the model registry"):
        number = _version_of(client, run) or _log_version(run, finetuned, metrics, card)
        _tag_with_evidence(client, number, run, metrics)
        client.set_registered_model_alias(MODEL, CHALLENGER, number)
        if CHAMPION in client.get_registered_model(MODEL).aliases:
            return
        entries = settle(read_ledger(ledger), None, None)
        if entries or number != "1":  # MLflow gives no number twice, that of a deleted version neither
            log.warning(
                "registry: there was a champion, and none is there now; version %s does not take its place unasked: "
                "starsight rollback brings back the one before, starsight promote --force --reason TEXT takes this one",
                number,
            )
            return
        why = "the first version: there was nothing to compare it with"
        first = Entry(kind="first", version=number, run_id=run.run_id, why=why, who=git_user())
        with recorded(first, entries, ledger):
            client.set_registered_model_alias(MODEL, CHAMPION, number)


def _tag_with_evidence(client: mlflow.MlflowClient, number: str, run: Run, metrics: dict[str, float]) -> None:
    data = client.get_run(run.run_id).data
    tags = {key: f"{metrics[key]:.4f}" for key in EVIDENCE_METRICS if key in metrics}
    tags |= {key: data.params[key] for key in EVIDENCE_PARAMS if key in data.params}
    tags |= {key: data.tags[key] for key in EVIDENCE_TAGS if key in data.tags}
    for key, value in tags.items():
        client.set_model_version_tag(MODEL, number, key, value)


def _log_version(run: Run, finetuned: Path, metrics: dict[str, float], card: Path) -> str:
    package = Path(package_file).parent
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(package / "tracking" / "served.py"),
        artifacts={FINETUNED: str(finetuned), "card": str(card)},
        code_paths=[str(package)],  # the version answers the same after the library has moved on
        pip_requirements=_pinned(REQUIREMENTS),
        # MLflow makes the signature itself, of predict's annotation and these: one that is given is not used
        input_example=(_EXAMPLE, {"explain": False}),
        registered_model_name=MODEL,
    )
    mlflow.log_metrics(metrics, model_id=logged.model_id, run_id=run.run_id)
    return str(logged.registered_model_version)


def _pinned(names: list[str]) -> list[str]:
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def _version_of(client: mlflow.MlflowClient, run: Run) -> str | None:
    versions = client.search_model_versions(f"name='{MODEL}' and run_id='{run.run_id}'")
    return str(versions[0].version) if versions else None
