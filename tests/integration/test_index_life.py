"""Building, rebuilding and dropping indexes online: settings, patience, memory, leftovers, advice."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Column, Engine, Index, Integer, MetaData, NullPool, QueuePool, Table, create_engine

from pgvec.errors import IndexNotFoundError, InvalidOptionError, MappingMismatchError, QueryTimeoutError, SchemaError
from pgvec.execution.index_build import BuildProgress, BuildSettings, build_index, drop_index, rebuild_index
from pgvec.execution.index_plan import graph_bytes, plan_build, sample_bytes
from pgvec.execution.index_states import running_builds, vector_indexes
from pgvec.model import IndexMethod, VectorType
from pgvec.model.catalog import CatalogIndex
from pgvec.model.index_build import IndexState
from pgvec.orm import Embedding, HnswIndex
from pgvec.orm.index_definition import IndexDefinition


def item(**options: object) -> Index:
    """Return an index on the table of these tests."""
    index = HnswIndex("v", name="item_v", postgresql_concurrently=True, **options)
    Table("item", MetaData(), Column("id", Integer, primary_key=True), Column("v", Embedding(3, "l2")), index)
    return index


@pytest.fixture
def online(engine: Engine, connection: psycopg.Connection) -> Engine:
    """An engine that keeps its connections, on a database with a small table."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, v vector(3))")
    connection.execute("INSERT INTO item SELECT i, ARRAY[i, 1, 0]::vector FROM generate_series(1, 300) AS i")
    connection.execute("ANALYZE item")
    return engine


@pytest.fixture
def writer(database_url: str, online: Engine) -> Iterator[psycopg.Connection]:
    """A transaction that has written to the table: a build has to wait for it."""
    with psycopg.connect(database_url) as opened:
        opened.execute("UPDATE item SET id = id WHERE id = 1")
        yield opened
        opened.rollback()


def states(connection: psycopg.Connection) -> list[tuple[str, bool]]:
    """Return the vector indexes of the table, and whether they are valid."""
    return connection.execute(
        "SELECT i.relname, x.indisvalid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
        " WHERE x.indrelid = 'item'::regclass AND NOT x.indisprimary ORDER BY 1"
    ).fetchall()


def test_timeouts_of_the_role_do_not_end_a_build(
    online: Engine, connection: psycopg.Connection, database_url: str, writer: psycopg.Connection
):
    """A role's statement_timeout and lock_timeout are for its queries; the build waits, and leaves no setting behind."""
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET statement_timeout = '300ms'")
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET lock_timeout = '300ms'")
    looks: list[BuildProgress] = []

    def listen(progress: BuildProgress) -> None:
        looks.append(progress)
        if len(looks) > 4:
            writer.rollback()

    pooled = create_engine(online.url, poolclass=QueuePool, pool_size=2, max_overflow=0)
    assert build_index(pooled, item(), progress=listen, settings=BuildSettings("64MB", 0)) is True
    assert writer.info.backend_pid in {look.waiting_for for look in looks}
    with pooled.connect() as first, pooled.connect() as second:
        for one in (first, second):
            assert one.exec_driver_sql("SHOW statement_timeout").scalar() == "300ms"
            assert one.exec_driver_sql("SHOW maintenance_work_mem").scalar() != "64MB"
    pooled.dispose()


def test_patience_ends(online: Engine, connection: psycopg.Connection, writer: psycopg.Connection):
    """With a lock_timeout of its own the build gives up and names who was in the way; the next call clears up."""
    with pytest.raises(QueryTimeoutError, match=rf"process {writer.info.backend_pid} of the server"):
        build_index(online, item(), settings=BuildSettings(lock_timeout_seconds=0.5))
    assert states(connection) == [("item_v", False)]
    (state,) = vector_indexes(online)
    assert state.status == "INVALID"
    assert "costs every write" in str(state.advice)
    writer.rollback()
    assert build_index(online, item()) is True
    assert states(connection) == [("item_v", True)]


def test_a_build_may_be_limited_in_time(online: Engine, writer: psycopg.Connection):
    """``statement_timeout_seconds`` ends a build that takes too long."""
    with pytest.raises(QueryTimeoutError, match="57014"):
        build_index(online, item(), settings=BuildSettings(statement_timeout_seconds=0.5))


