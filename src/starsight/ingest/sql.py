"""Records of a database: the rows of one query, read without the right to change anything."""

import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, TextClause, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from starsight.errors import DataError
from starsight.ingest.decoding import text_of
from starsight.ingest.named import check_named, named_columns
from starsight.ingest.raw import RawRecord, Reading
from starsight.ingest.wording import complaint
from starsight.layout import real_repository
from starsight.params import SqlDataset

_ROWS = 1_000
"""Fetched at a time."""
_CONNECT_TIMEOUT_S = 10
_TIMED = {"psycopg", "psycopg2", "pymysql", "mysqldb"}
"""Drivers that know ``connect_timeout``; without it a host that does not answer is waited for for minutes."""

_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""What an address without a driver means, where SQLAlchemy would look for one that starsight does not bring."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SECRET = re.compile(r"(?:passw(?:or)?d|pwd|secret|token)=(?!\$\{)", re.IGNORECASE)
"""A password that is written out behind the ``?`` of an address."""

_BLANK = r"(?:\s|--[^\n]*|/\*.*?\*/)"
_QUERY = re.compile(rf"(?:{_BLANK}|\()*(?:select|with|values)\b", re.IGNORECASE | re.DOTALL)
_LITERAL = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'|\"[^\"]*\"", re.DOTALL)
"""What a semicolon may stand in without ending the statement."""

_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}

_REFUSALS = (SQLAlchemyError, OSError, ValueError, OverflowError)
"""What SQLAlchemy and the drivers raise; the last two for a parameter that the database's types cannot hold."""


def read_sql(dataset: SqlDataset, reading: Reading) -> Iterator[RawRecord]:
    """The rows of the row's query, streamed, with the columns that ``dataset.columns`` names.

    The query is one SELECT. PostgreSQL runs it in a read-only transaction behind a server-side cursor, SQLite on a
    file opened for reading with everything but reading refused; elsewhere the transaction is rolled back.

    Args:
        dataset: The source and how to read it.
        reading: Counts bytes that are no UTF-8.

    Raises:
        DataError: the address holds a password or names a variable that is not set; the database cannot be reached
            or refuses the query; the query is no single SELECT; a parameter or a column is missing. No message holds
            a password.
    """
    statement = _statement(dataset)
    url = _address(dataset.source)
    place = url.set(query={}).render_as_string(hide_password=True)
    wanted = named_columns(dataset.columns)
    engine = _engine(url, place)
    try:
        with engine.connect() as connection:
            result = _read_only(connection).execute(statement)
            found = list(result.keys())
            check_named(dataset.columns, found, place)
            positions = [(name, found.index(name)) for name in wanted]
            for row in result:
                yield RawRecord({name: text_of(row[i], reading) for name, i in positions})
    except _REFUSALS as error:
        raise DataError(
            f"{place}: {_reason(error, url)}. Correct source, query or parameters in params.yaml."
        ) from None
    finally:
        engine.dispose()


def _statement(dataset: SqlDataset) -> TextClause:
    bare = _LITERAL.sub(" ", dataset.query).strip().removesuffix(";")
    if not _QUERY.match(dataset.query) or ";" in bare:
        raise DataError(
            "query must be one SELECT (or WITH ... SELECT), for the database is only read; "
            f"found: {' '.join(dataset.query.split())[:80] or 'nothing'}. Correct it in params.yaml."
        )
    statement = text(dataset.query)
    needed, given = set(statement.compile().params), set(dataset.parameters)
    if missing := sorted(needed - given):
        raise DataError(
            f"query needs a value for :{', :'.join(missing)}; add it to parameters in params.yaml, "
            r"or write \: where a colon is meant as such."
        )
    if unknown := sorted(given - needed):
        raise DataError(
            f"query has no parameter :{', :'.join(unknown)}; take it out of parameters in params.yaml, or name it in "
            "the query, as a cast in the form CAST(:name AS text)."
        )
    return statement.bindparams(**dataset.parameters)


def _address(source: str) -> URL:
    """``source`` with its variables filled in. A whole address may stand in one (``${DATABASE_URL}``)."""
    whole = _VARIABLE.fullmatch(source)
    try:
        url = make_url(_environment(whole[1]) if whole else source)
    except (SQLAlchemyError, ValueError):  # without what it found: that may hold a password
        raise DataError(
            "source is no address of a database; write it like sqlite:///data/raw/reviews.db or "
            "postgresql://reader:${REVIEWS_PASSWORD}@localhost:5432/shop (the port is a number)."
        ) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if whole:
        return url
    if _VARIABLE.sub("", url.password or "") or _secrets(url):
        raise DataError(
            "source holds a password; params.yaml is kept in git and copied into every run. Write a variable in its "
            "place, ${REVIEWS_PASSWORD}, and set that in the environment."
        )
    return url.set(
        username=url.username and _filled(url.username),
        password=url.password and _filled(url.password),
        host=url.host and _filled(url.host),
        database=url.database and _filled(url.database),
        query={key: tuple(map(_filled, values)) for key, values in url.normalized_query.items()},
    )


def _secrets(url: URL) -> list[str]:
    """Values behind the ``?`` of an address that are, or hold, a password."""
    options = url.normalized_query.items()
    return [value for key, values in options for value in values if _SECRET.search(f"{key}={value}")]


def _filled(part: str) -> str:
    return _VARIABLE.sub(lambda variable: _environment(variable[1]), part)


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise DataError(
            f"source names ${{{name}}}, which is not set; set {name} in the environment (export {name}=...)."
        )
    return value


def _engine(url: URL, place: str) -> Engine:
    if url.get_backend_name() == "sqlite":
        path = _sqlite_file(url)
        # SQLite would make an empty file of a name that it does not find.
        address = f"{path.resolve().as_uri()}?mode=ro"
        return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)
    try:
        patient = "connect_timeout" in url.query or url.get_dialect().driver not in _TIMED
        options = {} if patient else {"connect_timeout": _CONNECT_TIMEOUT_S}
        return create_engine(url, connect_args=options, hide_parameters=True, poolclass=NullPool)
    except (ImportError, NoSuchModuleError):
        raise DataError(
            f"{place}: no driver for {url.drivername} is installed; pip install 'starsight[sql]' brings PostgreSQL's, "
            "SQLite's is always there, and every other one that SQLAlchemy knows can be installed beside them."
        ) from None
    except _REFUSALS as error:
        raise DataError(f"{place}: {_reason(error, url)}. Correct source in params.yaml.") from None


def _sqlite_file(url: URL) -> Path:
    path = Path(url.database or ":memory:")
    if not path.exists():  # throw-away copies of the repository have no untracked files: look in the real one
        path = real_repository() / path
    if not path.is_file():
        raise DataError(f"{path} is no file; put the database there, or correct source in params.yaml.")
    return path


def _read_only(connection: Connection) -> Connection:
    raw = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        raw.text_factory = bytes  # one text that is no UTF-8 would end the reading
        # Even a file that is opened for reading may ATTACH and VACUUM INTO others, which makes them.
        raw.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
    return connection.execution_options(postgresql_readonly=True, stream_results=True, yield_per=_ROWS)


def _reason(error: BaseException, url: URL) -> str:
    """What a driver complains of, in one line and without the secrets of ``url``."""
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    said = " ".join(said.split("\nLINE ")[0].split())
    for secret in filter(None, [url.password, *_secrets(url)]):
        said = said.replace(secret, "***")
    return complaint(error, said)
