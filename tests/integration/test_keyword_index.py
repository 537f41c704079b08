"""The keyword index follows the rows of its table, whoever writes them, and shows nobody more than the table would."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_level import FULL
from psycopg import sql
from sqlalchemy.orm import Session
from support.bm25 import WEIGHTS, WORDS, Base, Page, Reference, page_rows

from pgvec import Repository, errors

FIELDS = dict(zip(("title", "body"), WEIGHTS, strict=True))
MATCHES = "SELECT (key[1])::int, score FROM pgvec._keyword_matches_v1('page'::regtype, NULL, %s, NULL, NULL)"


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """These tests need the schema ``pgvec``."""
    return migrated_url


def store(connection: psycopg.Connection, name: str = "keywords") -> str:
    """Return the name of the table that holds the words of an index."""
    row = connection.execute(
        "SELECT 'pgvec.keyword_' || id FROM pgvec.keyword_index WHERE name = %s", (name,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def is_exact(connection: psycopg.Connection, table: str = "page") -> None:
    """Assert that the index holds what a new one would, and that its statistics are a recount's."""
    held = store(connection)
    columns = sql.SQL("key_0, length, terms::text, document::text")
    content = sql.SQL("SELECT {} FROM {} ORDER BY 1").format(columns, sql.SQL(held))
    totals = sql.SQL(
        "SELECT coalesce(sum(documents), 0)::int, coalesce(sum(length), 0)::int FROM {}_statistics"
    ).format(sql.SQL(held))
    kept = connection.execute(content).fetchall(), connection.execute(totals).fetchone()
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT pgvec.rebuild_keyword_index(%s::regclass)", (table,))
        assert (connection.execute(content).fetchall(), connection.execute(totals).fetchone()) == kept
    assert kept[1] == (len(kept[0]), sum(row[1] for row in kept[0]))


STATEMENTS = [
    "INSERT INTO page (id, title, body, tenant) SELECT n, 'bank ' || n, NULL, 1 FROM generate_series(500, 520) AS n",
    "UPDATE page SET tenant = tenant + 1",
    "UPDATE page SET title = 'River ' || coalesce(title, '') WHERE id % 3 = 0",
    "UPDATE page SET id = id + 10000 WHERE id < 50",
    "UPDATE page SET id = -id, title = upper(title)",
    (
        "INSERT INTO page (id, title, tenant) VALUES (-100, 'new', 0), (9999, 'other', 0)"
        " ON CONFLICT (id) DO UPDATE SET title = excluded.title"
    ),
    (
        "MERGE INTO page USING (VALUES (9999), (9998)) AS given (id) ON page.id = given.id"
        " WHEN MATCHED THEN UPDATE SET body = 'merged words' WHEN NOT MATCHED THEN INSERT (id, tenant) VALUES (given.id, 1)"
    ),
    "WITH gone AS (DELETE FROM page WHERE id % 5 = 0 RETURNING *) INSERT INTO page (id, title, tenant) SELECT id - 50000, body, 0 FROM gone",
    "DELETE FROM page WHERE id % 2 = 0",
    "UPDATE page SET body = NULL",
    "TRUNCATE page",
    "INSERT INTO page (id, title, tenant) VALUES (1, 'after', 0)",
]


def test_it_follows_every_kind_of_write(engine: sa.Engine, connection: psycopg.Connection) -> None:
    """After each statement, whatever it is, the index is what a new one would be; what rolls back leaves no trace."""
    Base.metadata.create_all(engine)
    with engine.begin() as opened:
        Repository(opened, Page).bulk_load(page_rows(60, np.random.default_rng(1)))
    is_exact(connection)
    for statement in STATEMENTS:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
        is_exact(connection)
        connection.execute(statement)
        is_exact(connection)


def test_it_is_made_for_rows_that_are_there(engine: sa.Engine, connection: psycopg.Connection) -> None:
    """On a table with rows the function indexes them all, with the options that it is given."""
    table = sa.Table(
        "page", sa.MetaData(), *(sa.Column(c.name, c.type, primary_key=c.primary_key) for c in Page.__table__.c)
    )
    table.create(engine)
    rows = page_rows(50, np.random.default_rng(2))
    with engine.begin() as opened:
        opened.execute(sa.insert(table), rows)
    connection.execute("SELECT pgvec.create_keyword_index('page', '{title,body}', '{2.5,1}', config => 'simple')")
    expected = Reference(connection, rows, FIELDS, "simple").scores("bank money")
    assert dict(connection.execute(MATCHES, ("bank money",)).fetchall()) == pytest.approx(expected, rel=1e-5)


