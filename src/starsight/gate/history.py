"""What ``history`` prints; in a module of its own, since it needs neither a registry nor a model."""

import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from starsight.gate.ledger import Entry


def show_history(entries: list[Entry], unrecorded: str | None, *, as_json: bool) -> None:
    """Print who was champion, the latest last.

    Args:
        entries: The record, oldest first.
        unrecorded: The registry's champion where the record is empty.
        as_json: With every figure.
    """
    console = Console(highlight=False)
    if as_json:
        console.out(json.dumps([entry.model_dump() for entry in entries], indent=2, ensure_ascii=False))
        return
    if unrecorded:
        console.print(
            f"{unrecorded} is champion, and the record knows nothing of how it came to be; if it was lost, take it "
            "back: git checkout promotions.jsonl",
            markup=False,
        )
        return
    if not entries:
        console.print("Nobody was champion yet; dvc repro registers the first model.")
        return
    table = Table(title="Champions, the latest last", title_justify="left", title_style="bold")
    for column in ("since (UTC)", "version", "instead of", "how", "why", "by"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        cells = [
            entry.time.replace("T", " ").removesuffix("Z"),
            entry.version,
            entry.before or "",
            entry.kind if entry.done else f"{entry.kind}, unfinished",
            entry.why,
            entry.who or "",
        ]
        table.add_row(*map(Text, cells))
    console.print(table)
    if not entries[-1].done:
        console.print("The last one was interrupted; the next promote or rollback asks the registry what came of it.")
