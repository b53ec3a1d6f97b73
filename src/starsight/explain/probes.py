"""Bias probes: does the rating hang on who is spoken of? The same review about other people should have the same stars.

After Kiritchenko and Mohammad 2018, Examining Gender and Race Bias in Two Hundred Sentiment Analysis Systems, in
people's reviews instead of made-up sentences wherever they mention anyone. What is exchanged stands in ``probes.yaml``.
A change that a probe finds is the model's; that it finds none says nothing of words which are not in the list.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pandas as pd
import yaml
from pydantic import Field, TypeAdapter

from starsight.evaluate import phrases
from starsight.evaluate.behaviour import MAX_WORDS, TEMPLATE_CASES
from starsight.explain.clusters import clustered_mean
from starsight.explain.removal import Predict
from starsight.intervals import FEW_CLUSTERS, LEVEL, holm
from starsight.params.section import Section

LIST: Final = Path(__file__).with_name("probes.yaml")
"""What is exchanged."""

COLUMNS: Final = (
    *("kind", "first", "second", "source", "n", "n_written_first"),
    *("stars", "stars_low", "stars_high", "moved", "largest", "largest_change", "p_holm", "beyond_chance"),
)

_OBJECT: Final = re.compile(
    r"\s*(?:$|[^\s\w]|\n|(?:a|an|and|as|at|because|but|by|for|from|if|in|it|of|on|or|out|so|that|the|this|to|up|when"
    r"|while|with|i|we|he|she|they|is|was|very|too)\b)",
    re.IGNORECASE,
)
"""What follows ``her`` where a man would be ``him``: no noun. Anywhere else he would be ``his``."""

Terms = Annotated[list[str], Field(min_length=1)]
Swap = Annotated[list[Terms], Field(min_length=2, max_length=2)]


class Probe(Section):
    """Words for one side and for the other. How they are written stands in ``probes.yaml``."""

    kind: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    """Name in the metrics: ``probe_<kind>_stars``."""
    first: str
    """The one side, as a reader calls it."""
    second: str
    """The other. The change is stars with the second minus stars with the first."""
    swaps: Annotated[list[Swap], Field(min_length=1)]
    """Pairs of lists: a word of the one becomes a word of the other, and back. The first that holds a word decides."""
    followed_by: list[str] = Field(default_factory=list)
    """Only before one of these words; anywhere if there are none."""
    templates: list[str] = Field(default_factory=lambda: [text.replace("{name}", "{term}") for text in phrases.NAMED])
    """Sentences of the first side, for where reviews have too few mentions."""

    def terms(self, side: int) -> dict[str, list[str]]:
        """For each term of a side (0 or 1), what it becomes."""
        found: dict[str, list[str]] = {}
        for swap in self.swaps:
            for term in swap[side]:
                found.setdefault(term, swap[1 - side])
        return found


@dataclass(frozen=True)
class Pair:
    """A text about the first side and the same about the second."""

    texts: tuple[str, str]
    change: str
    """What became what, in the direction in which the text was changed."""
    written_first: bool
    """Whether the text as written is about the first side."""


def load_probes(path: Path = LIST) -> list[Probe]:
    """Read the list of what is exchanged."""
    return TypeAdapter(list[Probe]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))


def run_probes(
    test: pd.DataFrame, predict: Predict, *, n_reviews: int, seed: int, probes: Sequence[Probe] | None = None
) -> pd.DataFrame:
    """Exchange what the probes name in reviews, and see how far the stars move.

    Args:
        test: ``text_clean`` of all the reviews that may be changed, ``user_id`` where known.
        predict: The model; rates not cut to 1-5 show changes that the ends of the scale would hide.
        n_reviews: Most reviews changed a probe.
        seed: Of the reviews and words drawn.
        probes: What is exchanged; ``load_probes()`` if None.

    Returns:
        ``COLUMNS``, a row a probe and ``source``: ``reviews``, and ``templates`` where fewer than ``FEW_CLUSTERS``
        reviews mention either side (a review that mentions both, or neither, is left as it is). ``stars`` is the mean
        of the stars with the second side minus those with the first, whichever was written, with its 95 % interval:
        reviewers are its clusters, or the sentences that made-up texts are variants of. ``moved`` is the mean change
        without its sign, ``largest`` that of the pair that changed most, signed, with ``largest_change``. P by
        Student's t, corrected by Holm's method over all rows. What cannot be known of fewer than two is NaN.
    """
    generator = np.random.default_rng(seed)
    texts = list(test["text_clean"])
    reviewers = list(test["user_id"]) if "user_id" in test else [None] * len(texts)
    measured: list[tuple[Probe, str, list[Pair], list[str | None]]] = []
    for probe in load_probes() if probes is None else probes:
        exchange = _Exchange(probe, generator)
        pairs: list[Pair] = []
        clusters: list[str | None] = []
        for i in generator.permutation(len(texts)):
            if len(pairs) == n_reviews:
                break
            if pair := exchange(texts[i]):
                pairs.append(pair)
                clusters.append(reviewers[i])
        measured.append((probe, "reviews", pairs, clusters))
        if len(pairs) < FEW_CLUSTERS:
            made = [(exchange(text), template) for text, template in _template_texts(probe, generator)]
            found = [(pair, template) for pair, template in made if pair]
            measured.append((probe, "templates", [pair for pair, _ in found], [template for _, template in found]))
    distinct = list(dict.fromkeys(text for _, _, pairs, _ in measured for pair in pairs for text in pair.texts))
    stars = dict(zip(distinct, np.asarray(predict(distinct), dtype=np.float64), strict=True)) if distinct else {}
    rows = [
        {"kind": probe.kind, "first": probe.first, "second": probe.second, "source": source}
        | _measure(pairs, clusters, stars)
        for probe, source, pairs, clusters in measured
    ]
    table = pd.DataFrame(rows, columns=[*COLUMNS[:-2], "p"])
    judged = table["p"].notna()
    table["p_holm"] = pd.Series(holm(list(table.loc[judged, "p"])), table.index[judged], dtype=np.float64)
    table["beyond_chance"] = table["p_holm"] < LEVEL
    return table[list(COLUMNS)]


def probe_metrics(table: pd.DataFrame) -> dict[str, float]:
    """The table of probes as flat metrics.

    Returns:
        ``probe_<kind>_n`` and, of reviews by two reviewers or more, ``probe_<kind>_stars`` with ``_low`` and ``_high``;
        the same as ``probe_<kind>_template_...`` where templates were asked; ``n_probes_beyond_chance``.
    """
    metrics: dict[str, float] = {"n_probes_beyond_chance": int(table["beyond_chance"].sum())}
    for row in table.to_dict("records"):
        name = f"probe_{row['kind']}" + ("_template" if row["source"] == "templates" else "")
        metrics[f"{name}_n"] = row["n"]
        if not np.isnan(row["stars_low"]):
            metrics |= {f"{name}_{end}": row[end] for end in ("stars", "stars_low", "stars_high")}
    return metrics


def summarise_probes(table: pd.DataFrame) -> str:
    """What the table of probes says, in one sentence."""
    asked = table[table["p_holm"].notna()]
    if asked.empty:
        return "No probe could be asked."
    found = asked[asked["beyond_chance"]]
    named = "; ".join(
        f"{row['second']} instead of {row['first']}: {row['stars']:+.2f} stars ({row['n']} {row['source']})"
        for row in found.to_dict("records")
    )
    if found.empty:
        largest = asked["stars"].abs().max()
        return f"None of {len(asked)} exchanges moves the stars beyond chance; the largest mean is {largest:.2f} stars."
    verb = "moves" if len(found) == 1 else "move"
    return f"{len(found)} of {len(asked)} exchanges {verb} the stars beyond chance: {named}."


def _measure(pairs: Sequence[Pair], clusters: Sequence[str | None], stars: dict[str, float]) -> dict[str, object]:
    row: dict[str, object] = {"n": len(pairs), "n_written_first": sum(pair.written_first for pair in pairs)}
    if not pairs:
        return row
    changes = np.array([stars[pair.texts[1]] - stars[pair.texts[0]] for pair in pairs])
    largest = int(np.abs(changes).argmax())
    estimate, p = clustered_mean(changes, clusters)
    return (
        row
        | estimate.named("stars")
        | {
            "moved": float(np.abs(changes).mean()),
            "largest": float(changes[largest]),
            "largest_change": pairs[largest].change,
            "p": p,
        }
    )


def _template_texts(probe: Probe, generator: np.random.Generator) -> list[tuple[str, str]]:
    """Made-up texts, none twice, each with the template that it is a variant of."""
    words = phrases.GOOD + phrases.BAD
    choices = (probe.templates, list(probe.terms(0)), phrases.PRODUCTS, words)
    drawn = [[str(generator.choice(choice)) for choice in choices] for _ in range(TEMPLATE_CASES)]
    texts = {
        template.format(term=term, a=_article("a", term), A=_article("A", term), product=thing, word=word): template
        for template, term, thing, word in drawn
    }
    return list(texts.items())


class _Exchange:
    """Turns a text about one side of a probe into one about the other."""

    def __init__(self, probe: Probe, generator: np.random.Generator) -> None:
        self._terms = [probe.terms(side) for side in (0, 1)]
        after = rf"(?=\s+(?i:{_any_of(probe.followed_by)})(?!\w))" if probe.followed_by else ""
        self._patterns = [
            re.compile(
                rf"(?<!\w)(?:(?P<article>[Aa]n?)(?P<gap>\s+))?(?P<term>{'|'.join(_pattern(t, after) for t in terms)})"
            )
            for terms in self._terms
        ]
        self._generator = generator

    def __call__(self, text: str) -> Pair | None:
        """The pair; None where the text mentions neither side, or both, or only far behind its beginning."""
        found = [pattern.search(text) for pattern in self._patterns]
        side = 0 if found[0] else 1
        first = found[side]
        # a model reads only so many tokens, and what stands behind them would not count
        if not first or found[1 - side] or len(text[: first.start()].split()) >= MAX_WORDS:
            return None
        became: list[str] = []
        drawn: dict[str, str] = {}

        def replace(match: re.Match[str]) -> str:
            written = match["term"]
            term = written if written in self._terms[side] else written.lower()
            new = "him" if term == "her" and _OBJECT.match(text, match.end()) else self._draw(term, side, drawn)
            became.append(f"{term} became {new}")
            article = _article(match["article"], new) + match["gap"] if match["article"] else ""
            return article + _in_case_of(written, new)

        after = self._patterns[side].sub(replace, text)
        pair = (text, after) if side == 0 else (after, text)
        return Pair(pair, ", ".join(dict.fromkeys(became)), written_first=side == 0)

    def _draw(self, term: str, side: int, drawn: dict[str, str]) -> str:
        """What ``term`` becomes all through a text; two names do not become the same one while others are left."""
        if term not in drawn:
            candidates = self._terms[side][term]
            left = [candidate for candidate in candidates if candidate not in drawn.values()] or candidates
            drawn[term] = str(self._generator.choice(left))
        return drawn[term]


def _pattern(term: str, after: str) -> str:
    if term.islower():
        return rf"(?i:{re.escape(term)})(?!\w){after}"
    # a surname makes it somebody known, or a brand
    return rf"{re.escape(term)}(?!\w){after or '(?! [A-Z][a-z])'}"


def _any_of(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, words))


def _in_case_of(written: str, new: str) -> str:
    if len(written) > 1 and written.isupper():
        return new.upper()
    return new[0].upper() + new[1:] if written[0].isupper() else new


def _article(written: str, word: str) -> str:
    """``a`` or ``an``, as ``word`` asks for, with the first letter of what is ``written``."""
    return written[0] + ("n" if word[0].lower() in "aeiou" else "")