def test_statistics_stay_exact_under_concurrent_writers(
    engine: sa.Engine, connection: psycopg.Connection, database_url: str
) -> None:
    """Eight writers insert, change, delete, roll back and add up statistics at once: nobody waits or fails, and a recount agrees."""
    Base.metadata.create_all(engine)
    statistics = f"{store(connection)}_statistics"

    def write(worker: int) -> None:
        chosen = random.Random(worker)
        isolation = psycopg.IsolationLevel.REPEATABLE_READ if worker % 4 == 3 else psycopg.IsolationLevel.READ_COMMITTED
        with psycopg.connect(database_url) as own:
            own.isolation_level = isolation
            for number in range(150 if FULL else 40):
                text = " ".join(chosen.choices(WORDS, k=5))
                key = worker * 1000 + chosen.randrange(20)
                own.execute(
                    "INSERT INTO page (id, body, tenant) VALUES (%s, %s, 0), (%s, %s, 0)"
                    " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                    (key, text, key + 100, text),
                )
                if number % 3 == 0:
                    own.execute("DELETE FROM page WHERE id = %s", (key,))
                if number % 5 == 0:
                    own.execute("SET LOCAL ROLE NONE")
                    own.execute("SELECT pgvec._keyword_compact_v1(%s::regclass)", (statistics,))
                if number % 4 == 0:
                    own.rollback()
                own.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    is_exact(connection)
    connection.execute("SELECT pgvec._keyword_compact_v1(%s::regclass)", (statistics,))
    assert connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.SQL(statistics))).fetchone() == (1,)
    is_exact(connection)


def become(connection: psycopg.Connection, role: str) -> None:
    """Go on as another role."""
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def tenant(login_role: str, engine: sa.Engine, connection: psycopg.Connection) -> str:
    """A role that sees the pages of one tenant only, and may write them."""
    Base.metadata.create_all(engine)
    with engine.begin() as opened:
        Repository(opened, Page).bulk_load(page_rows(100, np.random.default_rng(3)))
    connection.execute(
        sql.SQL(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON page TO {role};"
            "ALTER TABLE page ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY own ON page TO {role} USING (tenant = 3) WITH CHECK (tenant = 3)"
        ).format(role=sql.Identifier(login_role))
    )
    return login_role


def test_row_level_security_hides_words_too(tenant: str, engine: sa.Engine, connection: psycopg.Connection) -> None:
    """Under policies a role finds its own rows, by statistics of its own rows: the same as if there were no others."""
    rows = [row for row in page_rows(100, np.random.default_rng(3)) if row["tenant"] == 3]
    expected = Reference(connection, rows, FIELDS).scores("bank water")
    with engine.connect() as opened:
        opened.execute(sa.text(f"SET ROLE {tenant}"))
        repository = Repository(opened, Page)
        found = repository.keyword_search("bank water", limit=100)
        assert {match.record.id: match.score for match in found} == pytest.approx(expected, rel=1e-5)
        assert len(repository.keyword_search("bank water", limit=2)) == 2
        # What it writes is found, and indexed for all.
        repository.insert({"id": 1000, "title": "aardvark", "tenant": 3})
        assert len(repository.keyword_search("aardvark")) == 1
        opened.commit()
        opened.execute(sa.text("RESET ROLE"))
        assert len(repository.keyword_search("aardvark")) == 1
    is_exact(connection)


def test_the_words_of_hidden_rows_cannot_be_read(tenant: str, connection: psycopg.Connection) -> None:
    """Neither the tables of the index nor its functions tell a role of rows that policies hide from it."""
    held = store(connection)
    become(connection, tenant)
    for query in (
        f"SELECT * FROM {held}",
        f"SELECT * FROM {held}_statistics",
        f"INSERT INTO {held}_statistics VALUES (1, 1)",
        "SELECT pgvec._keyword_open_matches_v1((SELECT id FROM pgvec.keyword_index), 'bank', NULL, NULL)",
        "UPDATE pgvec.keyword_index SET config = 'simple'",
        "SELECT pgvec.drop_keyword_index('page')",
        "SELECT pgvec.rebuild_keyword_index('page')",
        "SELECT pgvec._keyword_discard_v1((SELECT id FROM pgvec.keyword_index))",
        "SELECT pgvec.create_keyword_index('page', '{title}', name => 'mine')",
        "SELECT pgvec._keyword_prepare_v1('page', 'mine', '{title}', '{1}', 'english', 1.2, 0.75)",
        (
            f"CREATE TEMPORARY TABLE fake (id int, title text, body text); CREATE TRIGGER t AFTER INSERT ON fake"
            f" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {held}_upkeep()"
        ),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query)


