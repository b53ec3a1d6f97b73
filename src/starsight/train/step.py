"""One optimizer step: what a batch of reviews does to the weights."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.profiler import record_function

from starsight.model.batches import TokenizedReviews, pad
from starsight.model.compute import Compute, must_fit
from starsight.model.regressor import StarRegressor
from starsight.params import FinetuneParams
from starsight.train.embeddings import backward, embeddings_changed, mix
from starsight.train.group import Group
from starsight.train.masking import hide_words

Rows = NDArray[np.int64]

_WAY_OUT = (
    "set finetune.micro_batch_size to less (it changes no result), lower tokenize.max_tokens, or choose a smaller "
    "model."
)


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
            ModelError: the batch does not fit into memory.
        """
        torch.manual_seed(seed + self.group.rank)
        generator = np.random.default_rng([seed, self.group.rank])
        own = rows[self.group.share(len(rows))]
        loss = torch.zeros((), device=self.compute.device)
        # A process that is left without a review learns nothing from another's, in step with the rest.
        for part in self._parts(own) if len(own) else [rows[:1]]:
            share = len(part) / len(rows) if len(own) else 0.0
            loss += self._learn(part, share, generator)
        with record_function("starsight/optimizer"):
            parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
            self.group.add_up([loss, *(parameter.grad for parameter in parameters)])
            nn.utils.clip_grad_norm_(parameters, self.params.max_gradient_norm)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.average.update_parameters(self.regressor)
        return loss

    def _parts(self, rows: Rows) -> Iterator[Rows]:
        size = self.params.micro_batch_size or len(rows)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _learn(self, rows: Rows, share: float, generator: np.random.Generator) -> Tensor:
        """Add the gradients of some reviews, which are a ``share`` of the batch; returns their part of its loss."""
        with record_function("starsight/data"):
            input_ids, mask, targets = self._batch(rows, generator)
        with must_fit(len(rows), input_ids.shape[1], _WAY_OUT), ExitStack() as changes:
            if self.params.mixup:
                partner = torch.from_numpy(generator.permutation(len(rows))).to(mask.device)
                kept = float(generator.beta(self.params.mixup, self.params.mixup))
                targets = kept * targets + (1 - kept) * targets[partner]
                mask = mask | mask[partner]
                change = partial(mix, partner=partner, share=kept)
                changes.enter_context(embeddings_changed(self.regressor.backbone, change))
            loss_of = self._loss_of(input_ids, mask, targets, share)
            return backward(loss_of, self.regressor.backbone, self.params.adversary)

    def _batch(self, rows: Rows, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        reviews = [self.reviews.input_ids[row] for row in rows]
        if self.params.masked_words:
            words = [self.reviews.word_ids[row] for row in rows]
            reviews = [
                hide_words(ids, numbers, self.params.masked_words, self.mask_id, generator)
                for ids, numbers in zip(reviews, words, strict=True)
            ]
        input_ids, mask = pad(reviews, self.reviews.pad_id)
        device = self.compute.device
        return input_ids.to(device, non_blocking=True), mask.to(device, non_blocking=True), self.targets[rows]

    def _loss_of(self, input_ids: Tensor, mask: Tensor, targets: Tensor, share: float) -> Callable[[], Tensor]:
        def loss_of() -> Tensor:
            with record_function("starsight/forward"):
                with self.compute.autocast():
                    rating = self.regressor(input_ids, mask)
                return self.regressor.objective.loss(rating.logits, targets) * share

        return loss_of
