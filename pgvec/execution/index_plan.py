"""What building an index will take, and what had better be done before it starts."""

from __future__ import annotations

import os

import psycopg
import sqlalchemy as sa

from pgvec.errors import MappingMismatchError
from pgvec.execution.index_session import build_session
from pgvec.execution.sqlstate import translated
from pgvec.model import IndexMethod, VectorType
from pgvec.model.catalog import DEFAULT_INDEX_OPTIONS
from pgvec.model.index_build import BuildPlan, BuildSettings
from pgvec.orm.index_definition import IndexDefinition
from pgvec.statements import catalog

__all__ = ["graph_bytes", "megabytes", "plan_build", "sample_bytes"]

# Measured with pgvector 0.8.6 (maintenance_work_mem divided by the rows after which it says that the graph no longer fits):
# vector(768), halfvec(384), vector(64) and bit(1024) with m of 8, 16 and 32 lie within 1 % of this line.
_BYTES_OF_ELEMENT = 200
_BYTES_OF_M = 32
# pgvector's ivfflat samples so many rows for each list, and at least so many in all.
_SAMPLES_OF_LIST = 50
_FEWEST_SAMPLES = 10_000
# Postgres starts no parallel worker that would have less.
_MEMORY_OF_WORKER = 32 * 1024**2
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the place where Postgres puts shared memory, not a file of ours


def graph_bytes(rows: int, value_bytes: int, m: int) -> int:
    """Return how much memory the graph of an HNSW index takes while it is built."""
    return rows * (_BYTES_OF_ELEMENT + _BYTES_OF_M * m + value_bytes)


def sample_bytes(rows: int, value_bytes: int, lists: int) -> int:
    """Return how much memory IVFFlat takes to find its lists; with less it refuses to build."""
    samples = min(max(lists * _SAMPLES_OF_LIST, _FEWEST_SAMPLES), max(rows, 1))
    return (samples + 2 * lists) * value_bytes + samples * lists * 4 + lists * lists * 4 + samples * 8 + lists * 12


def plan_build(
    engine: sa.Engine,
    definition: IndexDefinition,
    *,
    stored: VectorType,
    dimensions: int | None,
    settings: BuildSettings | None = None,
) -> BuildPlan:
    """Estimate what a build takes; nothing is written.

    Args:
        engine: An engine on the database.
        definition: The index.
        stored: The type that the index holds.
        dimensions: How many dimensions it holds; None (and ``sparsevec``) takes the average width of the column.
        settings: What the build would be run with.

    Raises:
        MappingMismatchError: There is no such table.
    """
    table = sa.table(definition.table, schema=definition.schema)
    relation = engine.dialect.identifier_preparer.format_table(table)
    with translated(), build_session(engine, settings or BuildSettings()) as connection:
        found = connection.execute(
            catalog.TABLE_SIZE, {"relation": relation, "column": definition.column or ""}
        ).one_or_none()
        if found is None:
            raise MappingMismatchError(f"there is no table {relation}: run the migrations, or name another")
        shared = _free_shared_memory(connection) if found.shared_memory == "posix" else None
    value_bytes = _value_bytes(stored, dimensions) or found.width or 0
    options = {**DEFAULT_INDEX_OPTIONS[IndexMethod(definition.method)], **definition.options}
    is_graph = definition.method == IndexMethod.HNSW
    needed = (
        graph_bytes(found.rows, value_bytes, options["m"])
        if is_graph
        else sample_bytes(found.rows, value_bytes, options["lists"])
    )
    workers = _workers(found.workers, found.table_workers, found.bytes, found.parallel_from, found.memory)
    advice = [
        *_about_memory(needed, found.memory, found.rows, is_graph=is_graph),
        *_about_shared_memory(found.memory, shared, workers),
        *_about_lists(found.rows, options.get("lists")),
    ]
    return BuildPlan(found.rows, needed, found.memory, workers, shared, tuple(advice))


def _value_bytes(stored: VectorType, dimensions: int | None) -> int | None:
    if dimensions is None or stored is VectorType.SPARSEVEC:
        return None
    bits = {VectorType.VECTOR: 32, VectorType.HALFVEC: 16, VectorType.BIT: 1}[stored]
    return 8 + -(-dimensions * bits // 8)


def _workers(most: int, of_table: int, table_bytes: int, parallel_from: int, memory: int) -> int:
    """Return how many workers Postgres starts, as its planner does (``plan_create_index_workers``)."""
    if of_table >= 0:
        workers = min(of_table, most)
    else:
        workers, threshold = 0, max(parallel_from, 1)
        while table_bytes >= threshold and workers < most:
            workers += 1
            threshold *= 3
    while workers > 0 and memory // (workers + 1) < _MEMORY_OF_WORKER:
        workers -= 1
    return workers


def _about_memory(needed: int, memory: int, rows: int, *, is_graph: bool) -> list[str]:
    if needed <= memory:
        return []
    wanted, given = megabytes(needed), megabytes(memory)
    if is_graph:
        sentence = (
            f"the graph takes about {wanted}, and maintenance_work_mem is {given}: after about {rows * memory // needed:,} of "
            f"{rows:,} rows the build goes on on disk, many times slower; give --memory {wanted} if the server has it to spare"
        )
    else:
        sentence = (
            f"IVFFlat needs {wanted} to find its lists and refuses to build with the {given} of maintenance_work_mem: give "
            f"--memory {wanted}, or fewer lists"
        )
    return [sentence]


def _about_shared_memory(memory: int, shared: int | None, workers: int) -> list[str]:
    if shared is None or workers == 0 or memory <= shared:
        return []
    sentence = (
        f"{workers} parallel workers share {megabytes(memory)} in {_SHARED_MEMORY}, which has {megabytes(shared)} free: the "
        "build would begin again without them; make it larger (Docker: --shm-size), or give --workers 0"
    )
    return [sentence]


def _about_lists(rows: int, lists: int | None) -> list[str]:
    if lists is None or rows >= lists * 10:
        return []
    return [
        f"IVFFlat finds its {lists} lists in the rows that are there, and there are {rows:,}: load first, then build"
    ]


def megabytes(size: int) -> str:
    """Write a size as Postgres takes it."""
    return f"{max(1, -(-size // 1024**2))}MB"


def _free_shared_memory(connection: sa.Connection) -> int | None:
    """Return what ``/dev/shm`` has free, where the server is reached through a socket and so is on this machine."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    if not raw.info.host.startswith("/"):
        return None
    try:
        found = os.statvfs(_SHARED_MEMORY)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
