"""Unpack a stream on the way: gzip, bzip2, xz, zstd and zip, told by their first bytes and never by a file's name.

Memory stays flat, nothing is written to disk, and an archive that is damaged, or unpacks to more than it may, says so
in one line while it is read.
"""

import bz2
import errno
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any

import pyarrow as pa

from starsight.errors import DataError

FREE_BYTES = 64 * 2**20
"""Unpacked bytes from which the expansion is looked at: a small file of one repeated word is no bomb."""

_MAX_LEVELS = 2
"""A table may be compressed, and its archive again; deeper is no way to keep reviews."""

_CHUNK = 2**17
"""Bytes that are asked for at a time."""

_MAX_WINDOW = 128 * 2**20
"""Bytes of memory that unpacking may take; what the ``zstd`` command allows itself too."""

HEAD_BYTES = 512
"""Bytes that tell what a stream is."""

_MAX_SHOWN = 8
"""Names of members that a message lists."""

_SIGNATURES = {
    "zip": re.compile(rb"PK(\x03\x04|\x05\x06)"),
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}

_DOCUMENTS = {
    "[Content_Types].xml": "an Excel workbook or another Office document",
    "META-INF/manifest.xml": "an OpenDocument spreadsheet or text",
}
"""Zip archives that are no archives to their owner, by a member that each of them has."""

