"""One fine-tuning from start to finish: data in memory, a resumable training, a model that can be served."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from starsight.layout import Layout
from starsight.memory import peak_memory_mib
from starsight.model.batches import TokenizedReviews
from starsight.model.checkpoints import fetch_checkpoint, starts_from_scratch
from starsight.model.compute import choose_compute
from starsight.model.ensemble import Ensemble
from starsight.model.predictor import Predictor
from starsight.model.regressor import StarRegressor
from starsight.model.start import start_regressor
from starsight.model.target import StarScale
from starsight.model.tokens import TOKENIZER, load_tokenizer, mask_id, read_tokens
from starsight.params import Params
from starsight.tables import read_table
from starsight.train.adapters import add_adapter, count_parameters, merge_adapter
from starsight.train.calibration import calibrated, calibration_facts
from starsight.train.checkpoint import CheckpointFolder, shaping_settings, training_key
from starsight.train.group import Group
from starsight.train.loop import Recorder, Training, finetune
from starsight.train.teacher import teacher_folder, with_teacher


@dataclass(frozen=True)
class Finetuned:
    """A model that can be served, and how it came to be."""

    predictor: Predictor
    trainings: list[Training]
    """One a seed."""
    seed: int
    """Of the first."""
    n_train_reviews: int
    n_validation_reviews: int
    n_trained_parameters: int
    """Of one seed's model: fewer than all where layers are frozen or an adapter learns in their place."""

    @property
    def epochs(self) -> pd.DataFrame:
        """One row an epoch of a seed: ``seed``, and the columns of ``Epoch``."""
        return pd.DataFrame(
            [
                {"seed": self.seed + number} | asdict(epoch)
                for number, training in enumerate(self.trainings)
                for epoch in training.epochs
            ]
        )

    @property
    def measurements(self) -> dict[str, float]:
        """The numbers among ``report``."""
        return {key: value for key, value in self.report.items() if isinstance(value, int | float)}

    @property
    def report(self) -> dict[str, float | str]:
        """Flat facts about the training; of several seeds the means, and all epochs."""
        compute = self.predictor.compute
        best = [training.epochs[training.best_epoch - 1] for training in self.trainings]
        return {
            "best_epoch": mean(epoch.epoch for epoch in best),
            "epochs": sum(len(training.epochs) for training in self.trainings),
            "best_validation_mae": mean(epoch.validation_mae for epoch in best),
            "best_validation_rmse": mean(epoch.validation_rmse for epoch in best),
            "n_train_reviews": self.n_train_reviews,
            "n_validation_reviews": self.n_validation_reviews,
            "reviews_per_s": round(mean(training.reviews_per_s for training in self.trainings), 2),
            "peak_memory_mib": round(peak_memory_mib()),
            "n_parameters": sum(parameter.numel() for parameter in self.predictor.regressor.parameters()),
            "n_trained_parameters": self.n_trained_parameters,
            "n_seeds": len(self.trainings),
            "device": str(compute.device),
            "precision": compute.precision,
            "precision_reason": compute.reason,
            **calibration_facts(self.predictor.calibration),
        }


def training_folder(params: Params, layout: Layout, group: Group) -> CheckpointFolder:
    """Where this very training keeps its state: another setting, review, weight or line of code is another folder."""
    settings = shaping_settings(params, finetune=params.finetune.model_dump(), processes=group.n)
    folders = [layout.processed, *(Path(__file__).parents[1] / part for part in ("model", "train"))]
    if params.adapt.enabled:
        folders.append(layout.adapted)
    elif not starts_from_scratch(params.model_row):
        folders.append(fetch_checkpoint(params.model, params.model_row, layout))
    if params.finetune.teacher.folder:
        folders.append(teacher_folder(params.finetune.teacher.folder, layout))
    return CheckpointFolder(layout.training(training_key(settings, folders)))


