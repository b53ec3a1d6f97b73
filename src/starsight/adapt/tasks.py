"""What a backbone is asked while it adapts: tokens that were hidden from it, or the next token."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from starsight.errors import ModelError
from starsight.model.families import FAMILIES
from starsight.model.tokens import SENTINEL, mask_id
from starsight.params import FamilyName

HIDDEN_SHARE = 0.8
RANDOM_SHARE = 0.1
"""Of the tokens asked for, this share is replaced by the mask token, this one by a random token, the rest is left
(Devlin et al. 2019, 3.1): the fine-tuned backbone never meets a mask token, and must know its words without one."""


@dataclass(frozen=True)
class Exercise:
    """A batch with questions in it."""

    input_ids: Tensor
    """``(batch, tokens)``, as the backbone reads them."""
    asked: Tensor
    """``(batch, tokens)``, True where the backbone's state must name a token."""
    answers: Tensor
    """``(asked,)``, the ids of those tokens, in the order of ``asked``."""

    def to(self, device: torch.device) -> "Exercise":
        """The same on another device."""
        return Exercise(self.input_ids.to(device), self.asked.to(device), self.answers.to(device))


Task = Callable[[Tensor, Tensor], Exercise]
"""Makes an exercise of ``input_ids`` and ``mask``, both ``(batch, tokens)``, drawing from torch's generator."""


def next_tokens(input_ids: Tensor, mask: Tensor) -> Exercise:
    """Every real token but the last is asked for the one behind it: the task of backbones that read left to right.

    Args:
        input_ids: ``(batch, tokens)``, padded on the right.
        mask: ``(batch, tokens)``, True for real tokens.
    """
    asked = torch.zeros_like(mask)
    asked[:, :-1] = mask[:, 1:]
    return Exercise(input_ids, asked, input_ids[:, 1:][mask[:, 1:]])


@dataclass(frozen=True)
class MaskedTokens:
    """Some tokens of a review are asked for, and most of them hidden; at least one a review."""

    share: float
    """Of a review's ordinary tokens, how many are asked for."""
    mask_id: int
    ordinary: Tensor
    """``(vocabulary,)``, False for special tokens, which are neither asked for nor put in."""

    def __call__(self, input_ids: Tensor, mask: Tensor) -> Exercise:
        """Ask for the stated share of each review, to the nearest token.

        Args:
            input_ids: ``(batch, tokens)``.
            mask: ``(batch, tokens)``, True for real tokens.
        """
        maskable = mask & self.ordinary[input_ids]
        n_asked = (maskable.sum(dim=1) * self.share).round().clamp(min=1)
        rank = torch.rand(input_ids.shape).masked_fill(~maskable, torch.inf).argsort(dim=1).argsort(dim=1)
        asked = maskable & (rank < n_asked[:, None])

        fate = torch.rand(input_ids.shape)
        hidden = asked & (fate < HIDDEN_SHARE)
        swapped = asked & (fate >= HIDDEN_SHARE) & (fate < HIDDEN_SHARE + RANDOM_SHARE)
        candidates = self.ordinary.nonzero().squeeze(1)
        drawn = candidates[torch.randint(len(candidates), (int(swapped.sum()),))]
        read = input_ids.masked_fill(hidden, self.mask_id).masked_scatter(swapped, drawn)
        return Exercise(read, asked, input_ids[asked])


def choose_task(family: FamilyName, tokenizer: PreTrainedTokenizerFast, masked_share: float, vocabulary: int) -> Task:
    """The task that the family was pre-trained for, or the nearest to it.

    XLNet's own task needs its permuted attention, which fine-tuning does not use: it is asked for masked tokens under
    plain attention, as is T5's encoder.

    Args:
        family: Says whether the backbone reads left to right.
        tokenizer: Its special tokens are left alone; it names the mask token.
        masked_share: Of the tokens of a review, how many are asked for where tokens are masked.
        vocabulary: Rows of the backbone's embeddings.

    Raises:
        ModelError: tokens are to be masked, and the tokenizer has nothing to put in their place.
    """
    if FAMILIES[family].causal:
        return next_tokens
    ids = tokenizer.get_vocab()
    ordinary = torch.zeros(vocabulary, dtype=torch.bool)
    ordinary[list(ids.values())] = True
    ordinary[tokenizer.all_special_ids] = False
    hidden = mask_id(tokenizer)
    if hidden is None:  # the token for unknown words would do, but then stand for two things in what is learnt
        raise ModelError(
            f"the tokenizer has no mask token and no {SENTINEL}, so no word can be hidden; name a mask_token in the "
            "checkpoint's tokenizer_config.json, or set adapt.enabled to false."
        )
    return MaskedTokens(masked_share, hidden, ordinary)
