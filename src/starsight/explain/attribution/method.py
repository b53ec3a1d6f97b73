"""What every method of attribution is, and how one that scores tokens comes to scores of words."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from starsight.explain.words import ExplainedReview, Floats, Ints, find_owners, sum_by_word
from starsight.model.batches import batches_by_length, pad
from starsight.model.ensemble import Ensemble
from starsight.model.head import AttentionHead
from starsight.model.predictor import Predictor
from starsight.model.rating import Rater
from starsight.model.regressor import StarRegressor
from starsight.model.tokens import SPECIAL
from starsight.params import HeadName
from starsight.progress import progress

LABELS: Mapping[str, str] = {
    "attention": "attention weight",
    "contribution": "contribution",
    "rollout": "attention rollout",
    "gradient_x_input": "gradient × input",
    "integrated_gradients": "integrated gradients",
    "shap": "SHAP",
    "uniform": "contribution under uniform weights",
    "untrained": "attention of an untrained head",
    "random": "random words",
}
"""The methods by name, as a reader is told them, in the order of a table; the controls last."""

CONTROLS = ("uniform", "untrained", "random")
"""Rankings that a method must beat to be worth anything."""


class Method(Protocol):
    """A way to say how much each word matters."""

    @property
    def name(self) -> str:
        """One of ``LABELS``. Several methods of one name are the same method from several seeds."""

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """How much each word matters.

        Args:
            reviews: As the predictor of this method explained them.

        Returns:
            For each review ``(words,)``, signed where the method knows a sign. A method that is too slow for all of
            them answers for the first ones alone.
        """


@dataclass(frozen=True)
class Batch:
    """Some reviews as the network takes them."""

    rows: Ints
    """``(batch,)``: numbers of the reviews."""
    input_ids: Tensor
    """``(batch, tokens)``."""
    mask: Tensor
    """``(batch, tokens)``, True for real tokens."""
    of_text: Tensor
    """``(batch, tokens)``, True for tokens of the text: neither padding nor the tokenizer's own marks."""


class TokenMethod(ABC):
    """A method that scores tokens; the score of a word is their sum. That of an ensemble is its members' mean.

    Args:
        predictor: The fine-tuned model.
    """

    name: ClassVar[str]
    batch_size: ClassVar[int]
    """Reviews at a time."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def attribute(self, reviews: Sequence[ExplainedReview]) -> list[Floats]:
        """Scores of the words; see ``Method.attribute``."""
        members = members_of(self.predictor.regressor)
        tokens = self.predictor.tokenize([review.text for review in reviews])
        by_word: dict[int, Floats] = {}
        for batch in read_batches(self.predictor, reviews, LABELS[self.name], self.batch_size):
            by_member = [self.score(member, batch) for member in members]
            scores = torch.stack(by_member).mean(dim=0).double().cpu().numpy()
            for row, of_tokens in zip(batch.rows.tolist(), scores, strict=True):
                offsets = np.column_stack([tokens.starts[row], tokens.ends[row]])
                owners = find_owners(reviews[row].text, offsets)
                by_word[row] = sum_by_word(of_tokens[: len(owners)], owners, len(reviews[row].words.words))[:-1]
        return [by_word[row] for row in range(len(reviews))]

    @abstractmethod
    def score(self, regressor: StarRegressor, batch: Batch) -> Tensor:
        """Scores of tokens, ``(batch, tokens)``; what padding gets is not read."""


def members_of(rater: Rater) -> list[StarRegressor]:
    """The regressors whose mean is the rating: one, or all members of an ensemble."""
    return [cast(StarRegressor, each) for each in (rater.members if isinstance(rater, Ensemble) else [rater])]


def head_of(rater: Rater) -> HeadName:
    """The head of a network; members of an ensemble have the same."""
    return members_of(rater)[0].head.name


def change_heads(rater: Rater, change: Callable[[AttentionHead], AttentionHead]) -> Rater:
    """The same backbones under changed attention heads; the rater itself stays as it is."""
    changed = [
        StarRegressor(each.backbone, change(cast(AttentionHead, each.head)), each.objective, each.family).eval()
        for each in members_of(rater)
    ]
    return changed[0] if len(changed) == 1 else Ensemble(changed).eval()


def read_batches(
    predictor: Predictor, reviews: Sequence[ExplainedReview], what: str, batch_size: int
) -> Iterator[Batch]:
    """Batches of reviews of like length on the predictor's device, each review once. ``what`` names the progress bar.

    Gradients may be taken, which ``inference.rate_batches`` forbids.
    """
    tokens = predictor.tokenize([review.text for review in reviews])
    tokenized = predictor.reviews(tokens)
    device = predictor.compute.device
    predictor.regressor.to(device).eval()
    with progress(what, len(reviews), unit="reviews") as bar:
        for rows in batches_by_length(tokenized.lengths, batch_size):
            input_ids, mask = pad([tokenized.input_ids[row] for row in rows], tokenized.pad_id)
            of_text = torch.zeros_like(mask)
            for place, row in enumerate(rows):
                of_text[place, : len(tokens.words[row])] = torch.tensor(tokens.words[row]) != SPECIAL
            yield Batch(rows, input_ids.to(device), mask.to(device), of_text.to(device))
            bar.update(len(rows))