def train_predictor(
    params: Params, layout: Layout, folder: CheckpointFolder, recorder: Recorder, group: Group
) -> Finetuned:
    """Fine-tune the chosen model on the tokenized reviews, once for each seed.

    Raises:
        ModelError: a training fails, or a process does not see the leader's folder.
    """
    group.check_shares(folder.run_id)
    settings = params.finetune
    tokenizer = load_tokenizer(layout.processed / TOKENIZER, params.model_row.family)
    tokens = read_tokens(layout.tokens("train"), settings.max_train_reviews)
    train = TokenizedReviews.from_dataset(tokens, tokenizer.pad_token_id)
    validation = TokenizedReviews.from_dataset(
        read_tokens(layout.tokens("validation"), settings.max_validation_reviews), tokenizer.pad_token_id
    )
    targets = with_teacher(train.stars, list(tokens["review_id"]), settings.teacher, layout)
    corrections = _corrections(layout.corrections)
    fitted = fit_predictor(params, layout, tokenizer, corrections, train, validation, targets, folder, recorder, group)
    if not group.leads:  # it saves nothing
        return fitted
    return replace(fitted, predictor=calibrated(fitted.predictor, layout.tokens("validation"), settings))


def fit_predictor(
    params: Params,
    layout: Layout,
    tokenizer: PreTrainedTokenizerFast,
    corrections: Mapping[str, str],
    train: TokenizedReviews,
    validation: TokenizedReviews,
    targets: NDArray[np.float32],
    folder: CheckpointFolder,
    recorder: Recorder,
    group: Group,
) -> Finetuned:
    """Fine-tune the chosen model on reviews in memory, which ``tokenizer`` has read, once for each seed; what follows
    ``corrections``, the spelling for raw texts that the predictor is asked about, is as in ``finetune``."""
    settings, compute = params.finetune, choose_compute()
    hidden = mask_id(tokenizer)
    members: list[StarRegressor] = []
    trainings: list[Training] = []
    n_trained = 0
    for number in range(settings.seeds):
        seed = params.seed + number
        torch.manual_seed(seed)  # the head's weights must not hang on what was drawn before
        regressor = start_regressor(params, layout, tokenizer, StarScale.fit(train.stars))
        add_adapter(regressor, settings.adapter, params.tokenize.max_tokens)
        training = finetune(
            regressor,
            train,
            validation,
            settings,
            seed=seed,
            compute=compute,
            folder=folder.member(number),
            recorder=_OfMember(recorder, number),
            group=group,
            targets=targets,
            # GPT and Llama know no mask: fine-tuning gives that meaning to the token that pads, often their end of text
            mask_id=tokenizer.pad_token_id if hidden is None else hidden,
        )
        n_trained, _ = count_parameters(regressor)
        merge_adapter(regressor)
        members.append(regressor)
        trainings.append(training)
    rater = members[0] if len(members) == 1 else Ensemble(members)
    predictor = Predictor(rater, tokenizer, corrections, params.tokenize.max_tokens, compute, params.tokenize.cut)
    return Finetuned(predictor, trainings, params.seed, len(train), len(validation), n_trained)


def help_to_train(params: Params, layout: Layout, folder: CheckpointFolder, group: Group) -> None:
    """Take part in the training of a leading process, which alone records and saves."""
    train_predictor(params, layout, folder, Silent(), group)


class Silent:
    """A recorder of trainings that nobody follows."""

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Forget the values."""


@dataclass(frozen=True)
class _OfMember:
    """Reports of the first seed under their plain names, of the others as ``member_2/validation_mae``."""

    recorder: Recorder
    number: int

    def log(self, metrics: dict[str, float], step: int) -> None:
        prefix = f"member_{self.number + 1}/" if self.number else ""
        self.recorder.log({f"{prefix}{key}": value for key, value in metrics.items()}, step)


def _corrections(path: Path) -> dict[str, str]:
    table = read_table(path)
    return dict(zip(table["word"], table["correction"], strict=True))
