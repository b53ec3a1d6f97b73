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
    AdapterParams,
    AdaptParams,
    AdversaryParams,
    CleanParams,
    Cut,
    DuplicateParams,
    EvaluateParams,
    ExplainParams,
    FinetuneParams,
    HeadName,
    IngestParams,
    ObjectiveName,
    Schedule,
    SpellingParams,
    SplitParams,
    TeacherParams,
    TokenizeParams,
    ValidateParams,
)

__all__ = [
    "SCRATCH",
    "AdaptParams",
    "AdapterParams",
    "AdversaryParams",
    "CleanParams",
    "Columns",
    "CsvDataset",
    "Cut",
    "Dataset",
    "DuplicateParams",
    "EvaluateParams",
    "ExplainParams",
    "FamilyName",
    "FileDataset",
    "FinetuneParams",
    "HeadName",
    "HubDataset",
    "IngestParams",
    "JsonlDataset",
    "KnownDataset",
    "Model",
    "ObjectiveName",
    "Params",
    "ParquetDataset",
    "RatingColumn",
    "RatingMix",
    "Schedule",
    "ScratchSize",
    "Section",
    "SpellingParams",
    "SplitParams",
    "SqlDataset",
    "TeacherParams",
    "TimeColumn",
    "TokenizeParams",
    "ValidateParams",
    "load_params",
]
