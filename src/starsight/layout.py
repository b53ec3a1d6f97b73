"""Where every artifact of the pipeline lives: the only module with paths from the repository's folder.

Paths that DVC owns hang below ``root``, the folder in which a stage runs. Under ``dvc exp run --queue`` and ``--temp``
that folder is a throw-away copy, while ``home`` is the real repository: what must outlive the copy (the MLflow store,
downloads, resumable checkpoints, logs) hangs below ``home``.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path


def real_repository() -> Path:
    """The repository that DVC was started in; the working directory outside DVC.

    DVC exports ``DVC_ROOT`` to its stages, and it names the real repository in queued and temporary experiments too.
    """
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


@dataclass(frozen=True)
class Layout:
    """The files of one run of the pipeline."""

    root: Path = field(default_factory=Path.cwd)
    """Folder of this run: params.yaml, data/, models/ and reports/ hang below it."""
    home: Path = field(default_factory=real_repository)
    """The real repository: mlruns/ and scratch/ hang below it."""

    def named(self, folder: str) -> Path:
        """A folder that a setting names. A relative one begins in the real repository, in a copy of it too."""
        return self.home / Path(folder).expanduser()

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def pipeline_lock(self) -> Path:
        return self.root / "dvc.lock"

    @property
    def readme(self) -> Path:
        return self.root / "README.md"

    @property
    def makefile(self) -> Path:
        return self.root / "Makefile"

    @property
    def settings_page(self) -> Path:
        return self.root / "docs/settings.md"

    @property
    def models_page(self) -> Path:
        return self.root / "docs/models.md"

    @property
    def spelling_veto(self) -> Path:
        """Words that are never corrected, one a line."""
        return self.root / "spelling_veto.txt"

    # --- data/: the reviews, stage by stage ---------------------------------------------------------------------

    @property
    def reviews(self) -> Path:
        return self.root / "data/interim/reviews.parquet"

    @property
    def rejected(self) -> Path:
        return self.root / "data/interim/rejected.parquet"

    @property
    def clean(self) -> Path:
        return self.root / "data/interim/clean.parquet"

    @property
    def dropped(self) -> Path:
        return self.root / "data/interim/dropped.parquet"

    @property
    def corrections(self) -> Path:
        """Spelling corrections, one row a distinct word; the served model carries them along."""
        return self.root / "data/interim/corrections.parquet"

    @property
    def processed(self) -> Path:
        return self.root / "data/processed"

    def tokens(self, split: str) -> Path:
        return self.processed / split

    # --- models/ ------------------------------------------------------------------------------------------------

    @property
    def adapted(self) -> Path:
        return self.root / "models/adapted"

    @property
    def adapted_backbone(self) -> Path:
        """Only where ``adapt.enabled``."""
        return self.adapted / "backbone"

    @property
    def finetuned(self) -> Path:
        return self.root / "models/finetuned"

    @property
    def run(self) -> Path:
        """The MLflow run of this experiment. A stage restored from DVC's cache starts no process, hence a file."""
        return self.root / "models/run.json"

    # --- reports/: what people read -----------------------------------------------------------------------------

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def ingest_report(self) -> Path:
        return self.reports / "ingest.json"

    @property
    def clean_report(self) -> Path:
        return self.reports / "clean.json"

    @property
    def cleaning_page(self) -> Path:
        return self.reports / "cleaning.html"

    @property
    def validation_report(self) -> Path:
        return self.reports / "validation.json"

    @property
    def validation_site(self) -> Path:
        return self.reports / "validation"

    @property
    def tokens_report(self) -> Path:
        return self.reports / "tokens.json"

    @property
    def adaptation_report(self) -> Path:
        return self.reports / "adaptation.json"

    @property
    def training_report(self) -> Path:
        return self.reports / "training.json"

    @property
    def epochs(self) -> Path:
        return self.reports / "plots/epochs.csv"

    @property
    def metrics(self) -> Path:
        return self.reports / "metrics.json"

    @property
    def evaluation_page(self) -> Path:
        return self.reports / "evaluation.html"

    @property
    def model_card(self) -> Path:
        return self.reports / "MODEL_CARD.md"

    @property
    def comparison_page(self) -> Path:
        """Of all runs in the store, not of one: no stage writes it, DVC does not know it."""
        return self.reports / "comparison.html"

    @property
    def errors_by_star(self) -> Path:
        return self.reports / "plots/errors_by_star.csv"

    @property
    def before_after(self) -> Path:
        return self.reports / "plots/before_after.csv"

    @property
    def slices(self) -> Path:
        return self.reports / "plots/slices.csv"

    @property
    def predictions(self) -> Path:
        return self.reports / "plots/predictions.csv"

    @property
    def folds(self) -> Path:
        """Errors of each fold of a cross-validation; no row where there was none."""
        return self.reports / "plots/folds.csv"

    @property
    def calibration(self) -> Path:
        """Predicted and true stars, and coverage, a row for each tenth of the predictions."""
        return self.reports / "plots/calibration.csv"

    def evaluation_reports(self) -> tuple[Path, ...]:
        """What a run keeps of its evaluation."""
        return (
            self.metrics,
            self.evaluation_page,
            self.epochs,
            self.predictions,
            self.slices,
            self.model_card,
            self.validation_report,
        )

    @property
    def explanations(self) -> Path:
        return self.reports / "explanations"

    @property
    def explain_report(self) -> Path:
        return self.reports / "explain.json"

    # --- the real repository's own, never DVC's ------------------------------------------------------------------

    @property
    def mlruns(self) -> Path:
        return self.home / "mlruns"

    @property
    def mlflow_database(self) -> Path:
        return self.mlruns.resolve() / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.mlruns.resolve() / "artifacts"

    @property
    def mlflow_lock(self) -> Path:
        """Held while the store is opened."""
        return self.mlruns / ".lock"

    @property
    def promotions(self) -> Path:
        """Who was champion, when and why; in git, since MLflow keeps no history."""
        return self.home / "promotions.jsonl"

    @property
    def promotion_lock(self) -> Path:
        """Held while a promotion is under way."""
        return self.mlruns / ".promotion.lock"

    @property
    def promotion_holder(self) -> Path:
        """Who holds ``promotion_lock``."""
        return self.mlruns / ".promotion.json"

    @property
    def scratch(self) -> Path:
        """Ignored by git and DVC: resumable checkpoints, logs, stage timings, validation workspace."""
        return self.home / "scratch"

    @property
    def downloads(self) -> Path:
        """Cache of downloaded wheels and files, shared by every experiment."""
        return self.scratch / "downloads"

    @property
    def checkpoints(self) -> Path:
        """Pretrained weights, unpacked."""
        return self.scratch / "checkpoints"

    @property
    def clean_scratch(self) -> Path:
        """Texts and signatures of a cleaning under way, a folder a process."""
        return self.scratch / "clean"

    def adaptation(self, key: str) -> Path:
        """State of an adaptation under way."""
        return self.scratch / "adapt" / key

    def training(self, key: str) -> Path:
        """State of a training under way."""
        return self.scratch / "finetune" / key

    def cross_validation(self, key: str) -> Path:
        """Errors of the folds that are done, and the state of the one under way. Stays: a fold costs a training."""
        return self.scratch / "folds" / key

    def log(self, stage: str) -> Path:
        """Everything that the stage's last run had to say, tracebacks too."""
        return self.scratch / f"logs/{stage}.log"

    def timing(self, stage: str) -> Path:
        """Wall time and peak memory of the stage's last run."""
        return self.scratch / f"timings/{stage}.json"
