"""Bytes as text, in any encoding, without losing a word to a damaged byte."""

import codecs
import io
from collections.abc import Callable
from typing import IO, Any, Final, TextIO, cast

from starsight.errors import DataError
from starsight.ingest.raw import Reading, field_text

BYTE_ORDER_MARKS: Final = (  # the longer first: the mark of UTF-16 is the beginning of one of UTF-32
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Marks, and the encoding of what follows one."""

_BYTES = (bytes, bytearray, memoryview)
"""What databases and Arrow hand out for bytes. A tuple: every value is asked, and a union takes twice as long."""

_NOT_FOR_FILES = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
"""Text encodings of names, source code and mail. They cannot go on after a damaged byte, or make halves of characters
that no table can hold."""

_WINDOWS_1252 = [bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256)]
"""Character of each byte; of the five that the code page leaves open, the one of Latin-1."""


def decode(stream: IO[bytes], encoding: str, reading: Reading, newline: str) -> TextIO:
    """A stream of text; whatever bytes it meets, it goes on.

    A byte-order mark is taken away. Text that is said to be UTF-8 but opens with the mark of UTF-16 or UTF-32 is read
    as that.

    Args:
        stream: At its beginning.
        encoding: As Python names it. In UTF-8, bytes that do not fit are read as Windows-1252, in which such bytes were
            most often written; in any other encoding each place becomes U+FFFD.
        reading: ``undecodable`` counts every such place while the text is read.
        newline: As ``open`` takes it: nothing keeps line ends as they are, a line feed ends lines at nothing else.

    Raises:
        DataError: ``encoding`` is none of text in files, or needs a byte-order mark that is not there.
    """
    name = _codec(encoding)
    buffered = io.BufferedReader(cast(io.RawIOBase, stream))
    head = buffered.peek(4)
    for mark, marked in BYTE_ORDER_MARKS:
        if head.startswith(mark) and (name == "utf-8" or marked.startswith(name)):
            buffered.read(len(mark))
            name = marked
            break
    if head and name in ("utf-16", "utf-32"):
        raise DataError(
            f"the text does not open with the byte-order mark that {encoding!r} promises; "
            f"write {name}-le or {name}-be as its encoding in params.yaml."
        )
    errors = _counting(reading, _as_windows_1252 if name == "utf-8" else _as_replacement)
    return io.TextIOWrapper(buffered, encoding=name, errors=errors, newline=newline)


def text_of(value: Any, reading: Reading) -> str:
    """A value of a typed source (Parquet, SQL) as the text that a CSV file would hold; empty for null.

    Args:
        value: Bytes are text in UTF-8, which some sources do not say and others do not keep: those that do not fit are
            read as ``decode`` reads them.
        reading: ``undecodable`` counts every such place.
    """
    if not isinstance(value, _BYTES):
        return field_text(value)
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        return str(value, "utf-8", _counting(reading, _as_windows_1252))


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        if name not in _NOT_FOR_FILES:
            "".encode(name)  # codecs such as hex are listed too, but hold no text
            return name.removesuffix("-sig")  # the mark is taken away here, also from a file that ends within it
    except (LookupError, ValueError):  # ValueError: a name that no codec can have
        pass
    raise DataError(f"{encoding!r} is no text encoding; correct encoding in params.yaml (utf-8, latin-1).")


def _counting(reading: Reading, repaired: Callable[[bytes], str]) -> str:
    """Name of an error handler that counts in ``reading``.

    Python knows error handlers by name alone, for the whole process, and forgets none. So each reading has its own:
    the handler keeps the reading alive, hence nothing else ever gets its id, and the next file of the same reading
    registers the same handler again.
    """

    def handle(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        reading.undecodable += 1
        return repaired(error.object[error.start : error.end]), error.end

    name = f"starsight{repaired.__name__}_{id(reading)}"
    codecs.register_error(name, handle)
    return name


def _as_windows_1252(damage: bytes) -> str:
    return "".join(map(_WINDOWS_1252.__getitem__, damage))


def _as_replacement(_damage: bytes) -> str:
    return "\N{REPLACEMENT CHARACTER}"
