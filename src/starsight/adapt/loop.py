"""The training of a language model on reviews: a fixed number of steps, AdamW, a rate that rises and falls."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from starsight.adapt.language_model import LanguageModel
from starsight.adapt.tasks import Task
from starsight.errors import ModelError
from starsight.model.batches import TokenizedReviews, batches_by_length, pad, shuffled_batches
from starsight.model.compute import Compute, describe_batch, must_fit
from starsight.params import AdaptParams
from starsight.progress import progress
from starsight.train.checkpoint import CheckpointFolder, load_state, save_state
from starsight.train.schedule import rate_factor, set_rate

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 120.0
"""Most seconds of work that a kill can cost. Resuming is exact, so when a state was saved changes no weight."""

WARMUP_SHARE = 0.1
"""Of the steps, over which the rate rises from 0 to its peak; it falls to 0 over the rest. Their number is known
beforehand, unlike fine-tuning's."""

MAX_GRADIENT_NORM = 1.0
"""Longer gradients are scaled down to this length, as in BERT's own pre-training."""

_WAY_OUT = "lower adapt.batch_size or tokenize.max_tokens, or choose a smaller model."
_WAY_OUT_OF_STEP = "choose a smaller model, or set adapt.enabled to false."

_MAX_LOSS = 700.0
"""In nats a token; beyond it the perplexity is no number. A guess among a million tokens has 14."""


@dataclass(frozen=True)
class Learnt:
    """What came of it. Losses are cross-entropies in nats a token, of the same questions before and after."""

    loss_before: float
    """Of held-out reviews, the head's weights still random."""
    loss_after: float
    tokens_seen: int
    """Real tokens read in training; one that is read in two epochs counts twice."""
    tokens_asked: int
    """Those of them that had to be named."""
    steps: int
    seconds: float
    """Of training steps."""


class _Progress:
    """Where an adaptation stands. No generator's state is among it: each step seeds torch's anew."""

    def __init__(self) -> None:
        self.step = 0  # steps that are done
        self.loss_before = math.nan
        self.tokens_seen = 0
        self.tokens_asked = 0
        self.seconds = 0.0

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def adapt(
    model: LanguageModel,
    task: Task,
    train: TokenizedReviews,
    held_out: TokenizedReviews,
    params: AdaptParams,
    *,
    seed: int,
    compute: Compute,
    folder: CheckpointFolder,
) -> Learnt:
    """Train ``model`` in place, with the dropout of its configuration.

    Args:
        model: Backbone and head.
        task: What is asked of them.
        train: Reviews to learn from; their stars are not read.
        held_out: Reviews that the losses before and after are measured on.
        params: Rates and sizes.
        seed: Orders the reviews, and chooses what is asked and dropped.
        compute: Device and precision.
        folder: A state found there is gone on from; states are saved there.

    Raises:
        ModelError: the loss is no longer a number, or a batch does not fit into memory.
    """
    return _Adapting(model, task, train, held_out, params, seed, compute, folder).run()


