"""The parts of the documentation that are made from the code, so that they cannot go stale unseen."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from starsight.errors import DataError
from starsight.layout import Layout
from starsight.model.families import FAMILIES, Family
from starsight.params import (
    Columns,
    CsvDataset,
    HubDataset,
    JsonlDataset,
    KnownDataset,
    Model,
    Params,
    ParquetDataset,
    RatingColumn,
    ScratchSize,
    SqlDataset,
    TimeColumn,
)
from starsight.tables import write_text

_BEGIN = "<!-- generated: {name}; make docs writes it -->"
_END = "<!-- end of generated: {name} -->"


def write_pages(layout: Layout) -> None:
    """Write every generated page and part of a page."""
    for path, text in _pages(layout):
        write_text(text, path)


def stale_pages(layout: Layout) -> list[str]:
    """Pages whose text is not what ``write_pages`` would write."""
    return [
        str(path.relative_to(layout.root))
        for path, text in _pages(layout)
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def _pages(layout: Layout) -> Iterator[tuple[Path, str]]:
    yield (
        layout.readme,
        _with_parts(layout.readme, stages=stage_table(layout.pipeline), words=words_table(layout.makefile)),
    )
    yield layout.models_page, _with_parts(layout.models_page, families=families_table())
    yield layout.settings_page, settings_page()


def stage_table(pipeline: Path) -> str:
    """A Markdown table of the stages of ``dvc.yaml``: what each does, and what it writes."""
    stages = yaml.safe_load(pipeline.read_text(encoding="utf-8"))["stages"]
    rows = ["| stage | what it does | what it writes |", "|---|---|---|"]
    for name, stage in stages.items():
        written = [
            _path(entry) for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, []) if _path(entry)
        ]
        rows.append(f"| `{name}` | {stage['desc']} | {', '.join(f'`{path}`' for path in written)} |")
    return "\n".join(rows)


def words_table(makefile: Path) -> str:
    """A Markdown table of the words of the Makefile, from the comment behind each."""
    words = re.findall(r"^([a-z]+):.*?## (.+)$", makefile.read_text(encoding="utf-8"), re.MULTILINE)
    return "\n".join(["| word | what it does |", "|---|---|", *(f"| `make {word}` | {what} |" for word, what in words)])


def families_table() -> str:
    """A Markdown table of the families of backbones, from their rows."""
    rows = [
        "| family | in transformers | reads | sees | `cls` head reads | longest input | padding token | from scratch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, facts in FAMILIES.items():
        cells = [
            facts.model_type + (", its encoder" if facts.encoder_of_pair else ""),
            facts.reads,
            "what is before" if facts.causal else "the whole review",
            f"{facts.summary_token} token",
            _longest_input(facts),
            facts.pad_token,
            facts.pieces,
        ]
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _longest_input(facts: Family) -> str:
    if facts.relative_positions:
        return "any"
    return "its positions" + (f" less {facts.reserved_positions}" if facts.reserved_positions else "")


def _path(entry: str | dict[str, Any]) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))


def settings_page() -> str:
    """``docs/settings.md``: every setting with its meaning, from the docstrings of ``params/``."""
    lines = [
        "# Settings",
        "",
        "Every value in `params.yaml`. This page is written by `make docs` from `src/starsight/params/`.",
        "",
        *_section("Top level", Params, skip_sections=True),
    ]
    for name, field in Params.model_fields.items():
        if section := _section_of(field):
            lines += _section(f"`{field.alias or name}`", section)
    rows: dict[str, type[BaseModel]] = {
        "A row of `datasets`, format `csv` or `tsv`": CsvDataset,
        "A row of `datasets`, format `jsonl`": JsonlDataset,
        "A row of `datasets`, format `parquet`": ParquetDataset,
        "A row of `datasets`, format `snap`, `kaggle`, `amazon`, `amazon2023` or `yelp`": KnownDataset,
        "A row of `datasets`, format `huggingface`": HubDataset,
        "A row of `datasets`, format `sql`": SqlDataset,
        "`columns` of a row of `datasets`": Columns,
        "`columns.rating`": RatingColumn,
        "`columns.time`": TimeColumn,
        "A row of `models`": Model,
        "`scratch` of a row of `models`": ScratchSize,
    }
    for title, section in rows.items():
        lines += _section(title, section)
    return "\n".join(lines)


_OWN_SECTION = {Columns, RatingColumn, TimeColumn, ScratchSize}
"""Groups of settings that have a heading of their own, and are named only where they belong."""


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The group of settings that a field holds, if it holds one."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _section(title: str, section: type[BaseModel], *, skip_sections: bool = False) -> list[str]:
    lines = [f"## {title}", "", inspect.getdoc(section) or "", "", "| setting | meaning |", "|---|---|"]
    for name, field in _own_first(section):
        inner = _section_of(field)
        if inner is None or inner in _OWN_SECTION:
            lines.append(_row(field.alias or name, field.description))
        elif not skip_sections:
            lines += [_row(f"{name}.{key}", value.description) for key, value in inner.model_fields.items()]
    return [*lines, ""]


def _own_first(section: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The settings of a group: its own, then those that it shares with ever more other groups."""
    names = dict.fromkeys(name for kind in section.__mro__ for name in inspect.get_annotations(kind))
    return ((name, section.model_fields[name]) for name in names if name in section.model_fields)


def _row(name: str, description: str | None) -> str:
    meaning = " ".join((description or "").split()).replace("``", "`").replace("|", "\\|")
    return f"| `{name}` | {meaning} |"


def _with_parts(page: Path, **parts: str) -> str:
    """The text of a page with what stands between the markers of each part replaced."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        begin, end = _BEGIN.format(name=name), _END.format(name=name)
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise DataError(f"{page.name} lacks the markers {begin!r} and {end!r}; put them where the table belongs.")
        text = f"{before}{begin}\n{part}\n{end}{after}"
    return text
