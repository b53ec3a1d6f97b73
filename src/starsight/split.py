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
from starsight.records import SPLITS

SPLIT_CODES: Final = {split: np.int8(code) for code, split in enumerate(SPLITS)}
GROUP_COLUMNS: Final = {"reviewer": "user_id", "product": "product_id", "review": "review_id"}


def splits_by_hash(reviews: pd.DataFrame, params: SplitParams) -> NDArray[np.int8]:
    """The split of each review, as its reviewer (product, review) decides it.

    Args:
        reviews: with ``review_id`` and, as ``params.by`` asks, ``user_id`` or ``product_id``. A review without a
            reviewer (product) stands alone.
        params: what stays together, and the shares; ``by`` is not ``time``.

    Returns:
        Values of ``SPLIT_CODES``, ``(reviews,)``.
    """
    keys = reviews[GROUP_COLUMNS[params.by]].fillna(reviews["review_id"])
    return _at(_hash_to_unit(keys, purpose=b"split"), params)


def kept_together(reviews: pd.DataFrame, params: SplitParams) -> str:
    """What the split really kept together, as ``params.by`` names it: ``review`` where the source names no reviewers
    (products)."""
    column = GROUP_COLUMNS.get(params.by)
    return "review" if column and reviews[column].isna().all() else str(params.by)


def splits_by_age(
    seconds: NDArray[np.unsignedinteger], ties: NDArray[np.uint64], dated: NDArray[np.bool_], params: SplitParams
) -> NDArray[np.int8]:
    """The split of each review, the newest for test and those before them for validation; undated ones train.

    Args:
        seconds: when it was written, since 1970; ``(reviews,)``, as the other two.
        ties: puts reviews of the same second into a stable order.
        dated: whether ``seconds`` is known.
        params: the shares of the dated reviews.

    Returns:
        Values of ``SPLIT_CODES``, ``(reviews,)``.
    """
    rows = np.flatnonzero(dated)
    newest_first = rows[np.lexsort((ties[rows], seconds[rows]))[::-1]]
    position = np.ones(len(seconds))
    position[newest_first] = np.arange(len(rows)) / max(len(rows), 1)
    return _at(position, params)


def _at(position: NDArray[np.float64], params: SplitParams) -> NDArray[np.int8]:
    # test comes first: changing validation_share leaves the test reviews as they were
    new = [position < params.test_share, position < params.test_share + params.validation_share]
    return np.select(new, [SPLIT_CODES["test"], SPLIT_CODES["validation"]], default=SPLIT_CODES["train"])


def take(reviews: pd.DataFrame, n: int) -> pd.DataFrame:
    """The ``n`` reviews with the smallest hash of ``review_id``, in the order of the hash; all where there are fewer.

    A larger ``n`` takes the same reviews first and then more, so results at different sizes can be compared, and the
    first rows of what was taken are a fair sample too.
    """
    order = np.argsort(_hash_to_unit(reviews["review_id"], purpose=b"take"), kind="stable")
    return reviews.iloc[order[:n]]


def rows_hash(reviews: pd.DataFrame) -> str:
    """Name of a set of reviews, whatever their order: two models that were measured on the same name saw the same.

    Args:
        reviews: ``review_id``, ``stars`` and ``text_clean``.
    """
    rows = reviews[["review_id", "stars", "text_clean"]].sort_values("review_id")
    digest = blake2b(digest_size=8)
    for row in rows.itertuples(index=False):
        digest.update(f"{row.review_id}\0{row.stars:g}\0{row.text_clean}\0".encode())
    return digest.hexdigest()


def _hash_to_unit(keys: "pd.Series[str]", *, purpose: bytes) -> NDArray[np.float64]:
    """A number in [0, 1) for each key. ``purpose`` parts the draws: who is in a split says nothing of who is taken."""
    codes, unique = pd.factorize(keys)
    digests = b"".join(blake2b(str(key).encode(), digest_size=8, person=purpose).digest() for key in unique)
    # 53 bits are what a float holds exactly
    return (np.frombuffer(digests, dtype=">u8") >> 11).astype(np.float64)[codes] / 2.0**53
