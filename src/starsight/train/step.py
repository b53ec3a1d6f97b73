"""One optimizer step: what a batch of reviews does to the weights."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.profiler import record_function

from starsight.model.batches import TokenizedReviews, pad
from starsight.model.compute import Compute, describe_batch, must_fit
from starsight.model.regressor import StarRegressor
from starsight.params import FinetuneParams
from starsight.train.embeddings import backward, mixed
from starsight.train.group import Group
from starsight.train.masking import hide_words

Rows = NDArray[np.int64]

_WAY_OUT = (
    "set finetune.micro_batch_size to less (the batch stays what it is), lower tokenize.max_tokens, or choose a "
    "smaller model."
)
_WAY_OUT_OF_STEP = "set finetune.optimizer to adafactor or sgd, which remember less, or choose a smaller model."


@dataclass(frozen=True)
class Learning:
    """The parts that every step needs, and the step itself."""

    regressor: StarRegressor
    average: AveragedModel
    optimizer: Optimizer
    reviews: TokenizedReviews
    targets: Tensor
    """What the objective makes of the stars to learn, ``(reviews,)`` or ``(reviews, outputs)``."""
    params: FinetuneParams
    compute: Compute
    group: Group
    mask_id: int
    """Token that stands for a hidden word."""

    def step(self, rows: Rows, seed: int) -> Tensor:
        """Learn from some reviews.

        Args:
            rows: Of the whole batch, whichever process has which.
            seed: Of all that is drawn by chance here: a step that is done again after a kill draws the same.

        Returns:
            Mean loss of the batch, a scalar on the device: asking for its value would make a GPU wait.

        Raises:
            ModelError: the batch, or the optimizer's own memory, does not fit into the machine's.
        """
        torch.manual_seed(seed + self.group.rank)
        generator = np.random.default_rng([seed, self.group.rank])
        own = rows[self.group.share(len(rows))]
        # A process that is left without a review learns nothing from another's, in step with the rest.
        drawn = self._draw(own if len(own) else rows[:1], generator)
        share = 1 / len(rows) if len(own) else 0.0
        loss = torch.zeros((), device=self.compute.device)
        for part in drawn.parts(self.params.micro_batch_size):
            loss += self._learn(part, share * len(part.reviews))
        with record_function("starsight/optimizer"), must_fit("a step of the optimizer", _WAY_OUT_OF_STEP):
            parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
            self.group.add_up([loss, *(parameter.grad for parameter in parameters)])
            nn.utils.clip_grad_norm_(parameters, self.params.max_gradient_norm)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.average.update_parameters(self.regressor)
        return loss

    def _draw(self, rows: Rows, generator: np.random.Generator) -> "_Drawn":
        reviews = [self.reviews.input_ids[row] for row in rows]
        targets = self.targets[rows]
        if self.params.masked_words:
            words = [self.reviews.word_ids[row] for row in rows]
            reviews = [
                hide_words(ids, numbers, self.params.masked_words, self.mask_id, generator)
                for ids, numbers in zip(reviews, words, strict=True)
            ]
        if not self.params.mixup:
            return _Drawn(reviews, targets)
        partner = generator.permutation(len(rows))
        kept = float(generator.beta(self.params.mixup, self.params.mixup))
        targets = kept * targets + (1 - kept) * targets[partner]
        return _Drawn(reviews, targets, [reviews[row] for row in partner], kept)

    def _learn(self, part: "_Drawn", share: float) -> Tensor:
        """Add the gradients of some reviews, which are a ``share`` of the batch; returns their part of its loss."""
        n = len(part.reviews)
        with record_function("starsight/data"):
            padded = pad([*part.reviews, *part.partners], self.reviews.pad_id)
            input_ids, mask = (each.to(self.compute.device, non_blocking=True) for each in padded)
        with must_fit(describe_batch(n, input_ids.shape[1]), _WAY_OUT), ExitStack() as changes:
            if part.partners:
                own, partner = (input_ids[:n], mask[:n]), (input_ids[n:], mask[n:])
                input_ids, mask = changes.enter_context(mixed(self.regressor, own, partner, part.kept))
            loss_of = self._loss_of(input_ids, mask, part.targets, share)
            return backward(loss_of, self.regressor, self.params.adversary)

    def _loss_of(self, input_ids: Tensor, mask: Tensor, targets: Tensor, share: float) -> Callable[[], Tensor]:
        def loss_of() -> Tensor:
            with record_function("starsight/forward"):
                with self.compute.autocast():
                    rating = self.regressor(input_ids, mask)
                return self.regressor.objective.loss(rating.logits, targets) * share

        return loss_of


@dataclass(frozen=True)
class _Drawn:
    """Reviews of a step with all that was drawn for them, before they are cut into parts."""

    reviews: list[Rows]
    """Token ids, ``(tokens,)`` a review."""
    targets: Tensor
    """``(reviews,)`` or ``(reviews, outputs)``, mixed where the reviews are."""
    partners: list[Rows] = field(default_factory=list)
    """One for each review, or none."""
    kept: float = 1.0
    """Share of a review beside its partner."""

    def parts(self, size: int | None) -> Iterator["_Drawn"]:
        """``size`` reviews each, but for the last; None is one part."""
        step = size or len(self.reviews)
        for start in range(0, len(self.reviews), step):
            part = slice(start, start + step)
            yield _Drawn(self.reviews[part], self.targets[part], self.partners[part], self.kept)
