"""The registered model ``starsight``: its versions, and who is champion."""

from importlib.metadata import version
from pathlib import Path

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from starsight import __file__ as package_file
from starsight.tracking.runs import Run
from starsight.tracking.store import registry_errors

MODEL = "starsight"
CHAMPION = "champion"
CHALLENGER = "challenger"

_EXAMPLE = ["It fits perfectly and I got so many compliments.", "The zipper broke and the fabric looked cheap."]

REQUIREMENTS = [
    "datasets",
    "ftfy",
    "mlflow",
    "numpy",
    "pandas",
    "peft",
    "psutil",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "safetensors",
    "torch",
    "tqdm",
    "tokenizers",
    "transformers",
]
"""What the served model imports; versions are those of this environment."""


def register_model(run: Run, finetuned: Path, metrics: dict[str, float]) -> None:
    """Put the fine-tuned model into the registry as challenger; as champion too where there is none yet.

    A run has one version: registering it again keeps that one.

    Args:
        run: The run that made the model.
        finetuned: ``models/finetuned``: weights, tokenizer, star scale and spelling corrections.
        metrics: Kept with the model, so that versions can be compared in the UI.
    """
    client = mlflow.MlflowClient()
    with registry_errors("the model registry"):
        number = _version_of(client, run) or _log_version(run, finetuned, metrics)
        client.set_registered_model_alias(MODEL, CHALLENGER, number)
        if CHAMPION not in client.get_registered_model(MODEL).aliases:
            client.set_registered_model_alias(MODEL, CHAMPION, number)


def _log_version(run: Run, finetuned: Path, metrics: dict[str, float]) -> str:
    package = Path(package_file).parent
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(package / "tracking" / "served.py"),
        artifacts={"finetuned": str(finetuned)},
        code_paths=[str(package)],  # the version answers the same after the library has moved on
        pip_requirements=_pinned(REQUIREMENTS),
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.string)]),
            outputs=Schema([ColSpec(DataType.double, "stars")]),
        ),
        input_example=_EXAMPLE,
        registered_model_name=MODEL,
    )
    mlflow.log_metrics(metrics, model_id=logged.model_id, run_id=run.run_id)
    return str(logged.registered_model_version)


def _pinned(names: list[str]) -> list[str]:
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def _version_of(client: mlflow.MlflowClient, run: Run) -> str | None:
    versions = client.search_model_versions(f"name='{MODEL}' and run_id='{run.run_id}'")
    return str(versions[0].version) if versions else None
