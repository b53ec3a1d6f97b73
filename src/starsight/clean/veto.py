"""Words that a person wants left as they are."""

import re
from pathlib import Path

from starsight.errors import DataError

_ENTRY = re.compile(r"[^\W\d_]+")


def read_veto(path: Path) -> frozenset[str]:
    """The words of ``path``, one a line, in lower case; none where there is no such file. ``#`` opens a comment.

    Raises:
        DataError: a line holds something else than one word (all such lines are named), or the file is not UTF-8.
    """
    if not path.exists():
        return frozenset()
    try:
        entries = enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1)
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8; save it as UTF-8.") from None
    words = {number: line.partition("#")[0].strip() for number, line in entries}
    if wrong := [f"{number} ({word!r})" for number, word in words.items() if word and not _ENTRY.fullmatch(word)]:
        raise DataError(f"{path}: write one word a line; line {', '.join(wrong)} holds something else.")
    return frozenset(word.lower() for word in words.values() if word)
