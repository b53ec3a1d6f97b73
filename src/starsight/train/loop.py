"""Fine-tuning: squared error, AdamW, early stopping, the best epoch restored. Nothing here knows MLflow or DVC."""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim.swa_utils import AveragedModel

from starsight.errors import ModelError
from starsight.metrics import mae, rmse
from starsight.model.batches import TokenizedReviews, pad, shuffled_batches
from starsight.model.compute import Compute
from starsight.model.inference import rate, within_scale
from starsight.model.regressor import StarRegressor
from starsight.params import FinetuneParams
from starsight.progress import progress
from starsight.train.average import average_weights
from starsight.train.checkpoint import (
    CheckpointFolder,
    load_state,
    random_state,
    restore_random_state,
    save_state,
)

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 120.0
"""Most seconds of work that a kill can cost. Resuming is exact, so when a state was saved changes no weight."""

_LOG_EVERY_STEPS = 20
"""Steps between two points of the training loss: the tracking database takes some 50 writes a second in all."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training reviews."""

    epoch: int
    """Counts from 1."""
    train_loss: float
    """Mean squared error on the model's scale."""
    validation_mae: float
    """Stars."""
    validation_rmse: float
    """Stars; the lowest ends up in the model."""
    seconds: float
    """Training and validation, as measured by the process that ended the epoch."""


