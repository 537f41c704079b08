"""What the machinery costs where it is not needed: without a filter, and with one that passes every second row.

Statements are compared with statements, all on one driver's cursor: what pgvec sent is recorded, and sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import psycopg

from benchmarks.baseline import BASELINE
from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell, make_cells
from benchmarks.filters.store import Built
from benchmarks.filters.strategies import Contender, clocks_of, hand_strategies, open_pgvec
from benchmarks.measure import Search, Timings, measure
from pgvec.execution.cursor import BinaryVector, open_cursor

__all__ = ["baseline_for", "measure_overhead"]

_Sent = tuple[Any, Any]


def measure_overhead(built: Built, data: FilterData, *, queries: int, rounds: int, cpu: bool) -> dict[str, float]:
    """Return ratios of medians: of the statement that pgvec sends, and of the whole call, over what it is held to."""
    cells = {cell.name: cell for cell in make_cells(data)}
    everything, half = cells["100% uncorrelated"], cells["50% uncorrelated"]
    with (
        open_pgvec(built, data) as pgvec,
        hand_strategies(built, data, ["plain"]) as by_hand,
        psycopg.connect(built.conninfo) as connection,
    ):
        baseline = Contender(lambda _cell: _baseline(connection, data), connection.info.backend_pid)
        sides = (
            _Side(everything, {"floor": baseline, "statement": _again(connection, pgvec, queries), "pgvec": pgvec}),
            _Side(half, {"floor": by_hand["plain"], "statement": _again(connection, pgvec, queries), "pgvec": pgvec}),
        )
        unfiltered, filtered = (side.measured(queries, rounds, cpu=cpu) for side in sides)
    return {
        "unfiltered_over_baseline": unfiltered["statement"].ratio(unfiltered["floor"]),
        "unfiltered_call_over_baseline": unfiltered["pgvec"].ratio(unfiltered["floor"]),
        "half_over_plain": filtered["statement"].ratio(filtered["floor"]),
        "half_call_over_plain": filtered["pgvec"].ratio(filtered["floor"]),
    }


def baseline_for(distance: str, text: str) -> str:
    """Return the statement of the foundation for a distance, with the columns that are asked for here."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return text if distance == "l2" else text.replace("OPERATOR(public.<->)", "OPERATOR(public.<=>)")


def _baseline(connection: psycopg.Connection[Any], data: FilterData) -> Search:
    statement = baseline_for(data.distance, BASELINE.read_text()).encode()
    if "label" not in data.columns:
        statement = statement.replace(b"item.label", b"item.region_2")

    def search(query: int) -> Any:
        with open_cursor(connection) as cursor:
            given = {"pgvec_query": BinaryVector(data.queries[query])}
            return cursor.execute(statement, given, prepare=True).fetchall()

    return search


@dataclass(frozen=True, slots=True)
class _Side:
    """What is compared in one cell."""

    cell: Cell
    contenders: dict[str, Contender]

    def measured(self, queries: int, rounds: int, *, cpu: bool) -> dict[str, Timings]:
        searches = {name: contender.prepare(self.cell) for name, contender in self.contenders.items()}
        return measure(searches, queries, rounds=rounds, clocks=clocks_of(self.contenders, cpu=cpu))


def _again(connection: psycopg.Connection[Any], contender: Contender, queries: int) -> Contender:
    """Return what only sends the statements again that a contender sent."""

    def prepare(cell: Cell) -> Search:
        search = contender.prepare(cell)
        sent = [_recorded(search, query) for query in range(queries)]

        def again(query: int) -> Any:
            with open_cursor(connection) as cursor:
                for statement, given in sent[query]:
                    cursor.execute(statement, given, prepare=True)
                return cursor.fetchall()

        return again

    return Contender(prepare, connection.info.backend_pid)


def _recorded(search: Search, query: int) -> list[_Sent]:
    with _recording() as sent:
        search(query)
    return sent


@contextmanager
def _recording() -> Iterator[list[_Sent]]:
    """Write down what goes through psycopg's cursors."""
    sent: list[_Sent] = []
    execute = psycopg.Cursor.execute

    def recording(self: psycopg.Cursor[Any], query: Any, params: Any = None, **options: Any) -> Any:
        sent.append((query, params))
        return execute(self, query, params, **options)

    with patch.object(psycopg.Cursor, "execute", recording):
        yield sent
