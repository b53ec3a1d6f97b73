"""Lines of a text, none of which can fill the memory."""

from collections.abc import Iterator
from typing import Final, TextIO

MAX_CHARACTERS: Final = 20_000_000
"""A longer line, or a longer record of several lines, is no review and is not read to its end."""


def bounded_lines(text: TextIO) -> Iterator[str]:
    """The lines with their ends; of a line with more than ``MAX_CHARACTERS`` only the first of them and one more."""
    while line := text.readline(MAX_CHARACTERS + 1):
        yield line
        while len(line) > MAX_CHARACTERS and not line.endswith("\n"):  # the rest of it, piece by piece
            line = text.readline(MAX_CHARACTERS + 1)
