import re
import sqlite3
import traceback
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres import PostgresServer, postgres_server

from starsight.errors import DataError
from starsight.ingest.outcome import ingest
from starsight.ingest.raw import RawRecord, Reading
from starsight.ingest.sql import read_sql
from starsight.params import Columns, IngestParams, RatingColumn, SqlDataset, TimeColumn
from starsight.tables import read_table

ROWS = [("It fits perfectly!", 10, "u1"), ("It's 100% itchy; I sent it back", 2, "u2"), (None, 6, "u1")]
LIMITS = IngestParams(max_rejected_share=1.0, max_characters=50_000, max_expansion=200)
COLUMNS = Columns(text="text", rating=RatingColumn(column="stars", scale=[2, 10]))
PASSWORD = "s3cret@with:odd/signs?"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A SQLite database with three reviews."""
    path = tmp_path / "the shop's.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE reviews (text TEXT, stars INTEGER, user TEXT)")
        connection.executemany("INSERT INTO reviews VALUES (?, ?, ?)", ROWS)
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        running.execute(
            "CREATE TABLE reviews (text text, stars numeric(4, 2), written timestamptz, verified boolean)",
            "INSERT INTO reviews VALUES ('It fits perfectly!', 10, '2020-05-01 12:00+02', true), "
            "('100% itchy', 2.5, NULL, false)",
            f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON reviews TO reader",
            "CREATE TABLE staff (name text)",
        )
        yield running


@pytest.fixture
def reader(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of the PostgreSQL server, for a role that may also write."""
    monkeypatch.setenv("REVIEWS_PASSWORD", PASSWORD)
    return f"postgresql://reader:${{REVIEWS_PASSWORD}}@{server.address}"


def rows(source: Path | str, query: str = "SELECT * FROM reviews", columns: Columns = COLUMNS, **parameters) -> list:
    source = f"sqlite:///{source}" if isinstance(source, Path) else source
    dataset = SqlDataset(format="sql", source=source, query=query, columns=columns, parameters=parameters)
    return list(read_sql(dataset, Reading()))


def refusal(source: Path | str, query: str = "SELECT * FROM reviews", **parameters) -> str:
    """The one line that a query is refused with; what a log would hold of it has no password either."""
    with pytest.raises(DataError) as refused:
        rows(source, query, **parameters)
    message = str(refused.value)
    assert "\n" not in message
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))
    return message


# --- SQLite ---------------------------------------------------------------------------------------------------------


def test_a_query_becomes_reviews_on_the_scale_of_stars(layout, shop):
    dataset = SqlDataset(
        format="sql",
        source=f"sqlite:///{shop}",
        query="SELECT text, stars, user FROM reviews WHERE stars >= :least",
        parameters={"least": 2},
        columns=Columns(text="text", rating=RatingColumn(column="stars", scale=[2, 10]), user_id="user"),
    )
    report = ingest(dataset, layout, LIMITS)
    assert (report.kept, report.rejected["no_text"]) == (2, 1)
    reviews = read_table(layout.reviews)
    assert reviews[["text", "stars", "user_id"]].values.tolist() == [
        ["It fits perfectly!", 5.0, "u1"],
        ["It's 100% itchy; I sent it back", 1.0, "u2"],
    ]


def test_only_the_columns_that_the_row_names_are_kept(shop):
    assert rows(shop)[2] == RawRecord({"text": "", "stars": "6"})


@pytest.mark.parametrize(
    "query",
    [
        "select text, stars from reviews;",
        "  -- the newest; mostly\n SELECT text, stars FROM reviews /* ; */ ; ",
        "WITH some AS (SELECT * FROM reviews) SELECT text, stars FROM some WHERE text <> ';' OR text IS NULL",
        "SELECT text, stars FROM reviews WHERE 'it''s; so' LIKE '%;%'",
    ],
)
def test_one_query_may_be_written_in_many_ways(shop, query):
    assert len(rows(shop, query)) == 3


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  -- nothing",
        "selection",
        "INSERT INTO reviews VALUES ('x', 5, 'u')",
        "DROP TABLE reviews",
        "PRAGMA user_version = 3",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'other.db'",
        "SELECT 1; DELETE FROM reviews",
        "SELECT ';' ; DELETE FROM reviews",
        "/* SELECT */ DELETE FROM reviews",
    ],
)
def test_whatever_is_no_single_select_is_refused_before_the_database_is_asked(shop, query):
    assert refusal(shop, query).startswith("query must be one SELECT (or WITH ... SELECT)")


