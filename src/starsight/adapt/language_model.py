"""The backbone under a head that names tokens. Checkpoints of sentence models carry none, so all families get this."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import PreTrainedModel

from starsight.adapt.tasks import Exercise


class LanguageHead(nn.Module):
    """Dense, GELU and layer norm, as in BERT (Devlin et al. 2019), then a product with the backbone's own input
    embeddings (Press & Wolf 2017) and a bias.

    The bias starts at the log frequencies of the tokens, so that learning them does not pull at the backbone. The norm
    starts at a gain that makes the product's spread about 1, whatever the scale of the family's embeddings.

    Args:
        width: Of the backbone's states.
        embeddings: ``(vocabulary, embedding_width)``.
        log_frequencies: ``(vocabulary,)``, natural logarithms.
    """

    def __init__(self, width: int, embeddings: Tensor, log_frequencies: Tensor) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embeddings.shape[1])
        self.norm = nn.LayerNorm(embeddings.shape[1])
        self.bias = nn.Parameter(log_frequencies.clone())
        nn.init.constant_(self.norm.weight, 1 / float(embeddings.detach().norm(dim=1).mean()))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Logits ``(asked, vocabulary)`` of states ``(asked, width)``."""
        logits: Tensor = self.norm(gelu(self.dense(states))) @ embeddings.T + self.bias
        return logits


class LanguageModel(nn.Module):
    """A backbone that names tokens; the head's random weights come from torch's generator: seed it first."""

    def __init__(self, backbone: PreTrainedModel, log_frequencies: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = LanguageHead(backbone.config.hidden_size, self.embeddings, log_frequencies)

    @property
    def embeddings(self) -> Tensor:
        """``(vocabulary, embedding_width)``, the backbone's own: what is learnt of them is learnt for both ends."""
        weight: Tensor = self.backbone.get_input_embeddings().weight
        return weight

    def forward(self, exercise: Exercise, mask: Tensor) -> Tensor:
        """Logits ``(asked, vocabulary)`` of the tokens that are asked for.

        Args:
            exercise: A batch.
            mask: ``(batch, tokens)``, True for real tokens.
        """
        states = self.backbone(input_ids=exercise.input_ids, attention_mask=mask.long()).last_hidden_state
        logits: Tensor = self.head(states[exercise.asked], self.embeddings)
        return logits


def log_frequencies(input_ids: list[NDArray[np.int64]], vocabulary: int) -> Tensor:
    """Log share ``(vocabulary,)`` of each token in the reviews. Each counts once more than it stands there, so that
    none is impossible."""
    counts = np.bincount(np.concatenate(input_ids), minlength=vocabulary) + 1
    return torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
