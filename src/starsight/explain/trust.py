"""What the tests of the explanations say, for the first section of the page: in words, then as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from starsight.explain.faithfulness import COMPARED
from starsight.explain.page_tables import N_TABLE_ROWS, PageTable, page_table
from starsight.intervals import Estimate
from starsight.pages import interval, stars

TRUST_COLUMNS: Final = (
    "label",
    "control",
    "n_reviews",
    COMPARED,
    f"minus_random_{COMPARED}",
    "sufficiency_10",
    "tau",
    "aopc_comprehensiveness",
    "aopc_sufficiency",
)
"""Shown first of the table of methods."""

_WHO: Final = {
    "attention": "have the most attention",
    "contribution": "contribute most",
    "integrated_gradients": "integrated gradients name",
}
"""Methods that the page speaks of in words: those the reviews are coloured by."""


@dataclass(frozen=True)
class Claim:
    """What a test found, in a sentence."""

    text: str
    holds: bool
    """Whether it speaks for the method."""


@dataclass(frozen=True)
class Trust:
    """How far the explanations were tested."""

    report: Mapping[str, float]
    """From ``measure_faithfulness``."""
    table: pd.DataFrame
    """From ``faithfulness_table``: a row a method."""
    removal: str
    """How words were removed, as a sentence."""
    left_out: Mapping[str, str]
    """Methods that this model does not have, by name, and why."""

    @property
    def claims(self) -> list[Claim]:
        """What removing the words that a method names does to the rating, beside removing random ones."""
        claims = [self._claim(method) for method in _WHO if f"{method}_{COMPARED}" in self.report]
        if "attention_minus_untrained_" + COMPARED in self.report and not self._beats("attention", "untrained"):
            untrained = self._moved("untrained")
            text = f"The attention of a head that was never trained names words that move it by {untrained}: "
            claims.insert(1, Claim(f"{text}that training taught it more may be chance.", holds=False))
        return claims

    @property
    def best(self) -> str:
        """Which method's words move the rating furthest, in a sentence; empty where none does better than random words.
        Methods that answered for fewer reviews are not compared."""
        whole = self.table["n_reviews"] == self.table["n_reviews"].max()
        rivals = self.table[~self.table["control"] & whole].sort_values(COMPARED, ascending=False)
        if rivals.empty or not self._beats(str(rivals["method"].iloc[0])):
            return ""
        method, label = rivals["method"].iloc[0], rivals["label"].iloc[0]
        return f"Of the methods that were asked about all of these, {label} moves it most: {self._moved(str(method))}."

    @property
    def page_table(self) -> PageTable:
        """The table with the measures first that the sentences speak of."""
        others = [name for name in self.table.columns if name not in TRUST_COLUMNS]
        return page_table(self.table, "Every method, measured", N_TABLE_ROWS, [*TRUST_COLUMNS, *others])

    def _claim(self, method: str) -> Claim:
        sentence = (
            f"Removing the 10 per cent of words that {_WHO[method]} moves the rating by {self._moved(method)}; "
            f"as many random words move it by {self._moved('random')}"
        )
        if self._beats(method):
            return Claim(f"{sentence}.", holds=True)
        warning = "Chance alone may explain the difference: do not take these words for the reason of the rating."
        return Claim(f"{sentence}. {warning}", holds=False)

    def _beats(self, method: str, control: str = "random") -> bool:
        """Whether the words that ``method`` names move the rating further than those of a control, beyond chance."""
        return Estimate.of(self.report, f"{method}_minus_{control}_{COMPARED}").sign > 0

    def _moved(self, method: str) -> str:
        moved = Estimate.of(self.report, f"{method}_{COMPARED}")
        return f"{stars(moved.value, 2)} stars (95 % interval {interval(moved.low, moved.high, 2)})"
