"""A PostgreSQL server of a test's own: made in a temporary folder, gone afterwards."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import create_engine, text

_DEBIAN = "/usr/lib/postgresql"
"""Where Debian keeps the server's programs, beside the PATH."""


@dataclass(frozen=True)
class PostgresServer:
    """A server that listens on 127.0.0.1 and asks everyone for a password; its owner comes in by the socket."""

    folder: Path
    port: int

    @property
    def address(self) -> str:
        """What stands behind the ``@`` of an address."""
        return f"127.0.0.1:{self.port}/postgres"

    def execute(self, *statements: str) -> list[tuple]:
        """Rows of the last of some statements, run by the server's owner."""
        engine = create_engine(f"postgresql+psycopg://postgres@/postgres?host={self.folder}&port={self.port}")
        try:
            with engine.begin() as connection:
                results = [connection.execute(text(statement)) for statement in statements]
                return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []
        finally:
            engine.dispose()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; skips the test where PostgreSQL is not installed."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="starsight-postgres-", dir="/tmp"))  # a socket's path is short
    try:
        as_owner = _as_owner(folder)
        server = PostgresServer(folder, _free_port())

        def run(program: str, *arguments: str) -> None:
            command = [*as_owner, str(programs / program), "-D", str(folder / "data"), *arguments]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

        run("initdb", "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8",
            "--locale=C", "--no-sync")  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": server.port,
            "unix_socket_directories": folder,
            "fsync": "off",
            "temp_file_limit": "64MB",  # a query gone wrong must not fill the disk,
            "statement_timeout": "30s",  # nor go on for ever
        }
        run("pg_ctl", "--wait", f"--log={folder / 'log'}", "-o",
            " ".join(f"-c {key}={value}" for key, value in settings.items()), "start")  # fmt: skip
        try:
            yield server
        finally:
            run("pg_ctl", "--wait", "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path(_DEBIAN).glob("*/bin"))
    if not folders or not (folders[-1] / "initdb").exists():
        _do_without("PostgreSQL's server is not installed (no initdb)")
    return folders[-1]


def _as_owner(folder: Path) -> list[str]:
    """What comes before a command: the server refuses to run as root, so ``postgres`` gets the folder."""
    if os.getuid() != 0:
        return []
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError:
        _do_without("PostgreSQL does not run as root, and there is no user postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["runuser", "-u", "postgres", "--"]


def _do_without(reason: str) -> NoReturn:
    """Skip, but not where ``STARSIGHT_POSTGRES=required`` promises a server."""
    if os.environ.get("STARSIGHT_POSTGRES") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
