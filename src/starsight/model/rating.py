"""What a network makes of a batch of reviews, and what every network that rates reviews can do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from starsight.params import FamilyName

FACTS = "regressor.json"
"""Beside the weights: what a reader needs to know to put them together again."""


@dataclass(frozen=True)
class Rating:
    """A batch of predictions. For each review, stars = bias_stars + sum of its contributions."""

    logits: Tensor
    """``(batch, outputs)``, what the loss compares (see ``objective.py``); of an ensemble, the mean of its members'."""
    stars: Tensor
    """``(batch,)``, not cut to 1-5."""
    token_weights: Tensor
    """``(batch, tokens)``, sum to 1 over a review; 0 on padding."""
    contributions: Tensor
    """``(batch, tokens)``, signed, in stars; 0 on padding."""
    bias_stars: Tensor
    """Scalar: the rating of a review whose words say nothing."""
    distribution: Tensor | None = None
    """``(batch, 5)``, probabilities of 1 to 5 stars; None where the network was trained to give one number."""


class Rater(nn.Module, ABC):
    """Reads token ids, answers with stars and each token's share in them."""

    family: FamilyName
    """Architecture of the backbone, or of all members' backbones."""

    @abstractmethod
    def forward(self, input_ids: Tensor, mask: Tensor) -> Rating:
        """Rate a batch.

        Args:
            input_ids: ``(batch, tokens)``.
            mask: ``(batch, tokens)``, True for real tokens.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights as safetensors and ``FACTS`` beside them; ``load_regressor`` reads them."""