class _Adapting:
    def __init__(
        self,
        model: LanguageModel,
        task: Task,
        train: TokenizedReviews,
        held_out: TokenizedReviews,
        params: AdaptParams,
        seed: int,
        compute: Compute,
        folder: CheckpointFolder,
    ) -> None:
        self.model, self.task = model.to(compute.device), task
        self.train, self.held_out = train, held_out
        self.params, self.seed, self.compute, self.folder = params, seed, compute, folder
        epochs = range(1, params.epochs + 1)
        self.batches = list(
            chain.from_iterable(shuffled_batches(train.lengths, params.batch_size, seed, epoch) for epoch in epochs)
        )
        groups = [(model.backbone, params.learning_rate), (model.head, params.head_learning_rate)]
        # No weight decay: over a pass or two at such rates it would take less than a thousandth off a weight.
        self.optimizer = torch.optim.AdamW(
            [{"params": list(part.parameters()), "lr": rate, "peak_lr": rate} for part, rate in groups],
            weight_decay=0.0,
            fused=True,
        )
        self.at = _Progress()
        self.saved_at = time.monotonic()

    def run(self) -> Learnt:
        self._resume()
        if self.at.step == 0:
            self.at.loss_before = self._held_out_loss("before")
        self.model.train()
        with progress("adapt", len(self.train) * self.params.epochs, unit="reviews") as bar:
            bar.update(sum(len(rows) for rows in self.batches[: self.at.step]))
            for rows in self.batches[self.at.step :]:
                started = time.monotonic()
                loss = self._step(rows)
                self.at.seconds += time.monotonic() - started
                bar.update(len(rows))
                bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
                if time.monotonic() - self.saved_at > CHECKPOINT_EVERY_S:
                    self._save()
        self._save()
        loss_after = self._held_out_loss("after")
        log.info("held-out loss %.4f before, %.4f after, nats a token", self.at.loss_before, loss_after)
        if loss_after >= self.at.loss_before:
            log.warning("adaptation made the backbone worse at its own task; lower adapt.learning_rate")
        return Learnt(
            loss_before=self.at.loss_before,
            loss_after=loss_after,
            tokens_seen=self.at.tokens_seen,
            tokens_asked=self.at.tokens_asked,
            steps=self.at.step,
            seconds=self.at.seconds,
        )

    def _step(self, rows: NDArray[np.int64]) -> float:
        """One optimizer step; returns the batch's mean cross-entropy in nats a token."""
        seed_step(self.seed, self.at.step + 1)
        set_rate(self.optimizer, learning_rate_share(self.at.step, len(self.batches)))
        with must_fit(describe_batch(len(rows), int(self.train.lengths[rows].max())), _WAY_OUT):
            loss_sum, n_asked, n_real = self._loss(rows, self.train)
            loss = loss_sum / max(n_asked, 1)  # a batch of nothing but special tokens asks for none
            torch.autograd.backward(loss)
        value = self._checked(float(loss.detach()))
        with must_fit("a step of the optimizer", _WAY_OUT_OF_STEP):
            nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        self.at.step += 1
        self.at.tokens_seen += n_real
        self.at.tokens_asked += n_asked
        return value

    def _loss(self, rows: NDArray[np.int64], reviews: TokenizedReviews) -> tuple[Tensor, int, int]:
        """Summed cross-entropy of a batch in nats, tokens asked for, real tokens."""
        input_ids, mask = pad([reviews.input_ids[row] for row in rows], reviews.pad_id)
        exercise = self.task(input_ids, mask).to(self.compute.device)
        with self.compute.autocast():
            logits = self.model(exercise, mask.to(self.compute.device))
        return cross_entropy(logits.float(), exercise.answers, reduction="sum"), len(exercise.answers), int(mask.sum())

    def _held_out_loss(self, what: str) -> float:
        """Mean cross-entropy of the held-out reviews in nats a token; what is asked is the same every time."""
        seed_step(self.seed, 0)
        self.model.eval()
        loss_sum = n_asked = 0.0
        with torch.inference_mode(), progress(what, len(self.held_out), unit="reviews") as bar:
            for rows in batches_by_length(self.held_out.lengths, self.params.batch_size):
                with must_fit(describe_batch(len(rows), int(self.held_out.lengths[rows].max())), _WAY_OUT):
                    loss, n, _ = self._loss(rows, self.held_out)
                loss_sum, n_asked = loss_sum + float(loss), n_asked + n
                bar.update(len(rows))
        if not n_asked:
            raise ModelError("the held-out reviews hold nothing to ask for; raise adapt.held_out_share.")
        return self._checked(loss_sum / n_asked)

    def _checked(self, loss: float) -> float:
        if not loss < _MAX_LOSS:
            raise ModelError(
                f"the loss is {loss} after {self.at.step} of {len(self.batches)} steps; lower adapt.learning_rate or "
                "adapt.head_learning_rate, or set STARSIGHT_DEVICE=cpu to rule out the device."
            )
        return loss

    def _save(self) -> None:
        save_state({name: part.state_dict() for name, part in self._parts()}, self.folder.state)
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        state = load_state(self.folder.state)
        if state is None:
            return
        for name, part in self._parts():
            part.load_state_dict(state[name])
        log.info("going on at step %d of %d", self.at.step, len(self.batches))

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield "model", self.model
        yield "optimizer", self.optimizer
        yield "progress", self.at


def learning_rate_share(step: int, n_steps: int) -> float:
    """Share of the peak rate at a step, counted from 0: up to 1 over the first tenth, down to near 0 at the last."""
    return rate_factor(step, n_steps, "linear", max(1, round(WARMUP_SHARE * n_steps)))


def seed_step(seed: int, step: int) -> None:
    """Seed torch's generators for one step, so that it draws the same whether or not those before it ran here."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]))
