"""Champion and challenger rate the same test reviews, now, in turn: the evidence for the decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np
import pandas as pd

from starsight.errors import DataError
from starsight.evaluate.baselines import true_stars
from starsight.evaluate.rivals import COLUMNS, check_numbers, take_test_reviews
from starsight.evaluate.slices import slices_of
from starsight.gate.decision import Evidence, Rated
from starsight.layout import Layout
from starsight.metrics import Stars, errors
from starsight.model.predictor import Predictor
from starsight.params import Params
from starsight.split import rows_hash
from starsight.tables import folder_size, read_table
from starsight.tracking.champion import load_files, version_files
from starsight.tracking.versions import Version, read_report

_BLOCKS: Final = 8
"""Parts in which the reviews are rated, by both models in turn: a machine that slows down slows both."""
_WARM_UP: Final = 8
"""Reviews rated before the clock runs: the first ones of a process take longer."""


@dataclass(frozen=True)
class Contender:
    """A registered version, loaded."""

    version: Version
    predictor: Predictor
    size_bytes: int
    """Of its files."""


def load_contender(version: Version) -> Contender:
    """The version's model, from the registry's own artifacts.

    Raises:
        RegistryError: they are gone or broken.
    """
    with version_files(version.number) as folder:
        return Contender(version, load_files(folder, version.number), folder_size(folder))


def hold_contest(
    challenger: Contender, champion: Contender, params: Params, layout: Layout, rolled_back: str | None
) -> Evidence:
    """Let both rate the frozen test reviews.

    Raises:
        DataError: there are no test reviews, or the challenger was measured on other ones.
        ModelError: a model answers with something that is no number.
    """
    test = frozen_rows(params, layout)
    check_rows(challenger.version, test)
    truth = true_stars(test)
    stars_pred, seconds = rate_in_turn([challenger.predictor, champion.predictor], list(test["text_clean"]))
    for contender, stars in zip((challenger, champion), stars_pred, strict=True):
        check_numbers(stars, contender.version.name)
    rated = [
        Rated(errors(truth, stars), each, contender.size_bytes)
        for stars, each, contender in zip(stars_pred, seconds, (challenger, champion), strict=True)
    ]
    report = read_report(challenger.version, layout.validation_report.name)
    return Evidence(
        challenger=rated[0],
        champion=rated[1],
        reviewers=list(test["user_id"]),
        slices=slices_of(test),
        validated=None if report is None else report.get("passed") is True,
        datasets=(_dataset(challenger.version), _dataset(champion.version)),
        rolled_back=rolled_back,
    )


def frozen_rows(params: Params, layout: Layout) -> pd.DataFrame:
    """``take_test_reviews`` of the clean reviews that are here.

    Raises:
        DataError: the clean reviews are not there, or none of them is for testing.
    """
    test = take_test_reviews(read_table(layout.clean, columns=COLUMNS), params)
    if test.empty:
        raise DataError(f"no review of {layout.clean} is in the test split; see clean.split in params.yaml.")
    return test


def check_rows(challenger: Version, test: pd.DataFrame) -> None:
    """Refuse a challenger that was measured on other reviews than ``test``: it may have learnt from these.

    Raises:
        DataError: it was, or does not say.
    """
    measured, present = challenger.run_tags.get("test_rows"), rows_hash(test)
    if measured is None:
        raise DataError(f"{challenger.name} does not say which test reviews it was measured on; run dvc repro.")
    if measured != present:
        raise DataError(
            f"{challenger.name} was measured on other test reviews ({measured}) than are here ({present}): dvc repro "
            "measures the present settings' model on these, git checkout and dvc checkout bring the others back."
        )


def notes_about(challenger: Version, champion: Version) -> list[str]:
    """What a reader must know of the two to judge their figures."""
    same_dataset = _dataset(challenger) == _dataset(champion)
    if same_dataset and challenger.run_tags.get("test_rows") != champion.run_tags.get("test_rows"):
        return [
            "the champion was measured on other test reviews when it was made: it may have learnt from some of these, "
            "which is to its advantage"
        ]
    return []


def _dataset(version: Version) -> str | None:
    return version.run_params.get("dataset")


def rate_in_turn(predictors: Sequence[Predictor], texts: Sequence[str]) -> tuple[list[Stars], list[Stars]]:
    """Every model rates every text; who goes first changes from block to block.

    Args:
        predictors: The models.
        texts: Clean texts, in an order that chance made.

    Returns:
        Of each model its stars ``(reviews,)``, 1 to 5, and its seconds a review in each block ``(blocks,)``.
    """
    stars = [np.empty(len(texts)) for _ in predictors]
    seconds: list[list[float]] = [[] for _ in predictors]
    for predictor in predictors:
        predictor.rate_clean_texts(texts[:_WARM_UP])
    blocks = np.array_split(np.arange(len(texts)), min(_BLOCKS, len(texts)))
    for turn, rows in enumerate(blocks):
        for place in range(len(predictors)):
            i = (place + turn) % len(predictors)
            started = perf_counter()
            stars[i][rows] = predictors[i].rate_clean_texts([texts[row] for row in rows])
            seconds[i].append((perf_counter() - started) / len(rows))
    return stars, [np.array(times) for times in seconds]
