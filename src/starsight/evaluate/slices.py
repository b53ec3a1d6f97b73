"""Parts of the test reviews that someone may care about by themselves."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from starsight.records import WHOLE_STARS, whole_stars


@dataclass(frozen=True)
class Slice:
    """Some of the test reviews."""

    group: str
    """What they were parted by: ``stars``."""
    name: str
    """Which part: ``5``."""
    rows: NDArray[np.bool_]
    """``(reviews,)``."""


def slices_of(test: pd.DataFrame) -> list[Slice]:
    """Every slice of the test reviews that holds one.

    Args:
        test: Rows of the clean reviews.
    """
    stars = whole_stars(test["stars"])
    slices = [Slice("stars", str(star), stars == star) for star in WHOLE_STARS]
    return [each for each in slices if each.rows.any()]
