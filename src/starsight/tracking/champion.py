"""The fine-tuned model of a registered version, as the pipeline uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.exceptions import MlflowException

from starsight.errors import DataError, ModelError, RegistryError
from starsight.layout import Layout
from starsight.model.predictor import Predictor
from starsight.tracking.registry import FINETUNED, MODEL
from starsight.tracking.store import not_installed
from starsight.tracking.versions import find_champion


def load_champion(layout: Layout, *, other_than: str | None = None) -> tuple[str, Predictor] | None:
    """The champion's version and its model.

    The model is read by this starsight, not by the code that the version carries: both are to be measured alike.

    Args:
        layout: Where the store is.
        other_than: A run whose own version does not count.

    Returns:
        None where no version is champion, or where it is that of ``other_than``.

    Raises:
        RegistryError: the registry cannot be reached, or the champion's files are gone or cannot be read.
    """
    champion = find_champion(layout)
    if champion is None or champion.run_id == other_than:
        return None
    with version_files(champion.number) as folder:
        return champion.number, load_files(folder, champion.number)


@contextmanager
def version_files(version: str) -> Iterator[Path]:
    """A copy of the folder that ``Predictor.save`` wrote, as long as the block lasts; ``connect`` has been called.

    Raises:
        RegistryError: there is no such version, or its artifacts are gone.
    """
    with TemporaryDirectory(prefix="starsight-version-") as folder:
        try:
            uri = f"models:/{MODEL}/{version}/artifacts/{FINETUNED}"
            files = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        except ModuleNotFoundError as error:
            raise not_installed(f"the folder of version {version} of {MODEL}", error) from None
        except (MlflowException, OSError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise RegistryError(
                f"version {version} of {MODEL} cannot be loaded, its artifacts are gone or out of reach ({reason})."
            ) from None
        yield Path(files)


def load_files(folder: Path, version: str) -> Predictor:
    """The model in ``folder``, from ``version_files``.

    Raises:
        RegistryError: a file is missing or broken.
    """
    try:
        return Predictor.load(folder)
    except (DataError, ModelError, OSError, KeyError, TypeError, ValueError) as error:
        reason = str(error).replace(f"{folder}/", "")
        raise RegistryError(f"version {version} of {MODEL} cannot be loaded: {reason}") from None