@pytest.mark.parametrize(
    "query",
    [
        "WITH x AS (SELECT 1) DELETE FROM reviews",
        "WITH x AS (SELECT 1) INSERT INTO reviews SELECT 'x', 5, 'u'",
        "SELECT load_extension('evil')",
        "SELECT * FROM pragma_user_version",
    ],
)
def test_sqlite_itself_refuses_what_only_begins_like_a_query(shop, query):
    before = shop.read_bytes()
    assert "authorized" in refusal(shop, query)
    assert shop.read_bytes() == before


def test_sqlite_makes_no_file_whatever_a_query_says(shop, monkeypatch):
    monkeypatch.setattr("starsight.ingest.sql._QUERY", re.compile(""))  # as if the check let it through
    monkeypatch.chdir(shop.parent)
    for query in ("ATTACH 'other.db' AS other", "VACUUM INTO 'other.db'", "CREATE TEMP TABLE x (y)"):
        assert "authoriz" in refusal(shop, query)
    assert [path.name for path in shop.parent.iterdir()] == [shop.name]


def test_a_parameter_is_a_value_and_nothing_else(shop):
    query = "SELECT text, stars FROM reviews WHERE text = :text"
    assert rows(shop, query, text="'; DROP TABLE reviews; --") == []
    assert [record.fields["stars"] for record in rows(shop, query, text=ROWS[1][0])] == ["2"]
    assert len(rows(shop)) == 3


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=20))
def test_any_text_may_be_a_parameter_or_is_refused_in_one_line(tmp_path_factory, text):
    database = tmp_path_factory.getbasetemp() / "empty.db"
    sqlite3.connect(database).close()
    database.touch()
    query = "SELECT :text AS text, 2 AS stars"
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        assert "surrogates not allowed" in refusal(database, query, text=text)
    else:
        assert rows(database, query, text=text) == [RawRecord({"text": text, "stars": "2"})]


def test_parameters_and_the_query_name_the_same(shop):
    assert refusal(shop, "SELECT text, stars FROM reviews WHERE stars = :stars AND user = :user", stars=2).startswith(
        "query needs a value for :user; add it to parameters in params.yaml"
    )
    assert "query has no parameter :star; take it out" in refusal(shop, "SELECT text, stars FROM reviews", star=2)
    assert "too large" in refusal(shop, "SELECT text, stars FROM reviews WHERE stars = :n", n=2**80)


def test_a_missing_column_is_answered_with_those_found(shop):
    assert "has no column text; found: review, stars." in refusal(shop, "SELECT text AS review, stars FROM reviews")
    assert "has more than one column text" in refusal(shop, "SELECT text, stars, user AS text FROM reviews")


def test_values_are_the_text_that_a_table_would_hold(shop):
    with closing(sqlite3.connect(shop)) as connection, connection:
        connection.execute("DELETE FROM reviews")
        connection.execute("INSERT INTO reviews VALUES (CAST(x'636166e9' AS TEXT), 4.5, NULL)")
        connection.execute("INSERT INTO reviews VALUES (CAST('café' AS BLOB), '4', x'00')")
    assert rows(shop) == [
        RawRecord({"text": "café", "stars": "4.5"}),
        RawRecord({"text": "café", "stars": "4"}),
    ]


def test_bytes_that_are_no_utf_8_are_read_and_counted(layout, shop):
    with closing(sqlite3.connect(shop)) as connection, connection:
        connection.execute("UPDATE reviews SET text = CAST(x'636166e9' AS TEXT)")
    dataset = SqlDataset(format="sql", source=f"sqlite:///{shop}", query="SELECT * FROM reviews", columns=COLUMNS)
    report = ingest(dataset, layout, LIMITS)
    assert report.undecodable == report.kept
    assert set(read_table(layout.reviews)["text"]) == {"café"}


