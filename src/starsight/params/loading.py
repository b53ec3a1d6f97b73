"""Read ``params.yaml``, and say everything that is wrong with it at once."""

from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from starsight.errors import ParamsError
from starsight.params.datasets import Dataset
from starsight.params.models import Model
from starsight.params.section import Section
from starsight.params.stages import (
    AdaptParams,
    CleanParams,
    EvaluateParams,
    ExplainParams,
    FinetuneParams,
    IngestParams,
    PromoteParams,
    TokenizeParams,
    ValidateParams,
)


class Params(Section):
    """All of ``params.yaml``."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Starts every random number: weights of the head, order of the reviews, dropout, resampling."""
    dataset: str
    """A row of ``datasets``."""
    model: str
    """A row of ``models``."""
    datasets: dict[str, Dataset]
    """Sources of reviews, by name."""
    models: dict[str, Model]
    """Backbones, by name."""
    ingest: IngestParams
    clean: CleanParams
    validate_: ValidateParams = Field(alias="validate")
    """``validate`` is taken: pydantic's own method."""
    tokenize: TokenizeParams
    adapt: AdaptParams
    finetune: FinetuneParams
    evaluate: EvaluateParams
    explain: ExplainParams
    promote: PromoteParams

    @model_validator(mode="after")
    def _folds_are_held_out(self) -> "Params":
        if self.evaluate.folds and self.adapt.enabled:
            raise ValueError(
                "evaluate.folds: the adapted backbone has read the reviews that the folds hold out; set adapt.enabled "
                "to false, or evaluate.folds to 0"
            )
        if self.evaluate.folds and self.finetune.teacher.folder:
            raise ValueError(
                "evaluate.folds: the teacher has learnt from reviews that the folds hold out; set "
                "finetune.teacher.folder to null, or evaluate.folds to 0"
            )
        return self

    @property
    def dataset_row(self) -> Dataset:
        """The chosen row of ``datasets``."""
        return self.datasets[self.dataset]

    @property
    def model_row(self) -> Model:
        """The chosen row of ``models``."""
        return self.models[self.model]


def load_params(path: Path) -> Params:
    """Read and check ``params.yaml``.

    Raises:
        ParamsError: all problems in one message, a line each, with the key's path, the rule and the value found.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} is missing; run from the repository's folder.") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ParamsError(f"{path} holds no settings; compare it with the one in the repository.")
    problems = _missing_rows(content)
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        problems += [_describe(problem) for problem in error.errors()]
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ParamsError("\n  ".join([f"{path.name} has {count}:", *problems]))
    return params


def _missing_rows(content: dict[str, Any]) -> list[str]:
    """Chosen rows that do not exist. Asked before the types are, so that all problems come in one message."""
    problems = []
    for key in ("dataset", "model"):
        chosen, table = content.get(key), content.get(f"{key}s")
        if isinstance(chosen, str) and isinstance(table, dict) and chosen not in table:
            problems.append(f"{key}: no row {chosen!r} in {key}s; there are: {', '.join(sorted(map(str, table)))}")
    return problems


def _describe(problem: Any) -> str:
    """One line: where, what was expected, what was found."""
    place = _place(problem["loc"])
    if problem["type"] == "missing":
        return f"{place}: is missing"
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such setting"
    rule = problem["msg"].removeprefix("Value error, ")
    found = problem["input"]
    if isinstance(found, dict | list | BaseModel):  # the rule names the values that matter
        return f"{place}: {rule}" if place else rule
    return f"{place}: {rule}; found {found!r}{_hint(found)}"


_BRANCHING: Final = (
    ("datasets", "*"),
    ("datasets", "*", "*", "parameters", "*"),
    ("models", "*", "checkpoint"),
    ("models", "*", "sha256"),
)
"""Paths of unions; pydantic's next part says which branch it tried, and is no key of the file. ``*`` is any part."""


def _place(path: tuple[int | str, ...]) -> str:
    """A path of pydantic's as the keys of the file, with dots between them."""
    return ".".join(str(part) for i, part in enumerate(path) if not any(_fits(path[:i], each) for each in _BRANCHING))


def _fits(path: tuple[int | str, ...], pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(
        expected in ("*", part) for part, expected in zip(path, pattern, strict=True)
    )


def _hint(found: object) -> str:
    """What to do about a number that arrived as text."""
    if not isinstance(found, str):
        return ""
    try:
        float(found)
    except ValueError:
        return ""
    return "; YAML reads 2e-5 as text, write 2.0e-5" if "e" in found.lower() else "; take the quotes away"
