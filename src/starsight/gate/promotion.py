"""Promote a challenger, or bring back the champion before. The alias ``champion`` moves here and, for the very first
version, in ``starsight.tracking.registry``.

Order of a change: an intention in the ledger, the alias, the ledger again. A crash between them leaves an intention,
and the next call settles it by asking the registry. One promotion at a time on one machine; that nobody elsewhere moved
the alias meanwhile is asked again right before it moves.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from filelock import FileLock, Timeout

from starsight.errors import DataError, ModelError, RegistryError, StarsightError
from starsight.gate.contest import Contender, hold_contest, load_contender, notes_about
from starsight.gate.decision import Verdict, decide
from starsight.gate.ledger import Entry, now, read_ledger, recorded, reigns, rolled_back, settle, write_ledger
from starsight.layout import Layout
from starsight.params import Params
from starsight.tables import read_json, write_json
from starsight.tracking.registry import CHALLENGER, CHAMPION
from starsight.tracking.runs import git_keeps, git_user
from starsight.tracking.store import connect, registry_errors
from starsight.tracking.versions import Version, make_champion, replace_tags, version_numbered, version_with

Result = Literal["unchanged", "refused", "promoted", "forced"]


@dataclass(frozen=True)
class Outcome:
    """What came of a challenge."""

    challenger: Version
    champion: Version | None
    """Before; None where the registry had none."""
    result: Result
    verdict: Verdict | None = None
    """None where nothing was to be judged, or could be."""
    notes: list[str] = field(default_factory=list)


def promote(
    layout: Layout, params: Params, *, number: str | None = None, reason: str | None = None, dry_run: bool = False
) -> Outcome:
    """Judge a challenger against the champion, and move the alias if it may.

    Args:
        layout: Where registry, ledger and reviews are.
        params: Margins of the gate, and which reviews are the test.
        number: Version to be judged; None takes the one with the alias ``challenger``.
        reason: Moves the alias whatever the verdict; recorded.
        dry_run: Judge only: nothing is written.

    Raises:
        StarsightError: the registry is out of reach, another promotion is under way, or the two cannot be compared and
            no reason was given. The alias is where it was.
    """
    connect(layout)
    with _alone(layout):
        champion = version_with(CHAMPION)
        entries = _settled(layout, champion, dry_run=dry_run)
        challenger = version_numbered(number) if number else version_with(CHALLENGER)
        if challenger is None:
            raise RegistryError(f"no version has the alias {CHALLENGER}; run dvc repro, or name one: --version N")
        if champion is not None and champion.number == challenger.number:
            return Outcome(challenger, champion, "unchanged")
        contender = load_contender(challenger)  # whatever the reason, a model that cannot be loaded serves nobody
        notes = notes_about(challenger, champion) if champion else []
        verdict: Verdict | None = None
        try:
            verdict = _judge(contender, champion, entries, layout, params)
        except (DataError, ModelError, RegistryError) as error:
            if reason is None:
                raise
            notes.append(f"not judged: {error}")
        result: Result = "refused" if reason is None else "forced"
        if verdict and verdict.passed:
            result = "promoted"
        outcome = Outcome(challenger, champion, result, verdict, notes)
        if not dry_run:
            if result != "refused":
                _crown(_entry(outcome, reason), challenger, champion, entries, layout)
            _tag(outcome)  # last: a version is not to be called promoted that is no champion
        return outcome


def rollback(layout: Layout, reason: str | None = None) -> Entry:
    """Bring back the champion before the present one; called again, the one before that.

    Raises:
        StarsightError: there is none, or its model cannot be loaded. The alias is where it was.
    """
    connect(layout)
    with _alone(layout):
        champion = version_with(CHAMPION)
        entries = _settled(layout, champion)
        stack = reigns(entries)
        if len(stack) < 2:
            raise RegistryError(f"there is nothing to roll back to: {layout.promotions} knows of no champion before.")
        before, last = stack[-2:]
        version = version_numbered(before.version)
        if version.run_id != before.run_id:
            raise RegistryError(
                f"version {before.version} is another model here than in {layout.promotions.name}, which speaks of "
                f"the run {before.run_id}; name the version that you want: starsight promote --version N"
            )
        load_contender(version)
        entry = Entry(
            kind="rollback",
            version=version.number,
            run_id=version.run_id,
            before=last.version,
            run_id_before=last.run_id,
            why=reason or "no reason was given",
            who=git_user(),
        )
        _crown(entry, version, champion, entries, layout)
        return entry


def _judge(
    contender: Contender, champion: Version | None, entries: list[Entry], layout: Layout, params: Params
) -> Verdict:
    if champion is None:
        raise RegistryError(
            "the registry has no champion to compare with, it was deleted or its alias taken away; starsight rollback "
            "brings back the one before it, starsight promote --force --reason TEXT takes the challenger unseen."
        )
    try:
        rival = load_contender(champion)
    except RegistryError as error:
        raise RegistryError(
            f"{str(error).removesuffix('.')}; it is the champion, whom starsight promote --force --reason TEXT "
            "replaces unseen."
        ) from None
    evidence = hold_contest(contender, rival, params, layout, rolled_back(entries, contender.version.run_id))
    return decide(evidence, params.promote, draws=params.evaluate.bootstrap_draws, seed=params.seed)


def _tag(outcome: Outcome) -> None:
    """Leave the verdict with the challenger's version, that of a refused one too."""
    tags = {"gate.result": outcome.result, "gate.time": now()}
    tags["gate.against"] = outcome.champion.number if outcome.champion else "none"
    if outcome.verdict:
        tags |= {f"gate.{each.name.replace(' ', '_')}": str(each) for each in outcome.verdict.conditions}
    replace_tags(outcome.challenger, "gate.", tags)


