"""One fine-tuning from start to finish: data in memory, a resumable training, a model that can be served."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch

from starsight.layout import Layout
from starsight.memory import peak_memory_mib
from starsight.model.batches import TokenizedReviews
from starsight.model.checkpoints import fetch_checkpoint, starts_from_scratch
from starsight.model.compute import choose_compute
from starsight.model.predictor import Predictor
from starsight.model.start import start_regressor
from starsight.model.target import StarScale
from starsight.model.tokens import TOKENIZER, load_tokenizer, read_tokens
from starsight.params import Params
from starsight.tables import read_table
from starsight.train.checkpoint import CheckpointFolder, training_key
from starsight.train.loop import Recorder, Training, finetune


@dataclass(frozen=True)
class Finetuned:
    """A model that can be served, and how it came to be."""

    predictor: Predictor
    training: Training
    n_train_reviews: int
    n_validation_reviews: int

    @property
    def epochs(self) -> pd.DataFrame:
        """One row an epoch: the columns of ``Epoch``."""
        return pd.DataFrame([asdict(epoch) for epoch in self.training.epochs])

    @property
    def measurements(self) -> dict[str, float]:
        """The numbers among ``report``."""
        return {key: value for key, value in self.report.items() if isinstance(value, int | float)}

    @property
    def report(self) -> dict[str, float | str]:
        """Flat facts about the training."""
        compute, training = self.predictor.compute, self.training
        best = training.epochs[training.best_epoch - 1]
        return {
            "best_epoch": training.best_epoch,
            "epochs": len(training.epochs),
            "best_validation_mae": best.validation_mae,
            "best_validation_rmse": best.validation_rmse,
            "n_train_reviews": self.n_train_reviews,
            "n_validation_reviews": self.n_validation_reviews,
            "reviews_per_s": round(training.reviews_per_s, 2),
            "peak_memory_mib": round(peak_memory_mib()),
            "n_parameters": sum(parameter.numel() for parameter in self.predictor.regressor.parameters()),
            "device": str(compute.device),
            "precision": compute.precision,
            "precision_reason": compute.reason,
        }


def training_folder(params: Params, layout: Layout) -> CheckpointFolder:
    """Where this very training keeps its state: another setting, review, weight or line of code is another folder."""
    compute = choose_compute()
    settings = {
        "seed": params.seed,
        "model": params.model_row.model_dump(),
        "finetune": params.finetune.model_dump(),
        "torch": torch.__version__,
        "device": str(compute.device),
        "precision": compute.precision,
    }
    folders = [layout.processed, *(Path(__file__).parents[1] / part for part in ("model", "train"))]
    if not starts_from_scratch(params.model_row):
        folders.append(fetch_checkpoint(params.model, params.model_row, layout))
    files = [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc"
    ]
    return CheckpointFolder(layout.training(training_key(settings, files)))


def train_predictor(params: Params, layout: Layout, folder: CheckpointFolder, recorder: Recorder) -> Finetuned:
    """Fine-tune the chosen model on the tokenized reviews."""
    tokenizer = load_tokenizer(layout.processed / TOKENIZER)
    train, validation = (
        TokenizedReviews.from_dataset(read_tokens(layout.tokens(split), limit), tokenizer.pad_token_id)
        for split, limit in (
            ("train", params.finetune.max_train_reviews),
            ("validation", params.finetune.max_validation_reviews),
        )
    )
    torch.manual_seed(params.seed)  # the head's weights must not hang on what was drawn before
    regressor = start_regressor(params, layout, tokenizer, StarScale.fit(train.stars))
    compute = choose_compute()
    training = finetune(
        regressor,
        train,
        validation,
        params.finetune,
        seed=params.seed,
        compute=compute,
        folder=folder,
        recorder=recorder,
    )
    predictor = Predictor(regressor, tokenizer, _corrections(layout.corrections), params.tokenize.max_tokens, compute)
    return Finetuned(predictor, training, len(train), len(validation))


def _corrections(path: Path) -> dict[str, str]:
    table = read_table(path)
    return dict(zip(table["word"], table["correction"], strict=True))
