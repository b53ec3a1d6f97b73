"""Reviews dealt into folds: each fold is rated by a model that learnt from all the others."""

import warnings
from dataclasses import dataclass, fields
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

from starsight.errors import DataError
from starsight.records import whole_stars
from starsight.split import rows_hash

COLUMNS = ["review_id", "user_id", "cluster", "stars", "text_clean"]
"""What is read of the clean reviews."""
KEPT_TOGETHER = ("user_id", "cluster")
"""Two reviews that share one of these are never on both sides. A missing one is shared with nobody."""


@dataclass(frozen=True)
class FoldErrors:
    """A row of the table: errors on one fold, in stars."""

    fold: int
    """Counts from 1."""
    n_train: int
    """Reviews learnt from; those that choose the epoch are not counted."""
    n_test: int
    model_mae: float
    model_rmse: float
    ridge_mae: float
    ridge_rmse: float


FOLD_COLUMNS = [each.name for each in fields(FoldErrors)]


@dataclass(frozen=True)
class Fold:
    """The reviews of one fold; no reviewer and no duplicate cluster is in two of its three parts."""

    number: int
    """Counts from 1."""
    train: pd.DataFrame
    validation: pd.DataFrame
    """Chooses the epoch, and the strength of ridge."""
    test: pd.DataFrame


@dataclass(frozen=True)
class Folds:
    """Reviews and the fold that each is held out in."""

    reviews: pd.DataFrame
    group: NDArray[np.int64]
    """Which reviews stay together, ``(reviews,)``; see ``group_reviews``."""
    fold_of: NDArray[np.int64]
    """``(reviews,)``, from 1."""
    n: int

    @property
    def rows(self) -> str:
        """Name of these folds: two models that were measured on the same name rated the same reviews in each fold."""
        digest = blake2b(digest_size=8)
        for number in range(1, self.n + 1):
            digest.update(rows_hash(self.reviews[self.fold_of == number]).encode())
        return digest.hexdigest()

    def fold(self, number: int, validation_share: float) -> Fold:
        """One fold; ``validation_share`` of the groups it may learn from choose the epoch, and two of them at least
        are needed. The same for every model and seed."""
        learnt, test = self.fold_of != number, self.fold_of == number
        reviews, group = self.reviews[learnt], self.group[learnt]
        n_groups = len(np.unique(group))
        n_validation = min(max(1, round(validation_share * n_groups)), n_groups - 1)
        parts = GroupShuffleSplit(n_splits=1, test_size=n_validation, random_state=0)
        train, validation = next(parts.split(reviews, groups=group))
        return Fold(number, reviews.iloc[train], reviews.iloc[validation], self.reviews[test])


def group_reviews(reviews: pd.DataFrame) -> NDArray[np.int64]:
    """Number of the group that each review is in, ``(reviews,)``, from 0 in the order in which groups appear.

    Reviews are linked by a reviewer or a duplicate cluster in common, and a group is all that links reach: the other
    reviews of someone who wrote a near copy of a review are in the group of that review.

    Args:
        reviews: ``COLUMNS``.
    """
    n_nodes = len(reviews)  # a node for each review, then for each reviewer, then for each cluster
    ends: list[NDArray[np.int64]] = []
    for column in KEPT_TOGETHER:
        codes, names = pd.factorize(reviews[column])
        named = np.flatnonzero(codes >= 0)
        ends.append(np.stack([named, n_nodes + codes[named]]))
        n_nodes += len(names)
    one, other = np.concatenate(ends, axis=1)
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(n_nodes, n_nodes))
    _, component = connected_components(graph, directed=False)
    return np.asarray(pd.factorize(component[: len(reviews)])[0], dtype=np.int64)


def deal_folds(reviews: pd.DataFrame, n: int) -> Folds:
    """Deal reviews into ``n`` folds of about the same size and mix of stars. No seed: the same reviews in the same
    order are always dealt alike.

    Args:
        reviews: ``COLUMNS``.
        n: 2 or more.

    Raises:
        DataError: too few groups, so that a fold would be empty or leave nothing to learn from.
    """
    group = group_reviews(reviews)
    n_groups = len(np.unique(group))
    if n_groups < n:
        raise _too_few(n, len(reviews), n_groups)
    fold_of = np.zeros(len(reviews), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a star that is rarer than folds: some will be without it
        parts = StratifiedGroupKFold(n_splits=n).split(reviews, _stars_to_balance(reviews, n), group)
        for number, (_, held_out) in enumerate(parts, start=1):
            fold_of[held_out] = number
    learnt = [len(np.unique(group[fold_of != number])) for number in range(1, n + 1)]
    if min(learnt) < 2 or max(learnt) == n_groups:
        raise _too_few(n, len(reviews), n_groups)
    return Folds(reviews, group, fold_of, n)


def _stars_to_balance(reviews: pd.DataFrame, n: int) -> NDArray[np.int64]:
    """Whole stars ``(reviews,)``; all the same where no star is frequent enough to be in every fold."""
    stars = whole_stars(reviews["stars"])
    return stars if np.bincount(stars).max() >= n else np.zeros_like(stars)


def _too_few(n: int, n_reviews: int, n_groups: int) -> DataError:
    return DataError(
        f"evaluate.folds is {n}: {n_reviews} reviews that fall into {n_groups} groups by reviewer and duplicate "
        "cluster are too few; lower evaluate.folds, or raise evaluate.fold_reviews if there are more reviews."
    )
