"""Download a file: resumed where it broke off, checked against its sha256, safe among concurrent processes."""

import hashlib
import logging
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
from filelock import FileLock

from starsight.errors import DataError
from starsight.progress import progress

log = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(30, connect=10)
"""Seconds without a byte, and to connect. The whole download may take as long as it likes."""


def download(url: str, sha256: str, target: Path) -> Path:
    """Bring the file at ``url`` to ``target``, unless it is there already.

    Args:
        url: ``http``, ``https`` or ``file``. Redirects and the proxy settings of the environment are followed.
        sha256: Digest that the file must have, in hexadecimal.
        target: Where it goes. What has arrived so far stands beside it as ``<name>.partial``.

    Returns:
        ``target``.

    Raises:
        DataError: the file cannot be reached (what has arrived is kept, and the next call resumes there), or it has
            another digest (what has arrived is deleted).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        if target.is_file() and file_sha256(target) == sha256:
            return target
        partial = target.with_name(f"{target.name}.partial")
        if urlsplit(url).scheme == "file":
            _copy(url, partial)
        else:
            _receive(url, partial)
        found = file_sha256(partial)
        if found != sha256:
            partial.unlink()
            raise DataError(
                f"{_public(url)} has sha256 {found}, not {sha256}; it was deleted. "
                "Run again if it was damaged on the way; correct sha256 in params.yaml if you trust this file."
            )
        return partial.replace(target)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(url: str, partial: Path) -> None:
    original = Path(url2pathname(urlsplit(url).path))
    if not original.is_file():
        raise DataError(f"{original} is missing, or is no file; correct the address {url}.")
    shutil.copyfile(original, partial)


def _receive(url: str, partial: Path) -> None:
    """Append to ``partial`` until it is whole. A broken connection is taken up again as long as each one brings more
    than the last."""
    while True:
        before = _size(partial)
        try:
            _receive_rest(url, partial)
            return
        except (httpx.RequestError, httpx.InvalidURL) as error:
            if _size(partial) <= before:
                raise DataError(
                    f"{_public(url)} cannot be reached ({error or type(error).__name__}); check the network and its "
                    f"proxy settings and run again: the {_size(partial):,} bytes that have arrived are kept."
                ) from None
            log.info("connection to %s lost after %s bytes; resuming", _public(url), f"{_size(partial):,}")


def _receive_rest(url: str, partial: Path) -> None:
    offset = _size(partial)
    headers = {"Accept-Encoding": "identity"}  # byte ranges count the bytes of the file, not of a compressed transfer
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT) as response:
        if offset and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is missing, or too much is there: the digest tells which
        if not response.is_success:
            raise DataError(
                f"{_public(url)} answered {response.status_code} {response.reason_phrase}; "
                "check the address and whether it wants a login."
            )
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            offset = 0  # the server knows no ranges and sends the file from its beginning
        length = response.headers.get("Content-Length", "")
        total = offset + int(length) if length.isdigit() else None
        with partial.open("ab" if offset else "wb") as file, progress("downloading", total, unit="B") as bar:
            bar.update(offset)
            for chunk in response.iter_raw():
                file.write(chunk)
                bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _public(url: str) -> str:
    """The address without what may be secret: user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
