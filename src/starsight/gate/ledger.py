"""``promotions.jsonl``: who was champion, when and why. MLflow keeps no history of it.

One JSON object a line, oldest first, in git. A change is written twice: as intended before the alias moves, as done
after. Whoever finds an intention asks the registry whether the alias had moved (``settle``).
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from starsight.errors import DataError
from starsight.tables import write_text

Kind = Literal["first", "promoted", "forced", "rollback", "found"]
"""``first``: there was nobody to compare with. ``promoted``: the gate let it pass. ``forced``: it did not, or could not
be asked. ``rollback``: the one before came back. ``found``: someone moved the alias without starsight."""


_CONFLICT = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
"""How the lines begin that git adds to a file that it could not merge."""


def now() -> str:
    """The time in UTC, to the second: ``2026-01-31T09:30:00Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Entry(BaseModel):
    """One change of champion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    time: str = Field(default_factory=now)
    kind: Kind
    version: str
    """Of the registered model ``starsight``."""
    run_id: str
    """MLflow run that made it."""
    before: str | None = None
    """Version that was champion until then."""
    run_id_before: str | None = None
    why: str
    """The verdict in a line, or the reason that someone gave."""
    who: str | None = None
    """Git's user name."""
    conditions: list[str] = []
    """Each condition of the gate: passed or failed, what was found, what was asked."""
    figures: dict[str, float] = {}
    """Numbers behind them."""
    notes: list[str] = []
    """What a reader must know to judge the figures."""
    done: bool = True
    """False from before the alias moves until after."""


def read_ledger(path: Path) -> list[Entry]:
    """Every entry, oldest first; none where there is no file yet.

    Raises:
        DataError: a line is no entry, git could not merge the file, or it is not UTF-8.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines would part a reason that holds U+2028
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}); take it back from git: git checkout {path.name}") from None
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if line.startswith(_CONFLICT):
            raise DataError(
                f"{path}, line {number}, is where git could not merge two records; keep the lines of both sides in "
                "order of time, and take out those that git added"
            )
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise DataError(
                f"{path}, line {number}, is no entry ({f'{place}: ' if place else ''}{problem['msg']}); "
                f"mend the line, or take the file back from git: git checkout {path.name}"
            ) from None
    return entries


def write_ledger(entries: Sequence[Entry], path: Path) -> None:
    """Replace the file as a whole: a reader meets the old one or the new one. Of a link, what it leads to changes."""
    lines = (json.dumps(entry.model_dump(), ensure_ascii=False, allow_nan=False) for entry in entries)
    write_text("".join(f"{line}\n" for line in lines), path.resolve())


@contextmanager
def recorded(entry: Entry, entries: Sequence[Entry], path: Path) -> Iterator[None]:
    """Write ``entry`` behind the settled ``entries``: as intended before the block moves the alias, as done after.

    Where the block fails the intention stays, since only the registry knows whether the alias has moved.
    """
    write_ledger([*entries, entry.model_copy(update={"done": False})], path)
    yield
    write_ledger([*entries, entry], path)


def settle(entries: Sequence[Entry], champion: str | None, run_id: str | None) -> list[Entry]:
    """The entries after the registry was asked who is champion.

    An intention is done if its version is champion, and goes if it is not: the alias never moved. A champion that the
    entries do not lead to was made elsewhere, and is noted as found.

    Args:
        entries: Oldest first; at most the last is an intention.
        champion: Version that has the alias; None where none has.
        run_id: Of the run that made it.
    """
    settled = [entry for entry in entries if entry.done]
    if entries and not entries[-1].done and entries[-1].version == champion:
        settled.append(entries[-1].model_copy(update={"done": True}))
    last = settled[-1] if settled else None
    if champion is not None and run_id is not None and (last is None or last.run_id != run_id):
        settled.append(
            Entry(
                kind="found",
                version=champion,
                run_id=run_id,
                before=last.version if last else None,
                run_id_before=last.run_id if last else None,
                why="the alias was moved without starsight, at some time before this was noted",
            )
        )
    return settled


def reigns(entries: Sequence[Entry]) -> list[Entry]:
    """How the champion and those before it came to be, oldest first: rollbacks and what they took back are left out.

    The last is the present champion, the last but one is whom ``rollback`` brings back. A ``first`` begins anew: its
    registry knows nothing of what stands above it. A promotion that stands there twice, as after a merge, counts once.
    """
    stack: list[Entry] = []
    for entry in entries:
        if entry.kind == "first":
            stack = [entry]
        elif entry.kind == "rollback":
            stack = stack[:-1]
        elif not stack or stack[-1].run_id != entry.run_id:
            stack.append(entry)
    return stack


def rolled_back(entries: Sequence[Entry], run_id: str) -> str | None:
    """When and why the model of a run was last taken back; None where it never was, or was promoted again since."""
    for entry in reversed(entries):
        if entry.kind == "rollback" and entry.run_id_before == run_id:
            return f"rolled back on {entry.time[:10]}: {entry.why}"
        if entry.run_id == run_id:
            return None
    return None
