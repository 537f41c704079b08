"""What the machinery costs where it is not needed: without a filter, and with one that passes every second row.

Statements are compared with statements, all on one driver's cursor: what pgvec sent is recorded, and sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg

from benchmarks.baseline import BASELINE
from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import make_cells
from benchmarks.filters.store import Built
from benchmarks.filters.strategies import hand_strategies, open_pgvec
from benchmarks.measure import Search, measure
from pgvec.execution.cursor import BinaryVector, open_cursor

__all__ = ["baseline_for", "measure_overhead"]

_Sent = tuple[Any, Any]


def measure_overhead(built: Built, data: FilterData, *, queries: int, rounds: int) -> dict[str, float]:
    """Return ratios of medians: of the statement that pgvec sends, and of the whole call, over what it is held to."""
    cells = {cell.name: cell for cell in make_cells(data)}
    everything, half = cells["100% uncorrelated"], cells["50% uncorrelated"]
    with (
        open_pgvec(built, data) as pgvec,
        hand_strategies(built, data, ["plain"]) as by_hand,
        psycopg.connect(built.conninfo) as connection,
    ):
        sides = (
            {"floor": _baseline(connection, data), **_twice(connection, pgvec.prepare(everything), queries)},
            {"floor": by_hand["plain"].prepare(half), **_twice(connection, pgvec.prepare(half), queries)},
        )
        unfiltered, filtered = (measure(side, queries, rounds=rounds) for side in sides)
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


def _twice(connection: psycopg.Connection[Any], search: Search, queries: int) -> dict[str, Search]:
    """Return the search of pgvec, and what only sends the same statements."""
    sent = [_recorded(search, query) for query in range(queries)]

    def again(query: int) -> Any:
        with open_cursor(connection) as cursor:
            for statement, given in sent[query]:
                cursor.execute(statement, given, prepare=True)
            return cursor.fetchall()

    return {"statement": again, "pgvec": search}


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
