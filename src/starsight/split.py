"""Which reviews are for training, for choosing the epoch, and for the final measurement.

A split is decided by a hash of the reviewer (product, review), so it depends on nothing else: not on the order of the
rows, not on the other rows, not on the seed. Every model sees the same reviews, and a reviewer of the test split stays
there when new reviews arrive.
"""

from hashlib import blake2b
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from starsight.params import SplitParams

GROUP_COLUMNS: Final = {"reviewer": "user_id", "product": "product_id", "review": "review_id"}


def assign_splits(reviews: pd.DataFrame, params: SplitParams) -> "pd.Series[str]":
    """The split of each review.

    Args:
        reviews: with ``review_id`` and, as ``params.by`` asks, ``user_id``, ``product_id`` or ``time``. A review
            without a reviewer (product) stands alone; one without a time is for training.
        params: what stays together, and the shares.

    Returns:
        ``train``, ``validation`` or ``test``, on the index of ``reviews``.
    """
    if params.by == "time":
        position = _age(reviews)
    else:
        position = _hash_to_unit(reviews[GROUP_COLUMNS[params.by]].fillna(reviews["review_id"]), purpose=b"split")
    # test comes first: changing validation_share leaves the test reviews as they were
    splits = np.select(
        [position < params.test_share, position < params.test_share + params.validation_share],
        ["test", "validation"],
        default="train",
    )
    return pd.Series(splits, index=reviews.index, dtype="str", name="split")


def take(reviews: pd.DataFrame, n: int) -> pd.DataFrame:
    """The ``n`` reviews with the smallest hash of ``review_id``, in the order of the hash; all where there are fewer.

    A larger ``n`` takes the same reviews first and then more, so results at different sizes can be compared, and the
    first rows of what was taken are a fair sample too.
    """
    order = np.argsort(_hash_to_unit(reviews["review_id"], purpose=b"take"), kind="stable")
    return reviews.iloc[order[:n]]


def _hash_to_unit(keys: "pd.Series[str]", *, purpose: bytes) -> NDArray[np.float64]:
    """A number in [0, 1) for each key. ``purpose`` parts the draws: who is in a split says nothing of who is taken."""
    codes, unique = pd.factorize(keys)
    digests = b"".join(blake2b(str(key).encode(), digest_size=8, person=purpose).digest() for key in unique)
    # 53 bits are what a float holds exactly
    return (np.frombuffer(digests, dtype=">u8") >> 11).astype(np.float64)[codes] / 2.0**53


def _age(reviews: pd.DataFrame) -> NDArray[np.float64]:
    """Share of the dated reviews that are newer, 0 for the newest; ties by ``review_id``. Undated reviews get 1."""
    dated = reviews[["time", "review_id"]].assign(row=np.arange(len(reviews))).dropna(subset="time")
    newest_first = dated.sort_values(["time", "review_id"], ascending=False)["row"].to_numpy()
    age = np.ones(len(reviews))
    age[newest_first] = np.arange(len(newest_first)) / max(len(newest_first), 1)
    return age