def test_a_missing_file_is_not_made_and_another_file_is_no_database(tmp_path):
    assert "nowhere.db is no file; put the database there" in refusal(tmp_path / "nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()
    assert ":memory: is no file" in refusal("sqlite://")
    (tmp_path / "notes.txt").write_text("no database " * 200)
    assert "file is not a database. Correct source" in refusal(tmp_path / "notes.txt")


def test_a_relative_file_is_looked_for_in_the_real_repository_too(shop, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(shop.parent))
    assert len(rows(f"sqlite:///{shop.name}")) == 3


def test_rows_are_read_in_flat_memory(shop):
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) "
        "SELECT hex(zeroblob(500)) AS text, 4 AS stars FROM n"
    )
    dataset = SqlDataset(format="sql", source=f"sqlite:///{shop}", query=query, columns=COLUMNS)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_sql(dataset, Reading())) == 50_000
        assert tracemalloc.get_traced_memory()[1] < 20_000_000  # the result has 50 million characters
    finally:
        tracemalloc.stop()


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        f"postgresql://reader:{quote(PASSWORD, safe='')}@localhost/shop",
        "postgresql://reader:hunter2@localhost/shop",
        "postgresql://reader:${START}-rest@localhost/shop",
        "postgresql://reader:$REVIEWS_PASSWORD@localhost/shop",
        f"postgresql://reader@localhost/shop?password={PASSWORD}",
        f"mssql+pyodbc:///?odbc_connect=DRIVER=x;UID=reader;PWD={PASSWORD}",
    ],
)
def test_a_password_that_is_written_out_is_refused_and_never_shown(source):
    message = refusal(source)
    assert "source holds a password" in message
    assert "${REVIEWS_PASSWORD}" in message


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("REVIEWS_PASSWORD", raising=False)
    message = refusal("postgresql://reader:${REVIEWS_PASSWORD}@localhost/shop")
    assert "source names ${REVIEWS_PASSWORD}, which is not set; set REVIEWS_PASSWORD in the environment" in message
    monkeypatch.setenv("REVIEWS_PASSWORD", "")
    assert "is not set" in refusal("postgresql://reader:${REVIEWS_PASSWORD}@localhost/shop")


def test_any_part_of_an_address_or_all_of_it_may_be_a_variable(shop, monkeypatch):
    monkeypatch.setenv("SHOP", str(shop))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{shop}")
    assert len(rows("sqlite:///${SHOP}")) == len(rows("${DATABASE_URL}")) == 3


def test_an_address_that_is_none_is_not_repeated(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", PASSWORD)
    for source in ("reviews.db", f"reader:{PASSWORD}", "${DATABASE_URL}", "postgresql://u@localhost:port/shop"):
        assert refusal(source).startswith("source is no address of a database; write it like sqlite:///")


@pytest.mark.parametrize("source", ["nosuch://reader@localhost/shop", "oracle+oracledb://reader@localhost/shop"])
def test_a_driver_that_is_not_installed_is_answered_with_how_to_get_one(source):
    assert r"is installed; pip install 'starsight[sql]' brings PostgreSQL's" in refusal(source)


def test_a_server_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setenv("REVIEWS_PASSWORD", PASSWORD)
    message = refusal("postgresql://reader:${REVIEWS_PASSWORD}@127.0.0.1:9/shop")  # the port of "discard"
    assert message.startswith("postgresql+psycopg://reader:***@127.0.0.1:9/shop: ")
    assert "refused" in message


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


def test_postgresql_reviews_are_read_with_a_password_from_the_environment(layout, reader):
    dataset = SqlDataset(
        format="sql",
        source=reader,
        query="SELECT * FROM reviews WHERE text LIKE '%it%' AND stars > :least ORDER BY stars DESC",
        parameters={"least": 1.5},
        columns=Columns(
            text="text",
            rating=RatingColumn(column="stars", scale=[2, 10]),
            time=TimeColumn(column="written"),
            verified="verified",
        ),
    )
    assert [record.fields["verified"] for record in read_sql(dataset, Reading())] == ["true", "false"]
    report = ingest(dataset, layout, LIMITS)
    assert (report.kept, report.records) == (2, 2)
    reviews = read_table(layout.reviews)
    assert reviews["stars"].to_list() == [5.0, 1.25]
    assert str(reviews["time"][0]) == "2020-05-01 10:00:00+00:00"
    written = [path for path in layout.root.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM reviews RETURNING *) SELECT * FROM gone",
        "WITH new AS (INSERT INTO reviews VALUES ('x', 5) RETURNING *) SELECT * FROM new",
        "SELECT * INTO copied FROM reviews",
        "SELECT * FROM reviews FOR UPDATE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT nextval(pg_get_serial_sequence('reviews', 'stars'))",
        "SELECT * FROM staff",
        "SELECT * FROM nowhere",
        "SELECT text, stars FROM reviews WHERE",
        "SELECT text, stars / 0 AS stars FROM reviews",
        r"SELECT '\' ; COMMIT; DELETE FROM reviews; --'",  # two statements, whatever the check makes of the backslash
    ],
)
def test_postgresql_itself_refuses_to_change_anything_in_one_line(server, reader, query):
    if "nextval" in query:
        server.execute("CREATE SEQUENCE IF NOT EXISTS numbers", "GRANT ALL ON SEQUENCE numbers TO reader")
        query = "SELECT nextval('numbers')"
    before = server.execute("SELECT text, stars FROM reviews ORDER BY stars")
    message = refusal(reader, query)
    assert message.startswith(("postgresql+psycopg://reader:***@127.0.0.1:", "query must be"))
    assert server.execute("SELECT text, stars FROM reviews ORDER BY stars") == before
    assert server.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'copied'") == [(0,)]


