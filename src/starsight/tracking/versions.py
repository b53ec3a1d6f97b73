"""Versions of the registered model as the gate sees them: which there are, what they say of themselves, who has which
alias. ``connect`` has been called before any of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from starsight.errors import RegistryError
from starsight.tracking.registry import CHAMPION, MODEL
from starsight.tracking.store import registry_errors

_REGISTRY = "the model registry"


@dataclass(frozen=True)
class Version:
    """A registered version and the run that made it."""

    number: str
    run_id: str
    run_tags: Mapping[str, str] = field(compare=False)
    run_params: Mapping[str, str] = field(compare=False)

    @property
    def name(self) -> str:
        """For people: ``version 3 (minilm)``."""
        return f"version {self.number} ({self.run_params.get('model', 'a model without a name')})"


def version_with(alias: str) -> Version | None:
    """The version that has the alias; None where none has, or nothing is registered yet."""
    with registry_errors(_REGISTRY):
        number = _aliases().get(alias)
        return None if number is None else _version(str(number))


def version_numbered(number: str) -> Version:
    """The version of that number.

    Raises:
        RegistryError: there is none.
    """
    with registry_errors(_REGISTRY):
        try:
            return _version(number)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            versions = mlflow.MlflowClient().search_model_versions(f"name='{MODEL}'")
            there = ", ".join(str(each) for each in sorted(int(version.version) for version in versions))
            raise RegistryError(
                f"{MODEL} has no version {number}, or its run is gone; there are: {there or 'none'}"
            ) from None


def make_champion(version: Version) -> None:
    """Move the alias ``champion``."""
    with registry_errors(_REGISTRY):
        mlflow.MlflowClient().set_registered_model_alias(MODEL, CHAMPION, version.number)


def tag_version(version: Version, tags: Mapping[str, str]) -> None:
    """Set tags of the version, replacing older values."""
    with registry_errors(_REGISTRY):
        for key, value in tags.items():
            mlflow.MlflowClient().set_model_version_tag(MODEL, version.number, key, value)


def read_report(version: Version, name: str) -> dict[str, Any] | None:
    """A JSON report of the version's run, such as ``validation.json``; None where the run has none."""
    path = f"reports/{name}"
    with registry_errors("the run's reports"):
        if path not in {each.path for each in mlflow.MlflowClient().list_artifacts(version.run_id, "reports")}:
            return None
        report: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/{path}")
        return report


def _version(number: str) -> Version:
    client = mlflow.MlflowClient()
    run = client.get_run(client.get_model_version(MODEL, number).run_id)
    return Version(number, run.info.run_id, run.data.tags, run.data.params)


def _aliases() -> dict[str, str]:
    try:
        aliases: dict[str, str] = mlflow.MlflowClient().get_registered_model(MODEL).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    return aliases
