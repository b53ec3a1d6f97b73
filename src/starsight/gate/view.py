"""What ``promote`` and ``rollback`` print."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from starsight.gate.decision import Verdict
from starsight.gate.ledger import Entry
from starsight.gate.promotion import Outcome
from starsight.layout import Layout


def show_outcome(outcome: Outcome, layout: Layout, *, dry_run: bool) -> None:
    """Print the conditions, and what was done."""
    console = Console(highlight=False)
    challenger, champion = outcome.challenger.name, outcome.champion.name if outcome.champion else "no champion"
    if outcome.result == "unchanged":
        _say(console, f"Nothing to do: {challenger} is champion already.")
        return
    if outcome.verdict:
        console.print(_verdict_table(outcome.verdict, challenger, champion))
    for note in outcome.notes:
        _say(console, f"Note: {note}.")
    _say(console, _sentence(outcome, layout, dry_run=dry_run))


def show_rollback(entry: Entry, layout: Layout) -> None:
    """Print who is champion again."""
    said = f"Version {entry.version} is champion again, instead of version {entry.before}. {_commit(layout)}"
    _say(Console(highlight=False), said)


def _say(console: Console, sentence: str) -> None:
    """Wrapped where people read, one line where a log or a script does."""
    console.print(sentence, markup=False, soft_wrap=not console.is_terminal)


def _verdict_table(verdict: Verdict, challenger: str, champion: str) -> Table:
    figures = verdict.figures
    title = (
        f"Challenger {challenger} against champion {champion}, on the same {figures['n_test_reviews']:,.0f} test "
        f"reviews by {figures['n_test_reviewers']:,.0f} reviewers\nMAE {figures['mae']:.3f} against "
        f"{figures['champion_mae']:.3f} stars; MAE below is challenger minus champion, with 95 % intervals"
    )
    table = Table(title=Text(title), title_justify="left", title_style="bold")
    for column in ("condition", "asked", "found", ""):
        table.add_column(column, overflow="fold")
    spare = [verdict.as_close, verdict.cheaper] if verdict.closer.passed else []
    for condition in verdict.conditions:
        answer = "not needed" if condition in spare and not condition.passed else condition.answer
        cells = (condition.name, condition.limit, condition.found, answer)
        table.add_row(*map(Text, cells))
    return table


def _sentence(outcome: Outcome, layout: Layout, *, dry_run: bool) -> str:
    challenger, champion = outcome.challenger.name, outcome.champion.name if outcome.champion else "none"
    if outcome.result == "refused":
        return f"Refused: {champion} stays champion. {outcome.verdict.why if outcome.verdict else ''}."
    if dry_run:
        return f"Would be {outcome.result}: {challenger} in place of {champion}. Nothing was changed."
    how = "Promoted" if outcome.result == "promoted" else "Forced"
    return f"{how}: {challenger} is champion, instead of {champion}. {_commit(layout)}"


def _commit(layout: Layout) -> str:
    return f"Keep the record: git add {layout.promotions.name}, and commit."
