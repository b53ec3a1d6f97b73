"""How much a split gives away: test reviews that have a copy among the training reviews."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starsight.clean.copies import Copies
from starsight.params import SplitParams

Marks = NDArray[np.bool_]

_SEED = 0
"""Not the run's: what a random split gives away must not change with it."""


@dataclass(frozen=True)
class Leakage:
    """Shares of the test reviews, 0 to 1; 0 where there are none."""

    n_test: int
    exact: float
    """That have an exact copy in training."""
    near: float
    """That have an exact or a near copy in training."""

    @classmethod
    def of(cls, copies: Copies, train: Marks, test: Marks) -> "Leakage":
        """Measure a split.

        Args:
            copies: who says the same as whom.
            train: which reviews are learnt from, ``(reviews,)``.
            test: which reviews are measured on, ``(reviews,)``.
        """
        n_test = int(test.sum())
        groups = copies.exact, copies.cluster
        copied = [np.isin(group[test], group[train]).sum() / max(n_test, 1) for group in groups]
        return cls(n_test, float(copied[0]), float(copied[1]))

    @classmethod
    def of_random_split(cls, copies: Copies, said: Marks, params: SplitParams) -> "Leakage":
        """Measure what is often done: a part of all reviews for test, drawn without a look at copies or reviewers.

        Args:
            copies: who says the same as whom.
            said: which reviews say anything, ``(reviews,)``.
            params: the shares.
        """
        draw = np.random.default_rng(_SEED).random(len(said))
        train = draw >= params.test_share + params.validation_share
        return cls.of(copies, train=said & train, test=said & (draw < params.test_share))
