"""Builds, rebuilds and drops indexes while the table stays in use, and clears away what a killed build left behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, DropIndex, ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from pgvec.errors import AccessDeniedError, InvalidOptionError, PgvecError, QueryTimeoutError, SchemaError
from pgvec.execution.index_catalog import as_postgres_writes_it, find_index, indexes_of, rebuilding_leftovers
from pgvec.execution.index_session import build_session, run_watched
from pgvec.execution.index_watch import IndexWatch
from pgvec.execution.sqlstate import translate, translated
from pgvec.model.catalog import CatalogIndex
from pgvec.model.index_build import BuildCallback, BuildProgress, BuildSettings
from pgvec.orm.index_definition import IndexDefinition, is_vector_index

__all__ = ["BuildCallback", "BuildProgress", "BuildSettings", "Reindex", "build_index", "drop_index", "rebuild_index"]

_ATTEMPTS = 3
# The second where two builds meet inside the catalog.
_ALREADY_THERE = ("42P07", "23505")
# What Postgres says where /dev/shm cannot hold the graph that parallel workers share.
_SHORT_OF_SHARED_MEMORY = ("53100", "53200")
_SERVERS_OWN = BuildSettings()


class Reindex(ExecutableDDLElement):
    """``REINDEX INDEX``, concurrently or not."""

    def __init__(self, index: sa.Index, *, concurrently: bool) -> None:
        self.index = index
        self.concurrently = concurrently


@compiles(Reindex, "postgresql")
def _compile_reindex(element: Reindex, compiler: DDLCompiler, **_kw: Any) -> str:
    name = compiler.preparer.format_index(element.index)
    assert element.index.table is not None, "an index that exists belongs to a table"
    schema = element.index.table.schema
    qualified = name if schema is None else f"{compiler.preparer.quote_schema(schema)}.{name}"
    return f"REINDEX INDEX {'CONCURRENTLY ' if element.concurrently else ''}{qualified}"


def build_index(
    engine: sa.Engine,
    index: sa.Index,
    *,
    progress: BuildCallback | None = None,
    settings: BuildSettings = _SERVERS_OWN,
) -> bool:
    """Build an index online unless it is there, and return only when the catalog says that it is valid.

    A build that another process began is waited for. What a killed or interrupted one left, an INVALID index that costs
    every write and serves no query, is dropped and built anew. Where shared memory is too short for parallel workers, the
    index is built serially.

    Args:
        engine: An engine on the database; behind a pooler, one that leads to the server itself.
        index: The index, declared with ``postgresql_concurrently=True``.
        progress: Called several times a second while Postgres builds.
        settings: Memory, workers and patience.

    Returns:
        Whether this call built it.

    Raises:
        InvalidOptionError: The index would block writes while it is built.
        QueryTimeoutError: A timeout of the settings was reached; what it left is cleared away by the next call.
        SchemaError: An index of this name is there and is another one, or others kept removing it.
    """
    if not index.dialect_options["postgresql"]["concurrently"]:
        raise InvalidOptionError(f"the index {index.name} is not declared with postgresql_concurrently=True")
    preparer = engine.dialect.identifier_preparer
    relation = _relation(engine, index)
    with translated(), _autocommit(engine).connect() as watcher:
        name = str(preparer.unformat_identifiers(preparer.format_index(index))[0])
        watch = IndexWatch(watcher, name, relation, progress)
        built, attempts = False, 0
        while not (valid := watch.settled()):
            if attempts == _ATTEMPTS:
                raise SchemaError(f"the index {name} was removed or broken by others {attempts} times: build it again")
            attempts += 1
            if valid is False:
                _drop(engine, index, watch, settings)
            built, settings = _attempt(engine, index, watch, settings)
        if not built:
            _check_same(watcher, index, name)
        return built


def rebuild_index(
    engine: sa.Engine,
    name: str,
    *,
    schema: str | None = None,
    progress: BuildCallback | None = None,
    settings: BuildSettings = _SERVERS_OWN,
) -> None:
    """Build an index anew beside itself, and return only when the new one is valid and in its place.

    Args:
        engine: As for :func:`build_index`.
        name: The index, valid or INVALID.
        schema: Its Postgres schema; None takes the one that the ``search_path`` shows.
        progress: As for :func:`build_index`.
        settings: As for :func:`build_index`.

    Raises:
        IndexNotFoundError: There is no such vector index.
        QueryTimeoutError: As for :func:`build_index`.
        SchemaError: Others removed it meanwhile.
    """
    with translated(), _autocommit(engine).connect() as watcher:
        found = find_index(watcher, name, schema)
        index = IndexDefinition.from_catalog(found, found.schema).to_index(concurrently=True)
        relation = _relation(engine, index)
        watch = IndexWatch(watcher, name, relation, progress)
        watch.settled()
        _clear_rebuilding(engine, found, watch, settings)
        statement = Reindex(index, concurrently=True)
        failure = _run(engine, statement, watch, settings)
        if failure is not None and _sqlstate(failure) in _SHORT_OF_SHARED_MEMORY and settings.workers != 0:
            _clear_rebuilding(engine, found, watch, settings)
            failure = _run(engine, statement, watch, _serial(settings))
        if failure is not None:
            _raise(failure, watch, settings)
        if not watch.settled():
            raise SchemaError(f"the index {name} was removed by others while it was rebuilt")


def drop_index(
    engine: sa.Engine, name: str, *, schema: str | None = None, settings: BuildSettings = _SERVERS_OWN
) -> None:
    """Drop a vector index, valid or INVALID, without blocking those who use its table.

    Args:
        engine: As for :func:`build_index`.
        name: The index.
        schema: As for :func:`rebuild_index`.
        settings: Patience.

    Raises:
        IndexNotFoundError: There is no such vector index.
        QueryTimeoutError: Others were in the way for too long.
    """
    with translated(), _autocommit(engine).connect() as watcher:
        found = find_index(watcher, name, schema)
        index = IndexDefinition.from_catalog(found, found.schema).to_index(concurrently=not found.partitioned)
        relation = _relation(engine, index)
        _drop(engine, index, IndexWatch(watcher, name, relation, None), settings)


def _attempt(
    engine: sa.Engine, index: sa.Index, watch: IndexWatch, settings: BuildSettings
) -> tuple[bool, BuildSettings]:
    """Try once; return whether it succeeded, and the settings to go on with."""
    failure = _run(engine, CreateIndex(index), watch, settings)
    if failure is None:
        return True, settings
    state = _sqlstate(failure)
    if state in _ALREADY_THERE:
        return False, settings
    if state not in _SHORT_OF_SHARED_MEMORY or settings.workers == 0:
        _raise(failure, watch, settings)
    return False, _serial(settings)


def _drop(engine: sa.Engine, index: sa.Index, watch: IndexWatch, settings: BuildSettings) -> None:
    failure = _run(engine, DropIndex(index, if_exists=True), watch, settings)
    if failure is not None:
        _raise(failure, watch, settings)


def _clear_rebuilding(engine: sa.Engine, index: CatalogIndex, watch: IndexWatch, settings: BuildSettings) -> None:
    """Drop what an interrupted rebuild left beside the index."""
    for name in rebuilding_leftovers(watch.connection, index.name, index.table, index.schema):
        leftover = IndexDefinition(name, index.table, name, None, schema=index.schema).to_index(concurrently=True)
        _drop(engine, leftover, watch, settings)


def _run(
    engine: sa.Engine, statement: sa.Executable, watch: IndexWatch, settings: BuildSettings
) -> BaseException | None:
    with build_session(engine, settings) as connection:
        return run_watched(connection, statement, watch.look)


def _check_same(connection: sa.Connection, index: sa.Index, name: str) -> None:
    """Refuse an index that has the name and is another one."""
    assert index.table is not None, "an index that can be built belongs to a table"
    if not is_vector_index(index):
        return
    definition = IndexDefinition.from_index(index, name)
    found = next(one for one in indexes_of(connection, definition.table, definition.schema) if one.name == name)
    try:
        wanted = as_postgres_writes_it(connection, definition)
    except AccessDeniedError:
        return
    if wanted is None or wanted.contents != found.contents:
        raise SchemaError(
            f"an index {name} is on {definition.table} already, and it is another one ({found.method} "
            f"{found.operator_class}): drop it, or give the new one another name"
        )


def _raise(failure: BaseException, watch: IndexWatch, settings: BuildSettings) -> NoReturn:
    error = translate(failure)
    if getattr(error, "sqlstate", None) == "55P03":
        whom = f"; the last was process {watch.waiting_for} of the server" if watch.waiting_for else ""
        raise QueryTimeoutError(
            f"transactions of others were in the way for {settings.lock_timeout_seconds} seconds{whom}: wait longer, or end "
            "them (pg_terminate_backend)",
            sqlstate="55P03",
            constraint=None,
        ) from failure
    raise error from (failure if isinstance(error, PgvecError) else None)


def _relation(engine: sa.Engine, index: sa.Index) -> str:
    """Return the table of an index, quoted for SQL."""
    assert index.table is not None, "an index that can be built belongs to a table"
    return engine.dialect.identifier_preparer.format_table(index.table)


def _serial(settings: BuildSettings) -> BuildSettings:
    return replace(settings, workers=0)


def _sqlstate(failure: BaseException) -> str | None:
    original = failure.orig if isinstance(failure, StatementError) else failure
    return original.sqlstate if isinstance(original, psycopg.Error) else None


def _autocommit(engine: sa.Engine) -> sa.Engine:
    return engine.execution_options(isolation_level="AUTOCOMMIT")