_DAMAGE = (
    EOFError,
    OSError,
    UnicodeDecodeError,  # in the names of a zip archive
    lzma.LZMAError,
    pa.ArrowException,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_NO_MACHINE_TROUBLE = (None, errno.EINVAL)
"""Numbers of an OSError that come from bad data: gzip, bz2 and pyarrow give none, and a damaged zip archive points
to places before its own beginning."""

_TOO_LARGE = re.compile(r"Memory usage limit|too much memory")
"""What xz and zstd say of a file that needs more than ``_MAX_WINDOW``."""


@dataclass
class Archive:
    """A file that may be packed, and what came out of it so far."""

    where: str
    """What messages call it."""
    n_bytes: int
    """As it stands on disk."""
    max_expansion: int
    """Most bytes that one byte of it may unpack to."""
    _unpacked: Counter[int] = field(default_factory=Counter)

    def count(self, level: int, n_bytes: int) -> None:
        """Note that ``n_bytes`` more have come out at ``level`` of packing, from whichever member.

        Raises:
            DataError: with them it is too much.
        """
        self._unpacked[level] += n_bytes
        unpacked = self._unpacked[level]
        if unpacked > max(FREE_BYTES, self.max_expansion * self.n_bytes):
            raise DataError(
                f"{self.where} unpacks to more than {unpacked / self.n_bytes:,.0f} times its {self.n_bytes:,} bytes, "
                f"which no reviews do; if you trust it, raise ingest.max_expansion, now {self.max_expansion}."
            )


def unpack(
    packed: io.BufferedReader, name: str, archive: Archive, members: str | None
) -> Iterator[tuple[str, io.BufferedReader]]:
    """The contents of a file, one after the other: itself where it is not packed, each chosen member of a zip archive.

    Args:
        packed: At its beginning; to be kept open until the last of the contents has been read.
        name: Its base name.
        archive: The same file; counts what comes out of it.
        members: Which members of a zip archive are read, as a glob over their whole names.

    Yields:
        Base name of the file or the member, and its bytes, to be read before the next is asked for. Only a file that is
        not packed can be sought in.

    Raises:
        DataError: the archive is damaged, encrypted, packed too deep or a mere document, or ``members`` chooses nothing
            of it; from the stream's ``read`` too, where that turns out later.
    """
    if _archive_kind(packed) == "zip":
        with _damage_told(archive.where):
            contents = zipfile.ZipFile(packed)
        with contents:
            for info in _chosen(contents.infolist(), members, archive.where):
                with _damage_told(archive.where):
                    member = contents.open(info)
                with member:
                    yield PurePosixPath(info.filename).name, unpack_member(member, archive)
    elif members is not None:
        raise DataError(f"{archive.where} is no zip archive; take members out of its row in params.yaml.")
    else:
        yield name, _decompressed(packed, archive, level=0)


def unpack_member(member: IO[bytes], archive: Archive) -> io.BufferedReader:
    """A member of a zip archive as a stream, itself unpacked where it is compressed.

    Raises:
        DataError: as ``unpack``.
    """
    return _decompressed(_stream(_pieces(member), archive, level=1), archive, level=1)


def _archive_kind(stream: io.BufferedReader) -> str | None:
    head = stream.peek(HEAD_BYTES)
    return next((kind for kind, pattern in _SIGNATURES.items() if pattern.match(head)), None)


def _chosen(infos: list[zipfile.ZipInfo], members: str | None, where: str) -> list[zipfile.ZipInfo]:
    """Members to read, in the order of their names."""
    files = sorted((info for info in infos if _is_usable(info)), key=lambda info: info.filename)
    for name, document in _DOCUMENTS.items():
        if any(info.filename == name for info in files):
            raise DataError(f"{where} is {document}; save its table as CSV and name that file.")
    shown = ", ".join(repr(info.filename) for info in files[:_MAX_SHOWN]) + ", …" * (len(files) > _MAX_SHOWN)
    if not files:
        raise DataError(f"{where} holds no files; put the reviews there, or correct source in params.yaml.")
    if members is not None:
        files = [info for info in files if fnmatchcase(info.filename, members)]
        if not files:
            raise DataError(f"{where} holds nothing that matches members: {members!r}; it holds {shown}.")
    elif len(files) > 1:
        raise DataError(
            f"{where} holds {len(files)} files ({shown}); set members in its row of params.yaml to the name "
            "or a glob of those to read."
        )
    for info in files:
        if info.flag_bits & 1:
            raise DataError(f"{where} is encrypted; unpack it with its password and name what comes out as source.")
    return files


def _is_usable(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    hidden = any(part.startswith(".") and part != ".." for part in parts)  # a way out leads nowhere: nothing is written
    return not (info.is_dir() or hidden or "__MACOSX" in parts)


def _decompressed(stream: io.BufferedReader, archive: Archive, level: int) -> io.BufferedReader:
    while (kind := _archive_kind(stream)) is not None:
        if kind == "zip":
            raise DataError(f"{archive.where} holds a zip archive inside another archive; unpack the outer one.")
        if level == _MAX_LEVELS:
            raise DataError(f"{archive.where} is packed more than {_MAX_LEVELS} times over; unpack it.")
        level += 1
        stream = _stream(_DECOMPRESSORS[kind](stream), archive, level)
    return stream


def _pieces(file: Any) -> Iterator[bytes]:
    return iter(partial(file.read, _CHUNK), b"")


def _gzip(packed: IO[bytes]) -> Iterator[bytes]:
    return _pieces(gzip.GzipFile(fileobj=packed))


def _zstd(packed: IO[bytes]) -> Iterator[bytes]:
    return _pieces(pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd"))


def _joined(new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor], packed: IO[bytes]) -> Iterator[bytes]:
    """Any number of compressed streams, one behind the other. The standard library's own readers take damage at the
    beginning of a later stream for the end of the file, and set no bounds to memory."""
    data = packed.read(_CHUNK)
    while data:
        decompressor = new()
        while not decompressor.eof:
            if decompressor.needs_input and not (data := data or packed.read(_CHUNK)):
                raise EOFError
            if piece := decompressor.decompress(data, _CHUNK):
                yield piece
            data = b""
        data = decompressor.unused_data
        while not (data := data.lstrip(b"\0")) and (data := packed.read(_CHUNK)):
            pass  # zeros may fill up a stream of xz


_DECOMPRESSORS: dict[str, Callable[[IO[bytes]], Iterator[bytes]]] = {
    "gzip": _gzip,
    "bzip2": partial(_joined, bz2.BZ2Decompressor),
    "xz": partial(_joined, partial(lzma.LZMADecompressor, format=lzma.FORMAT_XZ, memlimit=_MAX_WINDOW)),
    "zstd": _zstd,
}


def _stream(pieces: Iterator[bytes], archive: Archive, level: int) -> io.BufferedReader:
    return io.BufferedReader(_Unpacked(pieces, archive, level), _CHUNK)


class _Unpacked(io.RawIOBase):
    """Pieces of bytes as a file, counted, with damage told in one line."""

    def __init__(self, pieces: Iterator[bytes], archive: Archive, level: int) -> None:
        super().__init__()
        self._pieces = pieces
        self._archive = archive
        self._level = level
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        n_read = 0
        while n_read < len(view) and (self._rest or self._refill()):
            n = min(len(view) - n_read, len(self._rest))
            view[n_read : n_read + n], self._rest = self._rest[:n], self._rest[n:]
            n_read += n
        return n_read

    def _refill(self) -> bool:
        with _damage_told(self._archive.where):
            self._rest = memoryview(next(self._pieces, b""))
        self._archive.count(self._level, len(self._rest))
        return bool(self._rest)


@contextmanager
def _damage_told(where: str) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise DataError(
            f"{where} is a zip archive of a kind that cannot be read here ({error}); unpack it and name what comes out."
        ) from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in _NO_MACHINE_TROUBLE:
            raise
        if _TOO_LARGE.search(str(error)):
            raise DataError(
                f"{where} takes more than {_MAX_WINDOW // 2**20} MiB of memory to unpack ({error}); "
                "unpack it yourself, or pack it again with a smaller dictionary."
            ) from None
        reason = str(error) or "it ends too early"
        raise DataError(
            f"{where} is damaged or incomplete ({reason}); nothing was kept of it. Fetch it again."
        ) from None