def _entry(outcome: Outcome, reason: str | None) -> Entry:
    verdict, champion = outcome.verdict, outcome.champion
    return Entry(
        kind="promoted" if outcome.result == "promoted" else "forced",
        version=outcome.challenger.number,
        run_id=outcome.challenger.run_id,
        before=champion.number if champion else None,
        run_id_before=champion.run_id if champion else None,
        why=reason or (verdict.why if verdict else ""),
        who=git_user(),
        conditions=[str(condition) for condition in verdict.conditions] if verdict else [],
        figures=verdict.figures if verdict else {},
        notes=outcome.notes,
    )


def _crown(entry: Entry, version: Version, champion: Version | None, entries: list[Entry], layout: Layout) -> None:
    """Move the alias, with the ledger written before and after; a Ctrl-C waits until all of it is done."""
    with registry_errors("the model registry"):
        present = version_with(CHAMPION)
        if present != champion:
            raise RegistryError(
                f"the champion changed while this was under way, to {present.name if present else 'none'}; run again."
            )
        with recorded(entry, entries, layout.promotions):
            make_champion(version)


def _settled(layout: Layout, champion: Version | None, *, dry_run: bool = False) -> list[Entry]:
    """The ledger, brought into agreement with the registry.

    Raises:
        DataError: it cannot be read, or it is gone and git still has it: a new one would hide what was lost.
    """
    entries = read_ledger(layout.promotions)
    if not entries and champion is not None and git_keeps(layout.promotions):
        raise DataError(
            f"{layout.promotions} is empty or gone, and {champion.name} is champion; take the record back from git: "
            f"git checkout {layout.promotions.name}"
        )
    settled = settle(entries, champion.number if champion else None, champion.run_id if champion else None)
    if settled != entries and not dry_run:
        write_ledger(settled, layout.promotions)
    return settled


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """No other promotion of this repository while the block lasts.

    Raises:
        RegistryError: another one is under way.
    """
    lock = FileLock(layout.promotion_lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RegistryError(f"another promotion is under way{_holder(layout)}; run again when it is done.") from None
    try:
        write_json({"pid": os.getpid(), "who": git_user() or "someone", "since": now()}, layout.promotion_holder)
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("starsight history shows who is champion") from None
    finally:
        lock.release()


def _holder(layout: Layout) -> str:
    try:
        held = read_json(layout.promotion_holder)
    except StarsightError:  # it has the lock, and has not said so yet
        return ""
    return f", by {held.get('who', 'someone')} (process {held.get('pid', '?')}) since {held.get('since', '?')}"
