"""What ``starsight ingest-check`` prints: the guess, five reviews, the ratings, what is rejected, and the row."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from starsight.errors import DataError
from starsight.ingest.check import MAX_DISTINCT, Example, SourceCheck, check_source, pasteable
from starsight.ingest.guess import Guess, guess_dataset
from starsight.ingest.reading import source_columns
from starsight.ingest.wording import printable
from starsight.layout import Layout
from starsight.params import Columns, Dataset, IngestParams, Params
from starsight.records import REVIEW_SCHEMA

_WIDTH = 100
"""Columns of the page where nobody looks at a terminal."""
_BAR_WIDTH = 40
_FIELD_WIDTH = 15
_EXAMPLE_CHARACTERS = 60


def show_source(
    source: str, layout: Layout, params: Params, *, first: int | None, sha256: str | None, members: str | None
) -> None:
    """Guess how a source is read, and print what would become of it and the row that reads it.

    Args:
        source: As ``source`` of a row.
        layout: Where it is looked for.
        params: Limits, and the names of rows that there are.
        first: How many records are read; None for all.
        sha256: Of the file; addresses and wheels need it.
        members: Which files of a zip archive, as a glob.

    Raises:
        DataError: the source cannot be read, or the pipeline would refuse it, which is printed before.
    """
    console = _console()
    try:
        guess = guess_dataset(source, layout, params.ingest, sha256=sha256, members=members)
        _print_guess(console, guess)
        check = check_source(guess.dataset, layout, params.ingest, first)
        _print_check(console, check, guess.dataset)
        console.print("\nThe row, to paste below datasets: in params.yaml", style="bold")
        console.out(pasteable(guess.dataset, layout, params.datasets), highlight=False)
        _print_verdict(console, check, params.ingest)
    except DataError as error:
        raise DataError(printable(str(error))) from None  # it may name columns and files, which may name anything


def show_row(name: str, layout: Layout, params: Params, *, first: int | None) -> None:
    """Print what would become of a row of ``datasets``.

    Raises:
        DataError: as for ``show_source``.
    """
    console, dataset = _console(), params.datasets[name]
    try:
        check = check_source(dataset, layout, params.ingest, first)
        _print_check(console, check, dataset)
        _print_verdict(console, check, params.ingest)
    except DataError as error:
        raise DataError(printable(str(error))) from None


def _console() -> Console:
    """Standard output, for text of any content: nothing in it is markup, and what it cannot write is a ``?``."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _print_guess(console: Console, guess: Guess) -> None:
    _print_sentences(console, f"Format: {guess.dataset.format}", guess.why)
    _print_sentences(console, "Not sure, please look", guess.unsure)


def _print_sentences(console: Console, title: str, sentences: Sequence[str]) -> None:
    if sentences:
        console.print(title, style="bold")
    for sentence in sentences:
        console.print(Padding(Text(printable(sentence)), (0, 0, 0, 2), expand=False))


def _print_check(console: Console, check: SourceCheck, dataset: Dataset) -> None:
    console.print()
    console.print(_reviews(check, source_columns(dataset), console.width))
    console.print(_stars(check, console.width))
    console.print(_rejected(check))
    console.print(_facts(check))


def _print_verdict(console: Console, check: SourceCheck, limits: IngestParams) -> None:
    """The last line where all is well.

    Raises:
        DataError: the pipeline would refuse the source.
    """
    if refusal := check.refusal(limits):
        raise DataError(refusal)
    console.print(
        f"\nThe pipeline would go on with these reviews: {check.report.rejected_share:.1%} {check.of_records} would be "
        f"rejected, and {limits.max_rejected_share:.1%} may be."
    )


def _table(title: str, **options: Any) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", **options)


def _reviews(check: SourceCheck, columns: Columns, width: int) -> Table:
    """A line a field, for each of the reviews: that many columns fit beside each other on no terminal."""
    named = {"stars", "text", *(field for field, name in columns if name is not None)}
    fields = [field for field in REVIEW_SCHEMA.names if field in named]
    n_characters = 2 * max(width - _FIELD_WIDTH - 7, 10)  # two lines of what the frame leaves
    table = _table("The first reviews that would be kept", show_header=False)
    table.add_column("field", max_width=_FIELD_WIDTH)
    table.add_column("value", overflow="fold")
    for review in check.reviews:
        for field in fields:
            value = "–" if review[field] is None else str(review[field])
            table.add_row(field, _cut(value, n_characters), end_section=field == fields[-1])
    return table


def _stars(check: SourceCheck, width: int) -> Table:
    stars, kept = check.report.stars, check.report.kept
    table = _table(f"Stars of the {kept:,} reviews that would be kept, rounded")
    table.add_column("stars", justify="right")
    table.add_column("reviews", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    n_signs = min(_BAR_WIDTH, max(width - 36, 5))
    for n, n_reviews in stars.items():
        bar = "█" * round(n_signs * n_reviews / max(*stars.values(), 1))
        table.add_row(str(n), f"{n_reviews:,}", f"{n_reviews / max(kept, 1):.1%}", bar)
    return table


def _rejected(check: SourceCheck) -> Table | str:
    report = check.report
    if report.n_rejected == 0:
        return f"None {check.of_records} would be rejected."
    table = _table(f"{report.n_rejected:,} {check.of_records} would be rejected")
    table.add_column("reason")
    table.add_column("records", justify="right")
    table.add_column("share", justify="right")
    table.add_column("for example", overflow="fold")
    for reason, n in report.rejected.items():
        if n:
            examples = "\n".join(_example(each, report.files) for each in check.examples[reason])
            table.add_row(reason, f"{n:,}", f"{n / report.records:.1%}", examples)
    return table


def _example(example: Example, n_files: int) -> str:
    place = f"{printable(example.file)}, " if n_files > 1 else ""
    return f"{place}record {example.record:,}: {_cut(example.found, _EXAMPLE_CHARACTERS)}"


def _facts(check: SourceCheck) -> Table:
    report = check.report
    facts = {
        "records read": f"{report.records:,}" if check.first is None else f"{report.records:,}, the first ones",
        "files read": f"{report.files:,}",
        "longest text": f"{check.longest:,} characters",
        "reviewers": _count(check.n_reviewers),
        "products": _count(check.n_products),
        "times that cannot be read": f"{report.times_unreadable:,}",
        "places that are no text in the encoding": f"{report.undecodable:,}",
    }
    table = _table("What else was seen", show_header=False)
    for what, value in facts.items():
        table.add_row(what, value)
    return table


def _count(n: int | None) -> str:
    return f"more than {MAX_DISTINCT:,}" if n is None else f"{n:,}" if n else "not named"


def _cut(text: str, n_characters: int) -> str:
    shown = printable(text[: n_characters + 1])
    return shown if len(shown) <= n_characters else f"{shown[: n_characters - 1]}…"
