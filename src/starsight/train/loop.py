"""Fine-tuning: epochs, early stopping, the best epoch restored. Nothing here knows MLflow or DVC."""

import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray

from starsight.errors import ModelError
from starsight.metrics import mae, rmse
from starsight.model.batches import TokenizedReviews, shuffled_batches
from starsight.model.compute import Compute
from starsight.model.inference import rate, within_scale
from starsight.model.regressor import StarRegressor
from starsight.params import FinetuneParams
from starsight.progress import progress
from starsight.train.average import average_weights
from starsight.train.checkpoint import CheckpointFolder, load_state, save_state
from starsight.train.group import ALONE, Group
from starsight.train.optimizer import freeze_layers, make_optimizer, set_dropout
from starsight.train.schedule import rate_factor, set_rate
from starsight.train.step import Learning
from starsight.train.vocabulary import words_in_use

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
    """Mean of what the objective makes less."""
    validation_mae: float
    """Stars."""
    validation_rmse: float
    """Stars."""
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
        self.loss_sum = 0.0  # of this epoch's batches, each times its reviews
        self.epochs: list[Epoch] = []
        self.reviews_seen = 0
        self.training_s = 0.0

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
    group: Group = ALONE,
    targets: NDArray[np.float32] | None = None,
    mask_id: int = 0,
) -> Training:
    """Train ``regressor`` in place and leave the best epoch's weights in it.

    Args:
        regressor: Its scale was fitted on ``train``.
        train: Reviews to learn from.
        validation: Reviews that choose the epoch.
        params: Rates, sizes and patience.
        seed: Orders the reviews, and everything else that is left to chance.
        compute: Device and precision.
        folder: A state found there is gone on from; states are saved there.
        recorder: Told about losses and epochs.
        group: The processes that share every batch. Only the leading one saves and records.
        mask_id: Token that stands for a hidden word, where ``masked_words`` asks for some.
        targets: Stars to learn in place of the reviews' own, ``(reviews,)``: a teacher's share is in them.

    Raises:
        ModelError: the loss or a validation rating is no longer a number, or a batch does not fit into memory.
        ParamsError: the settings do not fit the backbone.
    """
    regressor.to(compute.device).train()
    set_dropout(regressor, params.dropout)
    freeze_layers(regressor, params.frozen_layers)
    stars = torch.tensor(train.stars if targets is None else targets, device=compute.device)
    to_learn = regressor.objective.target(stars)
    cut = words_in_use(regressor.backbone, (train, validation), mask_id)
    # a step of Adafactor is as long as the mean square of the whole table says
    with nullcontext() if params.optimizer == "adafactor" else cut:
        average = average_weights(regressor, params.average_decay)
        optimizer = make_optimizer(regressor, params)
        learning = Learning(regressor, average, optimizer, train, to_learn, params, compute, group, mask_id)
        return _Finetuning(learning, validation, seed, folder, recorder).run()


