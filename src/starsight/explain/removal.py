"""Reviews without some of their words, and how the model rates them."""

from collections.abc import Callable, Sequence

import numpy as np

from starsight.errors import ModelError
from starsight.explain.words import ExplainedReview, Floats, Ints, WordScores, find_owners
from starsight.metrics import Stars
from starsight.model.batches import TokenizedReviews
from starsight.model.inference import rate
from starsight.model.predictor import Predictor
from starsight.model.tokens import mask_id
from starsight.params import RemovalName

Predict = Callable[[Sequence[str]], Stars]
"""Texts to ratings ``(reviews,)``, in stars."""


class Removals:
    """Rates reviews without some of their words, each such review once, however often it is asked for.

    Args:
        predictor: The fine-tuned model.
        reviews: As it explained them.
        removal: ``delete`` cuts words out of the text, and what is left is tokenized anew; ``mask`` puts the mask token
            in place of each of their tokens.

    Raises:
        ModelError: words are to be masked, and the tokenizer has nothing to put in their place.
    """

    def __init__(self, predictor: Predictor, reviews: Sequence[ExplainedReview], removal: RemovalName) -> None:
        self.predictor = predictor
        self.reviews = reviews
        self._rated: dict[tuple[int, bytes], float] = {}
        self._hidden = check_maskable(predictor) if removal == "mask" else None
        if self._hidden is not None:
            tokens = predictor.tokenize([review.text for review in reviews])
            self._input_ids = predictor.reviews(tokens).input_ids
            self._owners = [
                find_owners(review.text, np.column_stack([starts, ends]))
                for review, starts, ends in zip(reviews, tokens.starts, tokens.ends, strict=True)
            ]

    def rate(self, asked: Sequence[tuple[int, Ints]], what: str) -> Stars:
        """Stars ``(asked,)`` of shortened reviews, not cut to 1-5, where a move would be lost at an end.

        Args:
            asked: For each, the number of the review and the numbers of the words to remove, ascending.
            what: Names the progress bar.
        """
        keys = [(review, removed.tobytes()) for review, removed in asked]
        new = {key: each for key, each in zip(keys, asked, strict=True) if key not in self._rated}
        if new:
            shortened = self._shorten(list(new.values()))
            stars = rate(self.predictor.regressor, shortened, self.predictor.compute, what)
            self._rated |= dict(zip(new, stars.tolist(), strict=True))
        return np.array([self._rated[key] for key in keys])

    def rate_whole(self) -> Stars:
        """Stars ``(reviews,)`` of the reviews with all the words that the model reads, not cut to 1-5."""
        return self.rate([(i, np.array([], dtype=np.int64)) for i in range(len(self.reviews))], "rate")

    def _shorten(self, asked: Sequence[tuple[int, Ints]]) -> TokenizedReviews:
        if self._hidden is None:
            texts = [read_text_without(self.reviews[i], removed) for i, removed in asked]
            return self.predictor.reviews(self.predictor.tokenize(texts))
        input_ids = [
            np.where(np.isin(self._owners[i], removed), self._hidden, self._input_ids[i]) for i, removed in asked
        ]
        return TokenizedReviews(
            input_ids, np.full(len(asked), np.nan, np.float32), self.predictor.tokenizer.pad_token_id
        )


def read_text_without(review: ExplainedReview, removed: Ints) -> str:
    """What the model read of a review, without some of it. Words beyond the longest input go too: else they would move
    up into the place of those removed, and the rating would move by what nobody took away."""
    return remove_words(review.text, review.words, np.union1d(removed, np.flatnonzero(~review.words.was_read)))


def remove_words(text: str, words: WordScores, chosen: Ints) -> str:
    """The text without the chosen words, and without the blank that would otherwise stand doubled."""
    pieces, kept_to = [], 0
    for number in chosen:
        start, end = int(words.starts[number]), int(words.ends[number])
        pieces.append(text[kept_to:start])
        opens_gap = start == 0 or text[start - 1].isspace()
        kept_to = end + 1 if opens_gap and text[end : end + 1].isspace() else end
    return "".join([*pieces, text[kept_to:]])


def leave_one_out(removals: Removals) -> list[Floats]:
    """How the rating changes without each removable word: for each review ``(removable,)``, signed, in stars."""
    whole = removals.rate_whole()
    asked = [
        (i, np.array([word])) for i, review in enumerate(removals.reviews) for word in review.words.removable.tolist()
    ]
    ends = np.cumsum([len(review.words.removable) for review in removals.reviews])
    stars = np.split(removals.rate(asked, "leave one out"), ends[:-1])
    return [without - of_whole for without, of_whole in zip(stars, whole, strict=True)]


def check_maskable(predictor: Predictor) -> int:
    """The token that stands for a hidden word.

    Raises:
        ModelError: the tokenizer has none.
    """
    hidden = mask_id(predictor.tokenizer)
    if hidden is None:
        raise ModelError(
            "explain.removal is mask, and the model's tokenizer has no mask token; set explain.removal to delete."
        )
    return hidden