def test_roles_that_may_only_write_or_only_read(
    login_role: str, engine: sa.Engine, connection: psycopg.Connection
) -> None:
    """Who may insert needs no right on the index; who may not read the table may not search it."""
    Base.metadata.create_all(engine)
    role = sql.Identifier(login_role)
    connection.execute(sql.SQL("GRANT INSERT ON page TO {}").format(role))
    become(connection, login_role)
    connection.execute("INSERT INTO page (id, title, tenant) VALUES (1, 'bank', 0)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(MATCHES, ("bank",))
    connection.execute("RESET ROLE")
    connection.execute(sql.SQL("REVOKE INSERT ON page FROM {0}; GRANT SELECT ON page TO {0}").format(role))
    become(connection, login_role)
    assert [key for key, _ in connection.execute(MATCHES, ("bank",)).fetchall()] == [1]
    with Session(engine) as session:
        session.execute(sa.text(f"SET ROLE {login_role}"))
        assert len(Repository(session, Page).keyword_search("bank")) == 1
    connection.execute("RESET ROLE")
    connection.execute(sql.SQL("REVOKE SELECT ON page FROM {0}; GRANT SELECT (id, tenant) ON page TO {0}").format(role))
    with Session(engine) as session:
        session.execute(sa.text(f"SET ROLE {login_role}"))
        with pytest.raises(errors.AccessDeniedError):
            Repository(session, Page).keyword_search("bank", columns=("id",))


def test_an_owner_without_other_rights_makes_and_drops_it(
    login_role: str, connection: psycopg.Connection, database_url: str
) -> None:
    """The owner of a table needs no right in the schema pgvec to make, rebuild and drop a keyword index."""
    connection.execute(sql.SQL("CREATE SCHEMA own AUTHORIZATION {}").format(sql.Identifier(login_role)))
    become(connection, login_role)
    connection.execute("CREATE TABLE own.page (id int PRIMARY KEY, title text)")
    connection.execute("INSERT INTO own.page VALUES (1, 'bank')")
    connection.execute("SELECT pgvec.create_keyword_index('own.page', '{title}')")
    connection.execute("INSERT INTO own.page VALUES (2, 'bank')")
    connection.execute("SELECT pgvec.rebuild_keyword_index('own.page')")
    found = connection.execute("SELECT count(*) FROM pgvec._keyword_matches_v1('own.page', NULL, 'bank', NULL, NULL)")
    assert found.fetchone() == (2,)
    connection.execute("SELECT pgvec.drop_keyword_index('own.page')")
    connection.execute("RESET ROLE")
    left = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'pgvec'::regnamespace AND relname ~ '^keyword_[0-9]'"
    )
    assert left.fetchall() == []


@pytest.mark.parametrize(
    ("definition", "columns", "message"),
    [
        ("CREATE TABLE t (id int, a text)", "{a}", "no primary key"),
        ("CREATE TABLE t (id int PRIMARY KEY, a text) PARTITION BY LIST (id)", "{a}", "plain table"),
        ("CREATE TEMPORARY TABLE t (id int PRIMARY KEY, a text)", "{a}", "plain table"),
        ("CREATE VIEW t AS SELECT 1 AS id, 'x' AS a", "{a}", "plain table"),
        ("CREATE TABLE p (id int); CREATE TABLE t (id int PRIMARY KEY, a text) INHERITS (p)", "{a}", "plain table"),
        ("CREATE TABLE t (id int PRIMARY KEY, a jsonb)", "{a}", "t.a cannot be indexed"),
        ("CREATE TABLE t (id int PRIMARY KEY, a text)", "{b}", "t.b cannot be indexed"),
        ("CREATE TABLE t (id int PRIMARY KEY, a text)", "{}", "at least one column"),
        (
            "CREATE TYPE k AS (n int); CREATE TABLE t (id k PRIMARY KEY, a text)",
            "{a}",
            "key column public.t.id is of the type public.k",
        ),
    ],
)
def test_what_cannot_be_indexed(connection: psycopg.Connection, definition: str, columns: str, message: str) -> None:
    """What a keyword index cannot hold or keep current is refused, and the message says why."""
    connection.execute(definition)
    with pytest.raises(psycopg.Error, match=message) as raised:
        connection.execute("SELECT pgvec.create_keyword_index('t', %s)", (columns,))
    assert raised.value.sqlstate == "PV004"