class Recorder(Protocol):
    """Where a training reports to."""

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Take the values of one step or epoch."""


@dataclass(frozen=True)
class Training:
    """A finished training; the regressor itself holds the weights of the best epoch."""

    epochs: list[Epoch]
    best_epoch: int
    reviews_per_s: float
    """Training reviews a second, validation not counted."""


class _Progress:
    """Where a training stands: everything that ``state_dict`` of a module or an optimizer does not know."""

    def __init__(self) -> None:
        self.epoch = 1
        self.batch = 0  # batches of this epoch that are done
        self.step = 0
        self.loss_sum = 0.0  # of this epoch, weighted by reviews
        self.epochs: list[Epoch] = []
        self.reviews_seen = 0
        self.training_s = 0.0

    @property
    def best(self) -> Epoch | None:
        return min(self.epochs, key=lambda epoch: epoch.validation_rmse, default=None)

    def state_dict(self) -> dict[str, Any]:
        return {**vars(self), "epochs": [asdict(epoch) for epoch in self.epochs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state, epochs=[Epoch(**epoch) for epoch in state["epochs"]])


def finetune(
    regressor: StarRegressor,
    train: TokenizedReviews,
    validation: TokenizedReviews,
    params: FinetuneParams,
    *,
    seed: int,
    compute: Compute,
    folder: CheckpointFolder,
    recorder: Recorder,
) -> Training:
    """Train ``regressor`` in place and leave the best epoch's weights in it.

    Args:
        regressor: Its scale was fitted on ``train``.
        train: Reviews to learn from.
        validation: Reviews that choose the epoch.
        params: Rates, sizes and patience.
        seed: Orders the reviews.
        compute: Device and precision.
        folder: A state found there is gone on from; states are saved there.
        recorder: Told about losses and epochs.

    Raises:
        ModelError: the loss is no longer a number, or a batch does not fit into memory.
    """
    return _Finetuning(regressor, train, validation, params, seed, compute, folder, recorder).run()


class _Finetuning:
    def __init__(
        self,
        regressor: StarRegressor,
        train: TokenizedReviews,
        validation: TokenizedReviews,
        params: FinetuneParams,
        seed: int,
        compute: Compute,
        folder: CheckpointFolder,
        recorder: Recorder,
    ) -> None:
        self.regressor = regressor.to(compute.device).train()
        self.train, self.validation = train, validation
        self.params, self.seed, self.compute = params, seed, compute
        self.folder, self.recorder = folder, recorder
        set_dropout(regressor, params.dropout)
        self.average: AveragedModel = average_weights(regressor, params.average_decay)
        self.optimizer = make_optimizer(regressor, params)
        self.targets = torch.from_numpy(regressor.scale.to_score(train.stars)).to(compute.device)
        self.at = _Progress()
        self.saved_at = time.monotonic()

    def run(self) -> Training:
        self._resume()
        while not self._finished():
            self._run_epoch()
        best = self.at.best
        if best is None:
            raise ModelError("finetune.epochs is 0: nothing was trained.")
        weights = load_state(self.folder.best)
        if weights is None:
            raise ModelError(f"{self.folder.best} vanished during training; run again to train from the start.")
        self.regressor.load_state_dict(weights)
        self.regressor.eval()
        return Training(self.at.epochs, best.epoch, self.at.reviews_seen / max(self.at.training_s, 1e-9))

    def _finished(self) -> bool:
        best = self.at.best
        worse = 0 if best is None else self.at.epochs[-1].epoch - best.epoch
        return self.at.epoch > self.params.epochs or worse >= self.params.patience

    def _run_epoch(self) -> None:
        epoch, started = self.at.epoch, time.monotonic()
        batches = shuffled_batches(self.train.lengths, self.params.batch_size, self.seed, epoch)
        with progress(f"epoch {epoch}", len(self.train), unit="reviews") as bar:
            bar.update(sum(len(rows) for rows in batches[: self.at.batch]))
            for rows in batches[self.at.batch :]:
                batch_started = time.monotonic()
                loss = self._step(rows)
                self.at.training_s += time.monotonic() - batch_started
                self.at.reviews_seen += len(rows)
                bar.update(len(rows))
                if self.at.step % _LOG_EVERY_STEPS == 0:
                    bar.set_postfix_str(f"loss {loss:.3f}")
                    self.recorder.log({"train_loss_step": loss}, self.at.step)
                if time.monotonic() - self.saved_at > CHECKPOINT_EVERY_S:
                    self._save()
        self._end_epoch(started)

    def _step(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> float:
        """One optimizer step; returns the batch's mean squared error on the model's scale."""
        input_ids, mask = pad([self.train.input_ids[row] for row in rows], self.train.pad_id)
        self._set_learning_rate()
        try:
            with self.compute.autocast():
                rating = self.regressor(input_ids.to(self.compute.device), mask.to(self.compute.device))
            loss = mse_loss(rating.score, self.targets[rows])
            torch.autograd.backward(loss)
        except (torch.OutOfMemoryError, MemoryError):
            raise ModelError(
                f"a batch of {len(rows)} reviews of up to {input_ids.shape[1]} tokens does not fit into memory; "
                "lower finetune.batch_size or tokenize.max_tokens, or choose a smaller model."
            ) from None
        value = float(loss.detach())
        if not np.isfinite(value):
            raise ModelError(
                f"the loss is {value} at step {self.at.step + 1}; lower finetune.learning_rate or "
                "finetune.max_gradient_norm, or set STARSIGHT_DEVICE=cpu to rule out the device."
            )
        nn.utils.clip_grad_norm_(self.regressor.parameters(), self.params.max_gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.regressor)
        self.at.step += 1
        self.at.batch += 1
        self.at.loss_sum += value * len(rows)
        return value

    def _set_learning_rate(self) -> None:
        warm = min(1.0, (self.at.step + 1) / max(self.params.warmup_steps, 1))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * warm

    def _end_epoch(self, started: float) -> None:
        candidate = cast(StarRegressor, self.average.module)
        stars = within_scale(rate(candidate, self.validation, self.compute, f"validate epoch {self.at.epoch}"))
        stars_true = self.validation.stars.astype(np.float64)
        epoch = Epoch(
            epoch=self.at.epoch,
            train_loss=self.at.loss_sum / len(self.train),
            validation_mae=mae(stars_true, stars),
            validation_rmse=rmse(stars_true, stars),
            seconds=round(time.monotonic() - started, 2),
        )
        best = self.at.best
        if best is None or epoch.validation_rmse < best.validation_rmse:
            save_state(candidate.state_dict(), self.folder.best)
        self.at.epochs.append(epoch)
        self.at.epoch, self.at.batch, self.at.loss_sum = self.at.epoch + 1, 0, 0.0
        values = {key: value for key, value in asdict(epoch).items() if key not in ("epoch", "seconds")}
        # Recorded before it is saved: a kill in between records the epoch twice, the other order not at all.
        self.recorder.log(values | {"epoch_seconds": epoch.seconds}, epoch.epoch)
        self._save()
        log.info(
            "epoch %d: loss %.4f, validation MAE %.4f, RMSE %.4f stars (%.0f s)",
            *(epoch.epoch, epoch.train_loss, epoch.validation_mae, epoch.validation_rmse, epoch.seconds),
        )

    def _save(self) -> None:
        state = {name: part.state_dict() for name, part in self._parts()}
        save_state(state | {"random": random_state()}, self.folder.state)
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        state = load_state(self.folder.state)
        if state is None:
            return
        for name, part in self._parts():
            part.load_state_dict(state[name])
        restore_random_state(state["random"])
        log.info("going on at epoch %d, step %d", self.at.epoch, self.at.step)

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield "regressor", self.regressor
        yield "average", self.average
        yield "optimizer", self.optimizer
        yield "progress", self.at


def make_optimizer(regressor: StarRegressor, params: FinetuneParams) -> torch.optim.AdamW:
    """AdamW, fused, in four groups: backbone and head have their own rates; norms and biases do not decay."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in regressor.named_parameters():
        peak_rate = params.head_learning_rate if name.startswith("head.") else params.learning_rate
        decay = params.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((peak_rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": peak_rate, "peak_lr": peak_rate, "weight_decay": decay}
            for (peak_rate, decay), parameters in groups.items()
        ],
        fused=True,
    )


def set_dropout(regressor: StarRegressor, share: float | None) -> None:
    """Set every dropout of the network; None leaves what the checkpoint says."""
    if share is None:
        return
    for module in regressor.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name in ("dropout", "attention_dropout", "dropout_prob"):  # some attentions hold the bare number
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, share)
