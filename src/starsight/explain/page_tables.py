"""Tables of the explanations as a page shows them: a heading, a format and a value to sort by for each column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from starsight.pages import count, p_figure, percent, signed, stars

HEADINGS = {
    "label": "Method",
    "n": "Places",
    "n_reviews": "Reviews",
    "n_reviewers": "Reviewers",
    "n_products": "Products",
    "n_words": "Words",
    "contribution": "Contribution, stars",
    "weight": "Attention",
    "relative_weight": "Attention a token, times average",
    "largest_product_share": "Most from one product",
    "rests_on_few": "Rests on few",
    "tau": "Kendall’s tau, leave one out",
    "aopc_comprehensiveness": "Comprehensiveness, mean of all shares",
    "aopc_sufficiency": "Sufficiency, mean of all shares",
    "minus_random_comprehensiveness_10": "Beyond random words, top 10 %",
    "n_written_first": "Written with the first",
    "stars": "Stars, second minus first",
    "moved": "Stars, without sign",
    "largest": "Largest change, stars",
    "parts": "Sum of its words elsewhere",
    "excess": "More than its words",
    "n_removal_reviews": "Reviews tested",
    "removal_excess": "More than its words, by removal",
    "relative_weight_before": "Attention a token before, times average",
    "relative_weight_after": "Attention after",
    "relative_weight_change": "Change of attention",
    "special_share": "Share on the tokenizer’s marks",
    "distance": "Mean distance, tokens",
    "entropy": "Entropy, nats",
    "p": "P",
    "p_holm": "P, Holm",
    "q": "False discovery rate",
}
"""Of columns whose name alone would not do; others are headed by their name."""

_SIGNED = frozenset({"contribution", "change", "stars", "tau", "minus", "largest", "parts", "excess", "delta"})
"""Parts of the names of columns in which 0 is the middle."""


N_TABLE_ROWS: Final = 200
"""Rows shown of a table, unless its reader asks for fewer."""


@dataclass(frozen=True)
class Cell:
    """A value as it is read, the interval below it, and the value to sort by."""

    text: str
    interval: str
    sort: float | str
    is_number: bool


@dataclass(frozen=True)
class PageTable:
    """Headings and rows; the first column names its row."""

    caption: str
    headings: list[str]
    rows: list[list[Cell]]
    n_rows: int
    """Of the whole table; the file beside the page holds all."""


def page_table(table: pd.DataFrame, caption: str, n_shown: int, columns: Sequence[str] | None = None) -> PageTable:
    """Lay out a table.

    Args:
        table: Columns ``<name>_low`` and ``<name>_high`` stand as an interval below ``<name>``.
        caption: Above it.
        n_shown: Rows at most, from the first.
        columns: Those shown, where they are there; all without it.
    """
    ends = {f"{name}_{end}" for name in table.columns for end in ("low", "high")}
    shown = [name for name in (columns or table.columns) if name in table.columns and name not in ends]
    if "label" in shown and "method" in shown:
        shown.remove("method")  # the same in the words of the report
    rows = table.head(n_shown)
    cells = [_cells(rows, name) for name in shown]
    return PageTable(
        caption, [_heading(name) for name in shown], [list(row) for row in zip(*cells, strict=True)], len(table)
    )


@dataclass(frozen=True)
class HeatMap:
    """A measure of every layer and head, as a grid of coloured numbers."""

    caption: str
    heads: list[str]
    """Numbers, and ``rollout`` last."""
    rows: list[tuple[int, list[tuple[str, float]]]]
    """Layer, and for each head the number and the strength of its colour, 0 to 1."""


def heat_maps(table: pd.DataFrame) -> list[HeatMap]:
    """One grid a measure of ``layer``, ``head`` and one column a measure."""
    maps = []
    for name in table.columns.difference(["layer", "head"], sort=False):
        grid = table.pivot(index="layer", columns="head", values=name)[list(table["head"].unique())]
        least, most = float(grid.min().min()), float(grid.max().max())
        write = _writer(name, table[name])
        rows = [
            (int(str(layer)), [(write(value), round((value - least) / ((most - least) or 1), 2)) for value in row])
            for layer, row in zip(grid.index, grid.to_numpy().tolist(), strict=True)
        ]
        maps.append(HeatMap(_heading(str(name)), [str(head) for head in grid.columns], rows))
    return maps


def _cells(table: pd.DataFrame, name: str) -> list[Cell]:
    column = table[name]
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        words = {True: "yes", False: ""}
        texts = [words[value] if isinstance(value, bool) else "–" if pd.isna(value) else str(value) for value in column]
        return [Cell(text, "", text.casefold(), is_number=False) for text in texts]
    write = _writer(name, column)
    intervals = [""] * len(column)
    if {f"{name}_low", f"{name}_high"} <= set(table.columns):
        pairs = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
        intervals = ["" if pd.isna(low) or pd.isna(high) else f"{write(low)} to {write(high)}" for low, high in pairs]
    return [
        Cell("–", "", "", is_number=True)
        if pd.isna(value)
        else Cell(write(value), interval, float(value), is_number=True)
        for value, interval in zip(column, intervals, strict=True)
    ]


def _writer(name: str, column: "pd.Series[float]") -> Callable[[float], str]:
    """How the numbers of a column are written."""
    parts = frozenset(name.split("_"))
    if parts & {"n", "rank"} or pd.api.types.is_integer_dtype(column):
        return count
    if parts & {"p", "q"}:
        return p_figure
    if "relative" in parts:
        return lambda value: signed(value, 2) if "change" in parts else stars(value, 2)
    if parts & {"share", "weight"}:
        return percent
    if parts & {"distance", "entropy"}:
        return lambda value: stars(value, 1)
    return signed if parts & _SIGNED else stars


def _heading(name: str) -> str:
    if name in HEADINGS:
        return HEADINGS[name]
    measure, _, percent = name.rpartition("_")
    if measure in ("comprehensiveness", "sufficiency") and percent.isdigit():
        return f"{measure.capitalize()}, top {percent} %"
    return name.replace("_", " ").capitalize()
