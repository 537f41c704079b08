"""``up``, ``down``, ``sql`` and ``status`` of the Postgres schema ``pgvec``, on a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from pgvec.errors import AccessDeniedError, ConnectionFailedError, InvalidOptionError, SchemaError
from pgvec.execution import migrate
from pgvec.execution.scripts import lock_schema
from pgvec.execution.url import engine_url
from pgvec.sql import scripts

ALL = tuple(script.name for script in scripts())
WAITERS = (
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
)


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def run(url: str, script: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script)


def has_schema(url: str) -> bool:
    return value(url, "SELECT to_regnamespace('pgvec')") is not None


def test_up_runs_everything_and_records_it(empty_database_url: str):
    """From an empty database, ``up`` runs every script in order and the record tells name, checksum, time and role."""
    assert migrate.up(empty_database_url) == ALL
    found = migrate.status(empty_database_url)
    assert (found.current, found.head, found.pending, found.is_current) == (ALL[-1], ALL[-1], (), True)
    assert [(row.name, row.checksum) for row in found.applied] == [
        (script.name, script.checksum) for script in scripts()
    ]
    assert found.applied[0].applied_at.tzinfo is not None
    assert found.applied[0].applied_by == value(empty_database_url, "SELECT current_user")
    assert found.extension_version == value(
        empty_database_url, "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    )


def test_up_again_does_nothing(empty_database_url: str):
    """A second ``up`` finds nothing to do."""
    migrate.up(empty_database_url)
    assert migrate.up(empty_database_url) == ()


def test_status_of_an_untouched_database(empty_database_url: str):
    """In a database that pgvec has not touched everything is pending, and asking leaves no trace."""
    found = migrate.status(empty_database_url)
    assert (found.current, found.pending, found.applied, found.is_current) == (None, ALL, (), False)
    assert found.extension_version is None
    assert not has_schema(empty_database_url)


def test_up_down_up_gives_the_same_schema(empty_database_url: str, dump_schema: Callable[[str], str]):
    """Every script can be taken back, one by one, and run again; the dumps of both ways are equal at every step."""
    dumps = [dump_schema(empty_database_url)] if has_schema(empty_database_url) else [""]
    for name in ALL:
        assert migrate.up(empty_database_url, to=name) == (name,)
        dumps.append(dump_schema(empty_database_url))
    for place in range(len(ALL) - 1, 0, -1):
        assert migrate.down(empty_database_url) == (ALL[place],)
        assert dump_schema(empty_database_url) == dumps[place]
    assert migrate.down(empty_database_url) == (ALL[0],)
    assert migrate.up(empty_database_url) == ALL
    assert dump_schema(empty_database_url) == dumps[-1]
    assert "CREATE TABLE pgvec.migration" in dumps[-1]


def test_down_to_base_leaves_only_the_extension(empty_database_url: str):
    """``down`` removes the schema with everything in it and leaves the extension, which others may use."""
    migrate.up(empty_database_url)
    assert migrate.down(empty_database_url, to="base") == tuple(reversed(ALL))
    assert not has_schema(empty_database_url)
    assert migrate.status(empty_database_url).extension_version is not None
    assert migrate.down(empty_database_url) == ()


def test_down_keeps_a_schema_that_holds_something_else(empty_database_url: str):
    """A foreign table in the schema survives, and with it the schema."""
    migrate.up(empty_database_url)
    run(empty_database_url, "CREATE TABLE pgvec.mine (id int)")
    migrate.down(empty_database_url, to="base")
    assert value(empty_database_url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'pgvec'::regnamespace") == 1
    assert migrate.up(empty_database_url) == ALL


def test_targets_that_are_reached_already(empty_database_url: str):
    """``up`` to an older script and ``down`` to a newer one change nothing."""
    migrate.up(empty_database_url)
    assert migrate.up(empty_database_url, to="1") == ()
    migrate.down(empty_database_url, to="0001")
    assert migrate.down(empty_database_url, to=ALL[-1]) == ()
    assert migrate.status(empty_database_url).current == ALL[0]


@pytest.mark.parametrize("call", [migrate.up, migrate.down])
def test_an_unknown_target_is_refused(empty_database_url: str, call: Callable[..., object]):
    """A script that does not exist raises before anything is changed."""
    with pytest.raises(InvalidOptionError, match="no migration '9999'"):
        call(empty_database_url, to="9999")
    assert not has_schema(empty_database_url)


def test_everything_is_described(empty_database_url: str):
    """The schema, its tables and their columns carry a COMMENT; Alembic's own table is Alembic's."""
    migrate.up(empty_database_url)
    bare = value(
        empty_database_url,
        """
        SELECT array_agg(found.name) FROM (
            SELECT 'schema', obj_description('pgvec'::regnamespace, 'pg_namespace')
            UNION ALL SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
             WHERE relnamespace = 'pgvec'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'alembic_version'
            UNION ALL SELECT relname || '.' || attname, col_description(attrelid, attnum)
              FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             WHERE relnamespace = 'pgvec'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'alembic_version' AND attnum > 0
        ) AS found (name, comment) WHERE found.comment IS NULL
        """,
    )
    assert bare is None


def test_an_engine_works_like_a_url(empty_database_url: str):
    """The caller's engine is used as it is, and stays usable."""
    engine = sa.create_engine(engine_url(empty_database_url), isolation_level="AUTOCOMMIT")
    assert migrate.up(engine) == ALL
    assert migrate.status(engine).is_current
    assert migrate.down(engine, to="base") == tuple(reversed(ALL))
    engine.dispose()


