"""Those who train in ``benchmarks.training``, each in a process of its own: starsight and three set-ups of the Trainer.

A contender waits for its turn before every block of steps, so that a slow minute of the machine hits all alike. Its
turns and its clock hang on the optimizer's steps, which all have: nothing in the training itself is touched.
"""

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import (
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.utils.logging import set_verbosity_error

from benchmarks.products import best_rate, feed_forward_shapes, flops_per_review, shares_of
from starsight.errors import ModelError, StarsightError
from starsight.layout import Layout
from starsight.memory import resident_peak_mib
from starsight.metrics import mae
from starsight.model.batches import TokenizedReviews
from starsight.model.compute import Compute, choose_compute
from starsight.model.families import FAMILIES
from starsight.model.inference import rate, within_scale
from starsight.model.regressor import StarRegressor
from starsight.model.start import start_regressor
from starsight.model.target import StarScale
from starsight.model.tokens import TOKENIZER, load_tokenizer, read_tokens
from starsight.params import Params
from starsight.train import loop
from starsight.train.checkpoint import CheckpointFolder
from starsight.train.optimizer import set_dropout

Name = Literal["starsight", "stock", "tuned", "tuned_no_dropout"]

_PRICED_BATCHES = 32
_WARM_BATCHES = 4
"""In the training whose parts are timed, and before it: the first batches make the processor's library compile."""

_PAD_TO = 8
"""What the documentation of transformers advises for half precision."""


@dataclass(frozen=True)
class Task:
    """The same for every contender."""

    params: Params
    """Their ``finetune`` section holds batch size and epochs."""
    layout: Layout
    """Where the tokenized reviews and the weights are."""
    n_train: int
    """Reviews; a multiple of the batch size."""
    n_validation: int
    """Reviews that the error is measured on."""
    n_blocks: int
    """Timed blocks an epoch."""

    @property
    def boundaries(self) -> list[int]:
        """Steps of an epoch after which a block begins or ends. The first step is in none: what lies between two
        epochs would count with it."""
        n_steps = self.n_train // self.params.finetune.batch_size
        return [int(place) for place in np.linspace(1, n_steps, self.n_blocks + 1).round()]


@dataclass(frozen=True)
class Block:
    """One timed block of steps."""

    n_reviews: int
    seconds: float

    @property
    def reviews_per_s(self) -> float:
        """Throughput."""
        return self.n_reviews / self.seconds


@dataclass(frozen=True)
class Trained:
    """What a contender has come to."""

    validation_mae: float
    """Stars."""
    peak_rss_mib: float
    peak_gpu_mib: float
    """0 where there is no GPU."""
    matmul_flops_per_s: float
    """The best rate of a matrix product seen between the blocks; 0 where it was not asked for."""
    device: str
    precision: str
    """Of the training."""


@dataclass(frozen=True)
class Costs:
    """What starsight's steps are made of."""

    flops_per_review: float
    """Operations of the matrix products of the mean training review, forward and backward."""
    shares: dict[str, float]
    """Of a step's time, by part."""


@dataclass(frozen=True)
class Failed:
    """Why a contender could not go on, in one line."""

    reason: str


@dataclass(frozen=True)
class Setting:
    """What a contender starts from: the same network, weights and reviews for all."""

    regressor: StarRegressor
    tokenizer: PreTrainedTokenizerFast
    train: TokenizedReviews
    validation: TokenizedReviews
    compute: Compute

    @classmethod
    def of(cls, task: Task) -> "Setting":
        """Read tokens and weights."""
        params, layout = task.params, task.layout
        tokenizer = load_tokenizer(layout.processed / TOKENIZER, params.model_row.family)
        train, validation = (
            TokenizedReviews.from_dataset(read_tokens(layout.tokens(split), n), tokenizer.pad_token_id)
            for split, n in (("train", task.n_train), ("validation", task.n_validation))
        )
        torch.manual_seed(params.seed)
        regressor = start_regressor(params, layout, tokenizer, StarScale.fit(train.stars))
        return cls(regressor, tokenizer, train, validation, choose_compute())


class Turns:
    """Counts the optimizer's steps, times the blocks, and waits for its turn between two of them."""

    def __init__(self, task: Task, connection: Connection, compute: Compute, between: Callable[[], None]) -> None:
        """``between`` is called after every block, while it is still this contender's turn."""
        self.boundaries = task.boundaries
        self.batch_size = task.params.finetune.batch_size
        self.n_steps = self.boundaries[-1] * task.params.finetune.epochs
        self.connection, self.compute, self.between = connection, compute, between
        self.step = 0
        self.started = math.nan

    def after_step(self, *_: object) -> None:
        """Called by torch after every step of any optimizer."""
        self.step += 1
        place = (self.step - 1) % self.boundaries[-1] + 1
        if place not in self.boundaries or self.step > self.n_steps:
            return
        if place > 1:
            seconds = self._now() - self.started
            n_steps = place - self.boundaries[self.boundaries.index(place) - 1]
            self.between()
            self.connection.send(Block(n_steps * self.batch_size, seconds))
            if self.step < self.n_steps:
                self.connection.recv()
        self.started = self._now()

    def _now(self) -> float:
        if self.compute.device.type == "cuda":
            torch.cuda.synchronize(self.compute.device)
        return time.perf_counter()


def contend(name: Name, task: Task, connection: Connection) -> None:
    """Train as ``name`` does; the program of a contender's process.

    Sends None when it is ready, then at each turn a ``Block``; the last block is followed by a ``Trained``. Sends a
    ``Failed`` in place of any of these.
    """
    with _answering(connection), tempfile.TemporaryDirectory() as folder:
        setting = Setting.of(task)
        shapes = feed_forward_shapes(setting.regressor, setting.train.lengths, task.params.finetune.batch_size)
        rates = [0.0]

        def measure_rate() -> None:
            if name == "starsight":
                rates.append(best_rate(shapes, setting.compute))

        turns = Turns(task, connection, setting.compute, measure_rate)
        connection.send(None)
        connection.recv()
        with register_optimizer_step_post_hook(turns.after_step):
            TRAINERS[name](setting, task.params, Path(folder))
        if turns.step != turns.n_steps:
            raise ModelError(f"{name} took {turns.step} steps, not {turns.n_steps}; the blocks cannot be compared.")
        connection.send(
            Trained(
                peak_rss_mib=resident_peak_mib(),
                validation_mae=validation_mae(setting),
                peak_gpu_mib=torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0,
                matmul_flops_per_s=max(rates),
                device=str(setting.compute.device),
                precision="fp32" if name == "stock" else setting.compute.precision,
            )
        )


def price(task: Task, connection: Connection) -> None:
    """Send the ``Costs`` of starsight's training, or a ``Failed``; the program of a process of its own."""
    os.environ["CUDA_LAUNCH_BLOCKING"] = "1"  # see shares_of; read when the GPU is first used
    with _answering(connection), tempfile.TemporaryDirectory() as folder:
        setting = Setting.of(task)
        flops = flops_per_review(setting.regressor, setting.train.lengths)
        params = task.params.model_copy(update={"finetune": task.params.finetune.model_copy(update={"epochs": 1})})

        def train(n_batches: int) -> None:
            n_few = min(n_batches * params.finetune.batch_size, len(setting.train))
            few = replace(setting, train=setting.train.take(np.arange(n_few)))
            train_starsight(few, params, Path(folder) / str(n_batches))

        train(_WARM_BATCHES)
        connection.send(Costs(flops, shares_of(lambda: train(_PRICED_BATCHES))))


@contextmanager
def _answering(connection: Connection) -> Iterator[None]:
    """Nothing but results and errors are said, and a user's mistake is sent on."""
    logging.disable(logging.WARNING)
    set_verbosity_error()
    try:
        yield
    except StarsightError as error:
        connection.send(Failed(str(error)))


def validation_mae(setting: Setting) -> float:
    """Mean absolute error in stars of the network as it is now, in the precision that starsight has chosen."""
    stars = within_scale(rate(setting.regressor, setting.validation, setting.compute, "validate"))
    return mae(setting.validation.stars.astype(np.float64), stars)


def train_starsight(setting: Setting, params: Params, folder: Path) -> None:
    """``finetune`` as the pipeline calls it, with the settings of params.yaml.

    States that a killed training would go on from are not saved: they are due by the clock, which runs on while the
    others have their turns, and the Trainers save none either.
    """
    loop.CHECKPOINT_EVERY_S = math.inf
    loop.finetune(
        setting.regressor,
        setting.train,
        setting.validation,
        # as many epochs as the others, whatever the errors in between
        params.finetune.model_copy(update={"patience": params.finetune.epochs}),
        seed=params.seed,
        compute=setting.compute,
        folder=CheckpointFolder(folder),
        recorder=Nobody(),
    )


class Nobody:
    """Takes what a training has to say, and does nothing with it."""

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Do nothing."""


class WithLoss(nn.Module):
    """The same network as a Trainer wants it: the answer holds the loss."""

    def __init__(self, regressor: StarRegressor) -> None:
        super().__init__()
        self.regressor = regressor

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Rate a batch.

        Args:
            input_ids: ``(batch, tokens)``.
            attention_mask: ``(batch, tokens)``, 1 for real tokens.
            labels: ``(batch,)``, what the objective makes of the stars.
        """
        logits = self.regressor(input_ids, attention_mask.bool()).logits
        return {"loss": self.regressor.objective.loss(logits, labels), "logits": logits}


def train_with_trainer(setting: Setting, params: Params, folder: Path, *, tuned: bool, dropout: bool = True) -> None:
    """``transformers.Trainer``: as it comes, or set up well.

    As it comes: its own optimizer settings, a rate that falls linearly, reviews in random order padded to the longest
    of their batch, the checkpoint's dropout, torch's fused attention where the backbone can have it, float32. Set up
    well: bfloat16 where starsight takes it too, batches of like length of a width that is a multiple of 8, the fused
    optimizer, starsight's kind of attention, warm-up and weight decay; and, for the last of the three, its dropout.
    """
    finetune = params.finetune
    settings: dict[str, Any] = {}
    if tuned:
        settings = {
            "bf16": setting.compute.precision == "bf16",
            "train_sampling_strategy": "group_by_length",
            "optim": "adamw_torch_fused",
            "warmup_steps": finetune.warmup_steps,
            "weight_decay": finetune.weight_decay,
        }
    elif FAMILIES[setting.regressor.family].fused_attention:
        cast(PreTrainedModel, setting.regressor.backbone).set_attn_implementation("sdpa")
    if not dropout:
        set_dropout(setting.regressor, finetune.dropout)
    scores = setting.regressor.objective.target(torch.tensor(setting.train.stars)).tolist()
    trainer = Trainer(
        model=WithLoss(setting.regressor),
        args=TrainingArguments(
            output_dir=str(folder),
            learning_rate=finetune.learning_rate,
            per_device_train_batch_size=finetune.batch_size,
            num_train_epochs=finetune.epochs,
            seed=params.seed,
            use_cpu=setting.compute.device.type == "cpu",
            dataloader_pin_memory=setting.compute.device.type == "cuda",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **settings,
        ),
        train_dataset=Dataset.from_dict({"input_ids": setting.train.input_ids, "labels": scores}),
        data_collator=DataCollatorWithPadding(setting.tokenizer, pad_to_multiple_of=_PAD_TO if tuned else None),
        processing_class=setting.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


TRAINERS: dict[Name, Callable[[Setting, Params, Path], None]] = {
    "starsight": train_starsight,
    "stock": partial(train_with_trainer, tuned=False),
    "tuned": partial(train_with_trainer, tuned=True),
    "tuned_no_dropout": partial(train_with_trainer, tuned=True, dropout=False),
}
