"""Progress bars for long steps: one line on a terminal, silence in a log file."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class Bar(Protocol):
    """What a step needs of its progress bar."""

    def update(self, n: float | None = 1) -> bool | None:
        """Advance by ``n`` units."""

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Show ``s`` behind the bar."""


def leads() -> bool:
    """Whether this process speaks for those that a launcher started with it; alone it does."""
    return os.environ.get("RANK", "0") == "0"


def quiet() -> bool:
    """Whether bars stay off: standard error is a file or a pipe, or another process shows them."""
    return not sys.stderr.isatty() or not leads()


@contextmanager
def progress(what: str, total: int | None = None, *, unit: str) -> Iterator[Bar]:
    """A bar to be advanced by hand. ``total`` is in units; None where the end is not known."""
    with tqdm(total=total, desc=what, unit=f" {unit}", unit_scale=True, disable=quiet(), leave=False) as bar:
        yield bar


def track(items: Iterable[Item], what: str, *, unit: str, total: int | None = None) -> Iterator[Item]:
    """Pass ``items`` through, advancing a bar by one for each."""
    yield from tqdm(items, desc=what, unit=f" {unit}", total=total, unit_scale=True, disable=quiet(), leave=False)
