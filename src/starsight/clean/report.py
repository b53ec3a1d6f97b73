"""What cleaning did: as numbers for machines, and as a page for people."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from starsight.clean.duplicates import DROP_REASONS, DropReason
from starsight.clean.examples import Example
from starsight.clean.leakage import Leakage
from starsight.clean.spelling import Correction
from starsight.clean.text import RULES
from starsight.pages import write_page
from starsight.records import CORRECTIONS_SCHEMA, SPLITS

_CORRECTIONS_SHOWN = 60
_REASONS: dict[DropReason, str] = {
    "empty": "nothing readable is left",
    "same_id": "the id of an earlier review that says something else",
    "exact": "says exactly what another says",
    "near": "says nearly what another says",
    "disputed_stars": "for test, but its copies disagree about the stars",
}


@dataclass(frozen=True)
class NearCopy:
    """A dropped review beside the one that stands for it."""

    dropped: str
    kept: str
    similarity: float
    """Jaccard similarity of their word shingles, 0 to 1."""


@dataclass(frozen=True)
class CleanReport:
    """What was done. Counts are of reviews unless the name says words or tokens."""

    n_reviews: int
    dropped: Counter[str]
    """By reason."""
    n_disputed: int
    """Clusters whose reviews disagree about the stars."""
    changed: Counter[str]
    """Reviews that each rule changed."""
    examples: list[Example]
    near_copies: list[NearCopy]
    """A few of them."""
    corrections: list[Correction]
    n_corrected: int
    """Kept reviews with a corrected word."""
    splits: Counter[str]
    random: Leakage
    """Of a random split of all reviews."""
    final: Leakage
    """Of the splits of the kept reviews."""

    @property
    def n_dropped(self) -> int:
        """Reviews that did not stay."""
        return self.dropped.total()

    @property
    def n_kept(self) -> int:
        """Reviews that stayed."""
        return self.n_reviews - self.n_dropped

    def flat(self) -> dict[str, int | float | str]:
        """The report as ``reports/clean.json`` holds it."""
        return {
            "reviews": self.n_reviews,
            "kept": self.n_kept,
            "dropped": self.n_dropped,
            **{f"dropped_{reason}": self.dropped[reason] for reason in DROP_REASONS},
            "disputed_clusters": self.n_disputed,
            "leakage_test_reviews": self.random.n_test,
            "leakage_random_exact_share": round(self.random.exact, 6),
            "leakage_random_near_share": round(self.random.near, 6),
            "leakage_final_near_share": round(self.final.near, 6),
            **{f"changed_by_{rule}": self.changed[rule] for rule in RULES},
            "spelling_words": len(self.corrections),
            "spelling_tokens": sum(correction.n for correction in self.corrections),
            "spelling_corrected": self.n_corrected,
            **{f"split_{split}": self.splits[split] for split in SPLITS},
            **{f"example_{name}": str(example) for name, example in self._numbered()},
        }

    def corrections_table(self) -> pd.DataFrame:
        """Columns of ``CORRECTIONS_SCHEMA``, a row a word."""
        return pd.DataFrame(self.corrections, columns=CORRECTIONS_SCHEMA.names)

    def write_page(self, path: Path) -> None:
        """Write the page: what each rule did, which copies went, which words were corrected."""
        commonest = sorted(self.corrections, key=lambda each: (-each.n, each.word))[:_CORRECTIONS_SHOWN]
        by_rule = {rule: [each for each in self.examples if each.rule == rule] for rule in RULES}
        write_page("cleaning.html", path, report=self, by_rule=by_rule, commonest=commonest, reasons=_REASONS)

    def _numbered(self) -> Iterator[tuple[str, Example]]:
        seen: Counter[str] = Counter()
        for example in self.examples:
            seen[example.rule] += 1
            yield f"{example.rule}_{seen[example.rule]}", example