def test_many_at_once_are_safe(empty_database_url: str):
    """Of several ``up`` started together one does the work and the others find it done."""
    start = threading.Barrier(4)

    def one(_: int) -> tuple[str, ...]:
        start.wait()
        return migrate.up(empty_database_url)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(4))) == [(), (), (), ALL]


@pytest.mark.parametrize("work", [migrate.up, migrate.down])
def test_a_change_waits_for_the_one_before(empty_database_url: str, work: Callable[[str], object]):
    """While a transaction holds the lock nobody else changes the schema; its end lets the next one go on."""
    migrate.up(empty_database_url, to=ALL[-2])
    engine = migrate.migration_engine(empty_database_url)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(empty_database_url, autocommit=True) as watcher:
        with engine.begin() as holder:
            lock_schema(holder)
            other = pool.submit(work, empty_database_url)
            while watcher.execute(WAITERS).fetchone() == (0,):
                assert not other.done()
        assert len(other.result()) == 1


def test_a_failure_leaves_nothing_behind(empty_database_url: str):
    """When a later script fails, the earlier ones of the same run are undone with it."""
    run(empty_database_url, "CREATE TYPE vector AS (x int)")
    with pytest.raises(Exception, match="vector"):
        migrate.up(empty_database_url)
    assert not has_schema(empty_database_url)


def test_alembics_table_of_the_application_is_left_alone(empty_database_url: str):
    """Its own Alembic version is kept in the schema pgvec."""
    run(
        empty_database_url,
        "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('theirs')",
    )
    migrate.up(empty_database_url)
    migrate.down(empty_database_url, to="base")
    assert value(empty_database_url, "SELECT version_num FROM public.alembic_version") == "theirs"


def test_a_newer_schema_is_not_touched(empty_database_url: str):
    """Scripts of a newer pgvec are shown by ``status``; ``up`` and ``down`` refuse."""
    migrate.up(empty_database_url)
    run(empty_database_url, f"INSERT INTO pgvec.migration (name, checksum) VALUES ('9999_new', '{'0' * 64}')")
    found = migrate.status(empty_database_url)
    assert (found.unknown, found.current, found.is_current) == (("9999_new",), "9999_new", True)
    for call in (migrate.up, migrate.down):
        with pytest.raises(SchemaError, match="A newer pgvec has migrated this database"):
            call(empty_database_url)


