"""Hide words from the network in training, so that a text with hidden words is nothing new to it later."""

import numpy as np
from numpy.typing import NDArray

from starsight.model.tokens import SPECIAL


def hide_words(
    input_ids: NDArray[np.int64],
    word_ids: NDArray[np.int32],
    share: float,
    mask_id: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Put the mask token in place of every token of some words.

    Args:
        input_ids: ``(tokens,)``.
        word_ids: ``(tokens,)``, the number of the word that a token belongs to; ``SPECIAL`` is never hidden.
        share: Of the words that are hidden on average: each review draws its own from 0 to twice that, so that the
            network meets texts that lack few of their words and many. At most 0.5.
        mask_id: The mask token.
        generator: Draws.
    """
    words = np.unique(word_ids[word_ids != SPECIAL])
    hidden = words[generator.random(len(words)) < generator.uniform(0, 2 * share)]
    return np.where(np.isin(word_ids, hidden), mask_id, input_ids)