def test_shared_memory_that_is_too_short(online: Engine, connection: psycopg.Connection):
    """Where /dev/shm cannot hold what parallel workers share, the index is built, and rebuilt, serially."""
    connection.execute("ALTER TABLE item SET (parallel_workers = 2)")
    settings = BuildSettings(maintenance_work_mem="2000GB", workers=2)
    if connection.execute("SHOW dynamic_shared_memory_type").fetchone() != ("posix",):
        pytest.skip("the server does not use /dev/shm")
    with online.execution_options(isolation_level="AUTOCOMMIT").connect() as other:
        other.exec_driver_sql("SET maintenance_work_mem = '2000GB'; SET max_parallel_maintenance_workers = 2")
        with pytest.raises(Exception, match="could not resize shared memory"):
            other.exec_driver_sql("CREATE INDEX ON item USING hnsw (v vector_l2_ops)")
        other.invalidate()
    assert build_index(online, item(), settings=settings) is True
    rebuild_index(online, "item_v", settings=settings)
    assert states(connection) == [("item_v", True)]


def test_another_index_of_that_name_is_no_success(online: Engine, connection: psycopg.Connection):
    """A build ends well with the index that was declared, not with one that only has its name."""
    connection.execute("CREATE INDEX item_v ON item USING hnsw (v vector_cosine_ops)")
    with pytest.raises(SchemaError, match=r"another one \(hnsw vector_cosine_ops"):
        build_index(online, item())
    connection.execute("DROP INDEX item_v; CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops) WITH (m = 16)")
    assert build_index(online, item()) is False