def test_texts_of_other_types(connection: psycopg.Connection) -> None:
    """Columns of varchar, char and domains are indexed; keys may be domains and enums."""
    connection.execute(
        "CREATE DOMAIN words AS text; CREATE DOMAIN number AS int; CREATE TYPE state AS ENUM ('open', 'closed');"
        "CREATE TABLE t (id number, s state, a varchar(20), b char(10), c words, PRIMARY KEY (s, id));"
        "SELECT pgvec.create_keyword_index('t', '{a,b,c}');"
        "INSERT INTO t VALUES (1, 'open', 'bank', 'rate', 'river')"
    )
    found = connection.execute("SELECT key FROM pgvec._keyword_matches_v1('t', NULL, 'bank rate river', 5, NULL)")
    assert found.fetchall() == [(["open", "1"],)]


def test_nothing_of_the_owner_runs_with_the_rights_of_pgvec(login_role: str, connection: psycopg.Connection) -> None:
    """Casts, constraints and other tables of a table's owner never run within the trigger function, which is not his."""
    connection.execute(
        sql.SQL(
            "CREATE SCHEMA own AUTHORIZATION {0}; SET ROLE {0}; SET search_path = own;"
            "CREATE FUNCTION told(text) RETURNS boolean LANGUAGE plpgsql AS"
            " $$ BEGIN IF current_user <> '{0}' THEN RAISE 'ran as %', current_user; END IF; RETURN true; END $$;"
            "CREATE DOMAIN number AS int CHECK (own.told(VALUE::text));"
            "CREATE TYPE word AS (w text);"
            "CREATE FUNCTION spoken(word) RETURNS text LANGUAGE sql AS $$ SELECT own.told('')::text $$;"
            "CREATE CAST (word AS text) WITH FUNCTION spoken(word) AS IMPLICIT;"
            "CREATE TABLE t (id number PRIMARY KEY, a text);"
            "SELECT pgvec.create_keyword_index('t', '{{a}}');"
            "INSERT INTO t VALUES (1, 'bank')"
        ).format(sql.SQL(login_role))
    )
    found = connection.execute(
        "SELECT key FROM pgvec._keyword_matches_v1('t', NULL, 'bank', 5, '{\"{1}\"}')"
    ).fetchall()
    assert found == [(["1"],), (["1"],)]
    held = store(connection)
    connection.execute("ALTER TABLE t ALTER COLUMN a TYPE word USING ROW(a)::word")
    connection.execute("CREATE TABLE other (id int, a word)")
    connection.execute(
        f"CREATE TRIGGER t AFTER INSERT ON other REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT"
        f" EXECUTE FUNCTION {held}_upkeep()"
    )
    for table in ("t", "other"):
        with pytest.raises(psycopg.Error, match="are not those any more") as raised:
            connection.execute(f"INSERT INTO {table} VALUES (2, ROW('x'))")
        assert raised.value.sqlstate == "PV004"


def test_a_dropped_table_leaves_nothing_for_long(connection: psycopg.Connection) -> None:
    """Dropping a table is not held up by its keyword index; what is left goes when the next one is made."""
    create = "CREATE TABLE t (id int PRIMARY KEY, a text); SELECT pgvec.create_keyword_index('t', '{a}')"
    connection.execute(create)
    connection.execute("DROP TABLE t")
    connection.execute(create)
    assert connection.execute("SELECT count(*) FROM pgvec.keyword_index").fetchone() == (1,)
    tables = connection.execute("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^keyword_[0-9]'")
    assert tables.fetchone() == (2,)


def test_candidates_come_from_the_index(engine: sa.Engine, connection: psycopg.Connection) -> None:
    """The scoring statement finds its candidates by the GIN index."""
    Base.metadata.create_all(engine)
    held = store(connection)
    row = connection.execute(
        "SELECT pgvec._keyword_statement_v1(i, 'bank rates', '', %s, %s) FROM pgvec.keyword_index AS i",
        (held, f"{held}_statistics"),
    ).fetchone()
    assert row is not None
    connection.execute("SET enable_seqscan = off")
    explained = connection.execute(
        "EXPLAIN (FORMAT JSON) " + row[0].replace("$1", "10").replace("$2", "NULL")
    ).fetchone()
    assert "_document_idx" in str(explained)


def test_down_takes_the_indexes_along(engine: sa.Engine, connection: psycopg.Connection, database_url: str) -> None:
    """The way back drops triggers and words, and leaves the tables writable."""
    from pgvec.execution import migrate

    Base.metadata.create_all(engine)
    migrate.down(database_url, to="0003")
    connection.execute("INSERT INTO page (id, title, tenant) VALUES (1, 'bank', 0)")
    left: Any = connection.execute("SELECT count(*) FROM pg_proc WHERE pronamespace = 'pgvec'::regnamespace").fetchone()
    assert left == (0,)