def test_a_script_with_another_content_is_told(empty_database_url: str):
    """A recorded checksum that is not this installation's is shown by ``status``, and ``up`` refuses."""
    migrate.up(empty_database_url)
    run(empty_database_url, f"UPDATE pgvec.migration SET checksum = '{'0' * 64}' WHERE name = '{ALL[0]}'")
    found = migrate.status(empty_database_url)
    assert (found.changed, found.is_current) == ((ALL[0],), False)
    with pytest.raises(SchemaError, match=ALL[0]):
        migrate.up(empty_database_url)


def test_a_read_only_database_is_told(empty_database_url: str):
    """A read-only transaction (a standby, say) gives one clear error."""
    with pytest.raises(AccessDeniedError, match="read-only"):
        migrate.up(f"{empty_database_url}&options=-c%20default_transaction_read_only%3Don")


def test_a_server_that_is_down_is_told():
    """An address where nobody listens gives one clear error."""
    with pytest.raises(ConnectionFailedError, match="cannot be reached"):
        migrate.status("postgresql://nobody@127.0.0.1:1/none")


def test_the_written_sql_gives_the_same_schema(empty_database_url: str, dump_schema: Callable[[str], str]):
    """The offline script, run by any client, does what ``up`` does, and the one back leaves nothing of it."""
    migrate.up(empty_database_url)
    expected = dump_schema(empty_database_url)
    migrate.down(empty_database_url, to="base")
    run(empty_database_url, migrate.sql())
    assert dump_schema(empty_database_url) == expected
    assert migrate.status(empty_database_url).is_current
    assert migrate.up(empty_database_url) == ()
    run(empty_database_url, migrate.sql(start="head", to="base"))
    assert not has_schema(empty_database_url)


def test_the_written_sql_continues_from_a_script(empty_database_url: str):
    """Offline SQL from one script to the next runs on a database that stands there."""
    migrate.up(empty_database_url, to=ALL[0])
    run(empty_database_url, migrate.sql(start=ALL[0]))
    assert migrate.status(empty_database_url).is_current


def test_the_written_sql_is_one_transaction(empty_database_url: str):
    """A failure in the offline script leaves nothing behind, even in a client that goes on after errors."""
    script = migrate.sql()
    assert script.count("BEGIN;") == script.count("COMMIT;") == 1
    assert "pg_advisory_xact_lock" in script
    with pytest.raises(psycopg.Error):
        run(empty_database_url, script.replace("CREATE EXTENSION vector'", "CREATE EXTENSION no_such_thing'"))
    assert not has_schema(empty_database_url)


def test_offline_sql_needs_a_way(empty_database_url: str):
    """From a script to itself there is nothing to write."""
    with pytest.raises(InvalidOptionError, match="nothing to do"):
        migrate.sql(start="head")


def test_it_works_behind_pgbouncer(pgbouncer: str):
    """In transaction mode, with one server connection for all, the schema goes up and down as ever."""
    assert migrate.up(pgbouncer) == ALL
    assert migrate.status(pgbouncer).is_current
    assert migrate.down(pgbouncer, to="base") == tuple(reversed(ALL))


@pytest.mark.parametrize("pgbouncer", [3], indirect=True)
def test_the_lock_holds_behind_pgbouncer(pgbouncer: str):
    """Several ``up`` through a pool in transaction mode do the work once, and no lock stays behind in the pool."""
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(migrate.up, [pgbouncer] * 3)) == [(), (), ALL]
    engine = sa.create_engine(engine_url(pgbouncer), connect_args={"prepare_threshold": None})
    with engine.connect() as connection:
        assert connection.scalar(sa.text(WAITERS.replace("NOT granted", "granted"))) == 0
    engine.dispose()