class _Finetuning:
    def __init__(
        self,
        learning: Learning,
        validation: TokenizedReviews,
        seed: int,
        folder: CheckpointFolder,
        recorder: Recorder,
    ) -> None:
        self.learning, self.params, self.group = learning, learning.params, learning.group
        self.validation, self.seed = validation, seed
        self.folder, self.recorder = folder, recorder
        self.n_batches = len(self._batches(epoch=1))
        self.at = _Progress()
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=learning.compute.device)  # at.loss_sum, on device
        self.saved_at = time.monotonic()

    def run(self) -> Training:
        self._resume()
        while not self._finished():
            self._run_epoch()
        best = self._best()
        if best is None:
            raise ModelError("finetune.epochs is 0: nothing was trained.")
        self.group.wait()  # the leader has written the best weights
        weights = load_state(self.folder.best)
        if weights is None:
            raise ModelError(f"{self.folder.best} vanished during training; run again to train from the start.")
        self.learning.regressor.load_state_dict(weights)
        self.learning.regressor.eval()
        return Training(self.at.epochs, best.epoch, self.at.reviews_seen / max(self.at.training_s, 1e-9))

    def _best(self) -> Epoch | None:
        error = "validation_mae" if self.params.objective == "mae" else "validation_rmse"
        return min(self.at.epochs, key=lambda epoch: getattr(epoch, error), default=None)

    def _finished(self) -> bool:
        best = self._best()
        worse = 0 if best is None else self.at.epochs[-1].epoch - best.epoch
        return self.at.epoch > self.params.epochs or worse >= self.params.patience

    def _batches(self, epoch: int) -> list[NDArray[np.int64]]:
        return shuffled_batches(self.learning.reviews.lengths, self.params.batch_size, self.seed, epoch)

    def _run_epoch(self) -> None:
        started = self.began = time.monotonic()
        batches = self._batches(self.at.epoch)
        n_steps = self.n_batches * self.params.epochs
        with progress(f"epoch {self.at.epoch}", len(self.learning.reviews), unit="reviews") as bar:
            bar.update(sum(len(rows) for rows in batches[: self.at.batch]))
            for rows in batches[self.at.batch :]:
                factor = rate_factor(self.at.step, n_steps, self.params.schedule, self.params.warmup_steps)
                set_rate(self.learning.optimizer, factor)
                loss = self.learning.step(rows, _seed(self.seed, self.at.step))
                self.loss_sum += loss.double() * len(rows)
                self.at.step += 1
                self.at.batch += 1
                self.at.reviews_seen += len(rows)
                bar.update(len(rows))
                if self.at.step % _LOG_EVERY_STEPS == 0:
                    value = self._check(loss)
                    bar.set_postfix_str(f"loss {value:.3f}")
                    self._record({"train_loss_step": value}, self.at.step)
                if time.monotonic() - self.saved_at > CHECKPOINT_EVERY_S:
                    self._save()
        self._end_epoch(started)

    def _check(self, loss: torch.Tensor) -> float:
        """The value of a loss, which a GPU is waited for."""
        return self._finite("loss", float(loss))

    def _finite(self, what: str, value: float) -> float:
        if not np.isfinite(value):
            raise ModelError(
                f"the {what} is {value} at step {self.at.step}; lower finetune.learning_rate or "
                "finetune.max_gradient_norm, or set STARSIGHT_DEVICE=cpu to rule out the device."
            )
        return value

    def _end_epoch(self, started: float) -> None:
        train_loss = self._check(self.loss_sum) / len(self.learning.reviews)
        self._stop_clock()
        rated = self._rate_validation()
        stars_true = self.validation.stars.astype(np.float64)
        self._finite("validation error", rmse(stars_true, rated))  # cut to the scale, an infinite rating is 5 stars
        stars = within_scale(rated)
        epoch = Epoch(
            epoch=self.at.epoch,
            train_loss=train_loss,
            validation_mae=mae(stars_true, stars),
            validation_rmse=rmse(stars_true, stars),
            seconds=round(time.monotonic() - started, 2),
        )
        self.at.epochs.append(epoch)
        if self._best() is epoch and self.group.leads:
            save_state(self.learning.average.module.state_dict(), self.folder.best)
        self.at.epoch, self.at.batch = self.at.epoch + 1, 0
        self.loss_sum.zero_()
        values = {key: value for key, value in asdict(epoch).items() if key not in ("epoch", "seconds")}
        # Recorded before it is saved: a kill in between records the epoch twice, the other order not at all.
        self._record(values | {"epoch_seconds": epoch.seconds}, epoch.epoch)
        self._save()
        if self.group.leads:
            log.info(
                "epoch %d: loss %.4f, validation MAE %.4f, RMSE %.4f stars (%.0f s)",
                *(epoch.epoch, epoch.train_loss, epoch.validation_mae, epoch.validation_rmse, epoch.seconds),
            )

    def _rate_validation(self) -> NDArray[np.float64]:
        """Stars of all validation reviews; each process rates its share of them."""
        own = self.group.share(len(self.validation))
        candidate = cast(StarRegressor, self.learning.average.module)
        stars = torch.zeros(len(self.validation), dtype=torch.float64, device=self.learning.compute.device)
        reviews = self.validation.take(np.arange(len(self.validation))[own])
        rated = rate(candidate, reviews, self.learning.compute, f"validate epoch {self.at.epoch}")
        stars[own] = torch.from_numpy(rated).to(stars.device)
        self.group.add_up([stars])
        return np.asarray(stars.cpu().numpy())

    def _record(self, metrics: dict[str, float], step: int) -> None:
        if self.group.leads:
            self.recorder.log(metrics, step)

    def _stop_clock(self) -> None:
        """Count the time since the clock began as training."""
        self.at.training_s += time.monotonic() - self.began

    def _save(self) -> None:
        self.at.loss_sum = self._check(self.loss_sum)
        if self.at.batch:  # in the middle of an epoch
            self._stop_clock()
        if self.group.leads:
            save_state({name: part.state_dict() for name, part in self._parts()}, self.folder.state)
        self.saved_at = self.began = time.monotonic()

    def _resume(self) -> None:
        state = load_state(self.folder.state)
        self.group.wait()  # the leader must not save a new one before all have read this
        if state is None:
            return
        for name, part in self._parts():
            part.load_state_dict(state[name])
        self.loss_sum.fill_(self.at.loss_sum)
        log.info("going on at epoch %d, step %d", self.at.epoch, self.at.step)

    def _parts(self) -> Iterator[tuple[str, Any]]:
        yield "regressor", self.learning.regressor
        yield "average", self.learning.average
        yield "optimizer", self.learning.optimizer
        yield "progress", self.at


def _seed(seed: int, step: int) -> int:
    """Of what a step draws by chance. No generator's state need outlive a kill."""
    return int.from_bytes(blake2b(f"{seed} {step}".encode(), digest_size=7).digest())
