"""How far off a prediction may be: an interval for the stars, and probabilities that mean what they say.

Split conformal prediction (Papadopoulos, Proedrou, Vovk, Gammerman 2002; Lei et al. 2018), apart for groups of
predicted stars (Mondrian: Vovk, Gammerman, Shafer 2005, chapter 4): among reviews like those it was measured on, the
stated share of intervals holds the reviewer's stars, whatever the network, and in each group. The numbers are measured
in ``train/calibration.py``; here they are kept and used, with nothing beyond numpy.
"""

from pathlib import Path
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, model_validator

from starsight.errors import ModelError
from starsight.model.inference import within_scale
from starsight.tables import read_json, write_json

Floats = NDArray[np.float64]

CALIBRATION: Final = "calibration.json"
"""Beside the weights."""

LEAST_PROBABILITY: Final = 1e-30
"""One that float32 has rounded to 0 still has a logarithm."""


class Calibration(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What a fine-tuned model showed of its errors on reviews that it did not learn from."""

    coverage: Annotated[float, Field(gt=0, lt=1)]
    """Share of the intervals that shall hold the reviewer's stars."""
    edges: tuple[float, ...]
    """Where one group of predicted stars, not cut to 1-5, ends and the next begins; ascending, ``(groups - 1,)``."""
    half_widths: tuple[Annotated[float, Field(ge=0)] | None, ...]
    """How far the interval reaches to either side of the prediction, in stars, ``(groups,)``. None where there were too
    few reviews to say: the whole scale."""
    n_reviews: Annotated[int, Field(ge=0)]
    """Reviews that it was measured on."""
    chose_the_epoch: bool
    """Whether they had chosen the epoch too, since there were no others; the model looks a little better on them."""
    temperature: Annotated[float, Field(gt=0)] | None = None
    """Divides the logits of the five stars: above 1 where the network was too sure. None where it gives one number."""

    @model_validator(mode="after")
    def _one_width_a_group(self) -> Self:
        if len(self.half_widths) != len(self.edges) + 1 or list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"{len(self.edges)} ascending edges part {len(self.edges) + 1} groups, a half width each")
        return self

    def intervals(self, stars: Floats) -> tuple[Floats, Floats]:
        """Ends of the intervals, both ``(reviews,)``, 1 to 5.

        Args:
            stars: Predictions ``(reviews,)`` as the network gives them, not cut to 1-5: how far one lies above 5 says
                how sure the 5 is. Cut, it lies between the ends.
        """
        widths = np.array([np.inf if width is None else width for width in self.half_widths])[self.groups(stars)]
        return within_scale(stars - widths), within_scale(stars + widths)

    def groups(self, stars: Floats) -> NDArray[np.int64]:
        """Number of the group of each prediction, ``(reviews,)``, from 0."""
        return groups_of(stars, self.edges)

    def scaled(self, distribution: Floats) -> Floats:
        """Probabilities ``(reviews, 5)`` at the temperature: Guo, Pleiss, Sun, Weinberger 2017, eq. 9."""
        return distribution if self.temperature is None else at_temperature(distribution, self.temperature)

    def save(self, folder: Path) -> None:
        """Write it beside the weights; numbers come back as they were."""
        write_json(self.model_dump(), folder / CALIBRATION)

    @classmethod
    def load(cls, folder: Path) -> "Calibration | None":
        """Read what ``save`` wrote; None from a model that has none.

        Raises:
            DataError: the file is no JSON.
            ModelError: it says something impossible.
        """
        path = folder / CALIBRATION
        if not path.exists():
            return None
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(str(part) for part in problem["loc"])
            raise ModelError(f"{path}: {place or 'it'}: {problem['msg']}; run dvc repro finetune.") from None


def groups_of(stars: Floats, edges: tuple[float, ...]) -> NDArray[np.int64]:
    """Number of the group of each prediction, ``(reviews,)``; an edge belongs to the group above it."""
    return np.searchsorted(np.array(edges), stars, side="right").astype(np.int64)


def at_temperature(distribution: Floats, temperature: float) -> Floats:
    """Probabilities ``(reviews, 5)``, sharper below 1, flatter above.

    Of one network this is ``softmax(logits / temperature)``. Of an ensemble the mean of the members' probabilities is
    scaled: calibrated members need not have a calibrated mean (Rahaman, Thiery 2021).
    """
    logs = np.log(np.maximum(distribution, LEAST_PROBABILITY)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
