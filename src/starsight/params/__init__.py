"""The settings of a run, typed: the only reader of ``params.yaml``.

Every value that changes an output is here. What does not (device, workers, log level, tracking address) is
environment, so that changing it re-runs nothing.
"""

from starsight.params.datasets import (
    Columns,
    CsvDataset,
    Dataset,
    FileDataset,
    HubDataset,
    JsonlDataset,
    KnownDataset,
    ParquetDataset,
    RatingColumn,
    RatingMix,
    SqlDataset,
    TimeColumn,
)
from starsight.params.loading import Params, load_params
from starsight.params.models import SCRATCH, FamilyName, Model, ScratchSize
from starsight.params.section import Section
from starsight.params.stages import (
    CleanParams,
    DuplicateParams,
    EvaluateParams,
    ExplainParams,
    FinetuneParams,
    IngestParams,
    SpellingParams,
    SplitParams,
    TokenizeParams,
    ValidateParams,
)

__all__ = [
    "SCRATCH",
    "CleanParams",
    "Columns",
    "CsvDataset",
    "Dataset",
    "DuplicateParams",
    "EvaluateParams",
    "ExplainParams",
    "FamilyName",
    "FileDataset",
    "FinetuneParams",
    "HubDataset",
    "IngestParams",
    "JsonlDataset",
    "KnownDataset",
    "Model",
    "Params",
    "ParquetDataset",
    "RatingColumn",
    "RatingMix",
    "ScratchSize",
    "Section",
    "SpellingParams",
    "SplitParams",
    "SqlDataset",
    "TimeColumn",
    "TokenizeParams",
    "ValidateParams",
    "load_params",
]