def test_a_rebuild_replaces_and_clears_up(online: Engine, connection: psycopg.Connection):
    """A rebuild ends with a new valid index of the same definition, without what an interrupted one left."""
    build_index(online, item(m=8))
    for name in ("item_v_ccnew", "item_v_ccold"):
        connection.execute(f"CREATE INDEX {name} ON item USING hnsw (v vector_l2_ops)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (name,))
    before = connection.execute("SELECT pg_relation_filenode('item_v')").fetchone()
    rebuild_index(online, "item_v")
    assert states(connection) == [("item_v", True)]
    assert connection.execute("SELECT pg_relation_filenode('item_v')").fetchone() != before
    assert vector_indexes(online)[0].index.options == {"m": 8}


def test_a_rebuild_makes_an_invalid_index_valid(online: Engine, connection: psycopg.Connection):
    """What a killed build left may be rebuilt as well as built."""
    build_index(online, item())
    connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'item_v'::regclass")
    rebuild_index(online, "item_v", schema="public")
    assert states(connection) == [("item_v", True)]


def test_an_interrupted_rebuild_leaves_the_index_in_use(
    online: Engine, connection: psycopg.Connection, writer: psycopg.Connection
):
    """Ctrl-C ends a rebuild; the old index stays valid, and the next rebuild clears up."""
    writer.rollback()
    build_index(online, item())
    writer.execute("UPDATE item SET id = id WHERE id = 1")

    def interrupt(_progress: BuildProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_index(online, "item_v", progress=interrupt)
    writer.rollback()
    assert ("item_v", True) in states(connection)
    rebuild_index(online, "item_v")
    assert states(connection) == [("item_v", True)]


def test_dropping(online: Engine, connection: psycopg.Connection, writer: psycopg.Connection):
    """An index is dropped without blocking its table; a name that no vector index has is an error that helps."""
    writer.rollback()
    build_index(online, item())
    with pytest.raises(IndexNotFoundError, match="did you mean item_v"):
        drop_index(online, "item_w")
    with pytest.raises(IndexNotFoundError, match="the schema public has one"):
        rebuild_index(online, "item_v", schema="other")
    with pytest.raises(IndexNotFoundError):
        drop_index(online, "item_pkey")
    writer.execute("UPDATE item SET id = id WHERE id = 1")
    with pytest.raises(QueryTimeoutError):
        drop_index(online, "item_v", settings=BuildSettings(lock_timeout_seconds=0.3))
    writer.rollback()
    drop_index(online, "item_v")
    assert states(connection) == []


def test_a_running_build_is_seen(online: Engine, writer: psycopg.Connection):
    """While an index is built it is listed as such, with process and phase."""
    seen: list[object] = []

    def listen(progress: BuildProgress) -> None:
        other = create_engine(online.url, poolclass=NullPool)
        seen.extend((running_builds(other)[0], vector_indexes(other)[0]))
        writer.rollback()

    build_index(online, item(), progress=listen)
    running, state = seen[:2]
    assert (running.index, running.table) == ("item_v", "public.item")
    assert running.progress.phase in {"initializing", "waiting for writers before build"}
    assert (state.status, state.builder, state.advice) == ("building", running.pid, None)


def plan(engine: Engine, **options: object) -> list[str]:
    definition = IndexDefinition("ix", "item", "v", None, **{"options": {}, **options})
    return list(
        plan_build(engine, definition, stored=VectorType.VECTOR, dimensions=3, settings=BuildSettings("1MB")).advice
    )


def test_advice_before_a_build(online: Engine, connection: psycopg.Connection):
    """Too little memory, too few rows for lists, and no table are told before anything is built."""
    assert plan(online) == []
    (advice,) = plan(online, method="ivfflat", options={"lists": 100})
    assert "there are 300: load first" in advice
    connection.execute("INSERT INTO item SELECT i, ARRAY[i, 1, 0]::vector FROM generate_series(301, 5000) AS i")
    connection.execute("ANALYZE item")
    (advice,) = plan(online)
    assert "takes about 4MB, and maintenance_work_mem is 1MB: after about" in advice
    assert any("refuses to build" in advice for advice in plan(online, method="ivfflat", options={"lists": 400}))
    connection.execute("ALTER TABLE item SET (parallel_workers = 2)")
    definition = IndexDefinition("ix", "item", "v", None)
    large = plan_build(
        online, definition, stored=VectorType.SPARSEVEC, dimensions=None, settings=BuildSettings("2000GB", 2)
    )
    assert large.workers == 2
    if large.shared_memory_bytes is not None:
        assert "Docker: --shm-size" in large.advice[0]
    with pytest.raises(MappingMismatchError, match="no table"):
        plan_build(online, IndexDefinition("ix", "nothing", "v", None), stored=VectorType.VECTOR, dimensions=3)


def test_the_estimate_is_near_what_pgvector_takes(connection: psycopg.Connection):
    """Pgvector says after how many rows its graph no longer fits: the estimate is within 5 % of it."""
    connection.execute("CREATE TABLE wide AS SELECT ARRAY(SELECT i + j FROM generate_series(1, 500) j)::vector(500) AS v"
                       " FROM generate_series(1, 600) i")  # fmt: skip
    said: list[str] = []
    connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    connection.execute("SET maintenance_work_mem = '1MB'; SET max_parallel_maintenance_workers = 0")
    connection.execute("CREATE INDEX ON wide USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 16)")
    (rows,) = [int(text.split(" after ")[1].split()[0]) for text in said if "no longer fits" in text]
    assert graph_bytes(rows, 8 + 4 * 500, 8) == pytest.approx(2**20, rel=0.05)


def test_the_estimate_of_ivfflat_is_near_what_it_asks_for(connection: psycopg.Connection):
    """Pgvector's ivfflat refuses with the memory that it requires: the estimate is within 5 % of it."""
    connection.execute("CREATE TABLE wide AS SELECT ARRAY(SELECT i + j FROM generate_series(1, 100) j)::vector(100) AS v"
                       " FROM generate_series(1, 3000) i")  # fmt: skip
    connection.execute("SET maintenance_work_mem = '1MB'; SET max_parallel_maintenance_workers = 0")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="memory required is") as refused:
        connection.execute("CREATE INDEX ON wide USING ivfflat (v vector_l2_ops) WITH (lists = 300)")
    required = int(str(refused.value).split("required is ")[1].split()[0])
    assert sample_bytes(3000, 8 + 4 * 100, 300) / 2**20 == pytest.approx(required, rel=0.1, abs=1)


def test_advice_after_many_deletes():
    """From a fifth of dead rows on a rebuild is advised, in tables that are not tiny."""
    index = CatalogIndex(
        "public", "item", "ix", "v", None, IndexMethod.HNSW, "vector_l2_ops", {}, None, None, True, False, True
    )
    assert IndexState(index, 1, 0, live_rows=9_000, dead_rows=1_000).advice is None
    assert IndexState(index, 1, 0, live_rows=10, dead_rows=10).advice is None
    assert "30% of the rows are dead" in str(IndexState(index, 1, 0, live_rows=7_000, dead_rows=3_000).advice)


def test_a_plain_index_is_refused(online: Engine):
    """An index that would block writers is not built here."""
    index = HnswIndex("v", name="item_v")
    Table("item", MetaData(), Column("v", Embedding(3)), index)
    with pytest.raises(InvalidOptionError, match="postgresql_concurrently"):
        build_index(online, index)
