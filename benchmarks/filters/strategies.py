"""The contenders: what can be written by hand for a filtered search, and pgvec. Each has a connection and one open transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg.types.numeric import Int2, Int4
from sqlalchemy.orm import Session

from benchmarks.filters.clock import cpu_clock
from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell, Comparison
from benchmarks.filters.store import Built, define_model
from benchmarks.floor import register_types
from benchmarks.measure import Clock, Search
from pgvec import Repository
from pgvec.execution.url import engine_url

__all__ = ["ADVISED", "BY_HAND", "PGVEC", "ByHand", "Contender", "clocks_of", "hand_strategies", "open_pgvec"]

_Prepare: TypeAlias = Callable[[Cell], Search]

PGVEC, ADVISED = "pgvec", "pgvec_advised"
_OPERATORS = {"l2": "<->", "cosine": "<=>"}
_BY_INDEX = """
    SELECT id, embedding {operator} %(query)b AS distance
      FROM item
     {where}
     ORDER BY embedding {operator} %(query)b
     LIMIT 10
"""
# pgvector's own recipe for filters: iterate in relaxed order, and sort the ten again.
_RELAXED = """
    WITH nearest AS MATERIALIZED (
        SELECT id, embedding {operator} %(query)b AS distance
          FROM item
         {where}
         ORDER BY embedding {operator} %(query)b
         LIMIT 10)
    SELECT id, distance FROM nearest ORDER BY distance + 0
"""
# With a sum to order by, no vector index can answer.
_EXACT = """
    SELECT id, (embedding {operator} %(query)b) + 0 AS distance
      FROM item
     {where}
     ORDER BY 2
     LIMIT 10
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """What can search.

    Attributes:
        prepare: Makes the search of a cell: a function from the number of a query to its answer.
        backend_pid: The process of the server that answers, or None where everything happens in this one.
    """

    prepare: _Prepare
    backend_pid: int | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """A statement that a good engineer writes with psycopg, prepared, binary in both directions.

    Attributes:
        statement: Its text, with places for the operator and the condition.
        iterative_scan: The setting ``hnsw.iterative_scan`` of his transaction, or None for the default.
    """

    statement: str
    iterative_scan: str | None = None


BY_HAND = {
    "plain": ByHand(_BY_INDEX),
    "strict": ByHand(_BY_INDEX, "strict_order"),
    "relaxed": ByHand(_RELAXED, "relaxed_order"),
    "exact": ByHand(_EXACT),
}


def clocks_of(contenders: Mapping[str, Contender], *, cpu: bool) -> dict[str, Clock]:
    """Return the clocks that count the CPU of each, or none where time on the wall counts."""
    return {name: cpu_clock(contender.backend_pid) for name, contender in contenders.items()} if cpu else {}


@contextmanager
def hand_strategies(built: Built, data: FilterData, names: list[str]) -> Iterator[dict[str, Contender]]:
    """Open a connection for each strategy by hand, and yield the contenders."""
    connections: dict[str, psycopg.Connection[TupleRow]] = {}
    try:
        for name in names:
            connections[name] = _connect(built.conninfo, BY_HAND[name])
        yield {name: _by_hand(BY_HAND[name], connection, data) for name, connection in connections.items()}
    finally:
        for connection in connections.values():
            connection.close()


@contextmanager
def open_pgvec(built: Built, data: FilterData) -> Iterator[Contender]:
    """Open a session, and yield pgvec at its defaults as a contender."""
    engine, model = sa.create_engine(engine_url(built.conninfo)), define_model(data)
    try:
        with Session(engine) as session:
            backend = session.connection().connection.driver_connection
            assert isinstance(backend, psycopg.Connection), "the engine is psycopg's"
            items = Repository(session, model)
            yield Contender(lambda cell: _by_pgvec(items, model, cell, data), backend.info.backend_pid)
    finally:
        engine.dispose()


def _connect(conninfo: str, strategy: ByHand) -> psycopg.Connection[TupleRow]:
    connection = psycopg.connect(conninfo)
    register_types(connection)
    if strategy.iterative_scan is not None:
        connection.execute("SELECT set_config('hnsw.iterative_scan', %s, true)", [strategy.iterative_scan])
    return connection


def _by_hand(strategy: ByHand, connection: psycopg.Connection[TupleRow], data: FilterData) -> Contender:
    def prepare(cell: Cell) -> Search:
        text = sql.SQL(strategy.statement).format(
            operator=sql.SQL(_OPERATORS[data.distance]),
            where=_condition(cell),
        )
        statement = text.as_bytes(connection)
        parameters = [_parameters(cell, query) for query in range(len(data.queries))]

        def search(query: int) -> list[TupleRow]:
            with connection.cursor(binary=True) as cursor:
                given = {"query": data.queries[query], **parameters[query]}
                return cursor.execute(statement, given, prepare=True).fetchall()

        return search

    return Contender(prepare, connection.info.backend_pid)


def _condition(cell: Cell) -> sql.Composable:
    if not cell.comparisons:
        return sql.SQL("")
    comparisons = (
        sql.SQL("{} {} {}").format(
            sql.Identifier(comparison.column.name),
            sql.SQL(comparison.operator),
            sql.Placeholder(f"value_{n}", format=psycopg.adapt.PyFormat.BINARY),
        )
        for n, comparison in enumerate(cell.comparisons)
    )
    return sql.SQL("WHERE ") + sql.SQL(" AND ").join(comparisons)


def _parameters(cell: Cell, query: int) -> dict[str, Any]:
    """Return values of the types of their columns, so that a statement is prepared once and not once for each size of number."""
    types: dict[str, Callable[[Any], Any]] = {"smallint": Int2, "integer": Int4, "text": str}
    return {
        f"value_{n}": types[comparison.column.type](comparison.value(query))
        for n, comparison in enumerate(cell.comparisons)
    }


def _by_pgvec(items: Repository[Any], model: type[Any], cell: Cell, data: FilterData) -> Search:
    columns, comparisons = (model.id,), cell.comparisons
    values = [[comparison.value(query) for query in range(len(data.queries))] for comparison in comparisons]
    compare = [_comparison(model, comparison) for comparison in comparisons]

    def search(query: int) -> Any:
        # The condition is made anew for each search, as an application does.
        conditions = [made(held[query]) for made, held in zip(compare, values, strict=True)]
        where = sa.and_(*conditions) if len(conditions) > 1 else conditions[0] if conditions else None
        return items.search(data.queries[query], where=where, columns=columns)

    return search


def _comparison(model: type[Any], comparison: Comparison) -> Callable[[Any], Any]:
    column = getattr(model, comparison.column.name)
    made: dict[str, Callable[[Any], Any]] = {
        "=": lambda value: column == value,
        ">=": lambda value: column >= value,
        "<": lambda value: column < value,
    }
    return made[comparison.operator]
