"""Versions of the registered model as the gate sees them: which there are, what they say of themselves, who has which
alias. ``connect`` has been called before any of these but ``find_champion``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from starsight.errors import RegistryError
from starsight.layout import Layout
from starsight.tracking.registry import CHAMPION, MODEL
from starsight.tracking.runs import REPORTS, report_text
from starsight.tracking.store import connect, is_missing, registry_errors

_REGISTRY = "the model registry"


@dataclass(frozen=True)
class Version:
    """A registered version and the run that made it."""

    number: str
    run_id: str
    run_tags: Mapping[str, str] = field(compare=False)
    run_params: Mapping[str, str] = field(compare=False)
    """Both are the version's own tags where the run is gone: ``registry.EVIDENCE_TAGS`` and ``EVIDENCE_PARAMS``."""

    @property
    def name(self) -> str:
        """For people: ``version 3 (minilm)``."""
        return f"version {self.number} ({self.run_params.get('model', 'a model without a name')})"


def find_champion(layout: Layout) -> Version | None:
    """The champion of the registry; None where there is none."""
    connect(layout)
    return version_with(CHAMPION)


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
            if not is_missing(error):
                raise
            versions = mlflow.MlflowClient().search_model_versions(f"name='{MODEL}'")
            there = ", ".join(str(each) for each in sorted(int(version.version) for version in versions))
            raise RegistryError(f"{MODEL} has no version {number}; there are: {there or 'none'}") from None


def make_champion(version: Version) -> None:
    """Move the alias ``champion``."""
    with registry_errors(_REGISTRY):
        mlflow.MlflowClient().set_registered_model_alias(MODEL, CHAMPION, version.number)


def replace_tags(version: Version, prefix: str, tags: Mapping[str, str]) -> None:
    """Set tags of the version, and take away all others that begin with ``prefix``."""
    client = mlflow.MlflowClient()
    with registry_errors(_REGISTRY):
        for key in client.get_model_version(MODEL, version.number).tags:
            if key.startswith(prefix) and key not in tags:
                client.delete_model_version_tag(MODEL, version.number, key)
        for key, value in tags.items():
            client.set_model_version_tag(MODEL, version.number, key, value)


def read_report(version: Version, name: str) -> dict[str, Any] | None:
    """A JSON report of the version's run, such as ``validation.json``; None where the run has none that can be read.

    Raises:
        RegistryError: the run is gone.
    """
    with registry_errors("the run's reports"):
        try:
            text = report_text(version.run_id, name)
            report = None if text is None else json.loads(text)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise RegistryError(
                f"the run {version.run_id} of {version.name} is gone from the MLflow store, and {REPORTS}/{name} with "
                "it; starsight promote --force --reason TEXT takes the version without"
            ) from None
        except ValueError:
            return None
    return report if isinstance(report, dict) else None


def _version(number: str) -> Version:
    client = mlflow.MlflowClient()
    registered = client.get_model_version(MODEL, number)
    try:
        run = client.get_run(registered.run_id).data
    except MlflowException as error:
        if not is_missing(error):
            raise
        return Version(number, registered.run_id, registered.tags, registered.tags)
    return Version(number, registered.run_id, run.tags, run.params)


def _aliases() -> dict[str, str]:
    try:
        aliases: dict[str, str] = mlflow.MlflowClient().get_registered_model(MODEL).aliases
    except MlflowException as error:
        if is_missing(error):
            return {}
        raise
    return aliases