def test_a_wrong_password_is_one_line_without_it(server, monkeypatch):
    monkeypatch.setenv("REVIEWS_PASSWORD", "wrong-" + PASSWORD)
    message = refusal(f"postgresql://reader:${{REVIEWS_PASSWORD}}@{server.address}")
    assert 'password authentication failed for user "reader"' in message
    monkeypatch.setenv("DATABASE_URL", f"postgres://reader:wrong@{server.address}?connect_timeout=5")
    assert "reader:***@" in refusal("${DATABASE_URL}")


def test_a_complaint_that_repeats_the_password_is_shown_without_it(reader):
    message = refusal(reader, "SELECT CAST(:text AS integer) AS text, 1 AS stars", text=f"so {PASSWORD} it is")
    assert 'invalid input syntax for type integer: "so *** it is"' in message
    option = "postgresql://reader@127.0.0.1:9/shop?password=${REVIEWS_PASSWORD}&options=-c"
    assert "***" not in refusal(option).split(": ", 1)[1]


def test_a_missing_database_is_named(reader):
    assert 'database "nowhere" does not exist' in refusal(reader.replace("/postgres", "/nowhere"))


def test_postgresql_rows_arrive_before_the_result_is_complete(reader):
    # In the list of columns a series is made as it is asked for; the server's limits end a query that is not.
    query = "SELECT generate_series(1, 1000000000) AS stars, 'x' AS text"
    dataset = SqlDataset(format="sql", source=reader, query=query, columns=COLUMNS)
    assert [record.fields["stars"] for record in islice(read_sql(dataset, Reading()), 2_500)][-1] == "2500"


def test_a_row_that_postgresql_cannot_make_ends_the_reading(reader):
    query = "SELECT 'x' AS text, 1 / (i - 1500) AS stars FROM generate_series(1, 3000) i"
    assert "division by zero" in refusal(reader, query)


def test_typed_values_of_postgresql_are_text(reader):
    query = (
        "SELECT '100%' AS text, 4.50::numeric AS stars, date '2020-05-01' AS day, 'café'::bytea AS user_id, "
        r"'\xff'::bytea AS product_id, ARRAY[1, 2] AS category"
    )
    columns = Columns(
        text="text",
        rating=RatingColumn(column="stars"),
        time=TimeColumn(column="day"),
        user_id="user_id",
        product_id="product_id",
        category="category",
    )
    (record,) = rows(reader, query.replace("café'::bytea", "caf\\303\\251'::bytea"), columns)
    assert record.fields == {
        "text": "100%",
        "stars": "4.50",
        "day": "2020-05-01",
        "user_id": "café",
        "product_id": "ÿ",
        "category": "[1, 2]",
    }
