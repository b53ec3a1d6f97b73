"""What a source holds, and what a library says of it, as messages and the rejected records show it."""

from collections.abc import Iterable
from typing import Final

MESSAGE_CHARACTERS: Final = 300
"""Most that a message shows of a list of names, or of what a library complains of."""
RECORD_CHARACTERS: Final = 2_000
"""Most that is written down of a rejected record's field, and of the value that was its fault."""


def printable(text: str) -> str:
    r"""``text`` in one line that a terminal shows and does not obey: control characters are written as ``\x1b``."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def listed(names: Iterable[str]) -> str:
    """Names for a message, cut where there are many."""
    text = printable(", ".join(names))
    return text if len(text) <= MESSAGE_CHARACTERS else f"{text[:MESSAGE_CHARACTERS]}…"


def complaint(error: BaseException, said: str | None = None) -> str:
    """What a library complains of, in one line without a full stop; the error's kind where it says nothing.

    Args:
        error: What the library raised.
        said: The part of its message that is of use; None for all of it.
    """
    line = printable(" ".join((str(error) if said is None else said).split()))
    return line[:MESSAGE_CHARACTERS].rstrip(". ") or type(error).__name__
