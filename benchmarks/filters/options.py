"""The options that the grid and the peers share, and what they stand for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.filters.data import FilterData, fashion_mnist, generated
from benchmarks.filters.grid import Cell, make_cells
from benchmarks.filters.oracle import CellResult
from benchmarks.filters.store import DEFAULT_CACHE, Built, Store, open_store
from benchmarks.filters.strategies import ADVISED, PGVEC, Contender, open_pgvec

__all__ = ["advised", "chosen_cells", "common_parser", "describe_data", "line", "read_data", "say", "store_of"]

_FULL_ROWS = 200_000


def common_parser(program: str, description: str | None, output: str) -> argparse.ArgumentParser:
    """Return a parser that knows the shared options."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    add = parser.add_argument
    add(
        "--data", type=Path, metavar="DIR", help="folder with fashion-mnist/fashion-mnist.npz; else generated data only"
    )
    add("--rows", type=int, default=_FULL_ROWS, help="rows of the generated data (200,000); 0 leaves them out")
    add("--queries", type=int, default=500, help="queries in each cell (500)")
    add("--rounds", type=int, default=3, help="how often each is asked (3)")
    add(
        "--cells",
        default="",
        metavar="TEXT,...",
        help="only cells with one of these in their title: fashion, 10%%, far",
    )
    add("--cpu", action="store_true", help="count time of the CPU instead: what to tune by on a busy machine (Linux)")
    add("--thorough", action="store_true", help="ask what cannot win every query too")
    add(
        "--advice",
        action="append",
        default=[],
        metavar="[DATA=]FILE.sql",
        help="measure pgvec on a copy of the database too, in which this was run; DATA is the name of the data",
    )
    add("--cache", type=Path, default=DEFAULT_CACHE, help=f"where databases are kept ({DEFAULT_CACHE})")
    add("--keep-schema", action="store_true", help="leave in a kept database what pgvec stored there: its calibration")
    add("--url", help="a server to measure on, where nothing is kept (PGVEC_BENCH_URL); else an embedded one")
    add("--output", default=output, metavar="NAME", help=f"name of the files in benchmarks/results ({output})")
    return parser


def store_of(arguments: argparse.Namespace) -> AbstractContextManager[Store]:
    """Return the store that is asked for."""
    url = arguments.url or os.environ.get("PGVEC_BENCH_URL")
    return open_store(url, arguments.cache, keeps_schema=arguments.keep_schema, serial=arguments.cpu)


def read_data(arguments: argparse.Namespace) -> Iterator[tuple[FilterData, list[Cell]]]:
    """Yield the data that are asked for, one at a time, with the cells."""
    if arguments.data is not None:
        say("reading fashion-mnist")
        yield from _with_cells(fashion_mnist(arguments.data, arguments.queries), arguments.cells)
    if arguments.rows:
        say(f"generating {arguments.rows:,} rows")
        yield from _with_cells(generated(arguments.rows, arguments.queries), arguments.cells)


def chosen_cells(data: FilterData, wanted: str) -> list[Cell]:
    """Return the cells whose title contains one of the texts, or all."""
    texts = [text.strip() for text in wanted.split(",") if text.strip()]
    return [cell for cell in make_cells(data) if not texts or any(text in cell.title for text in texts)]


@contextmanager
def advised(store: Store, built: Built, data: FilterData, advice: list[str]) -> Iterator[dict[str, Contender]]:
    """Yield pgvec on a copy of the database in which the advice for it was followed; nothing, where there is none.

    Nobody may be connected to the database meanwhile it is copied.
    """
    scripts = [Path(path).read_text() for name, path in map(_named, advice) if name in ("", data.name)]
    if not scripts:
        yield {}
        return
    with ExitStack() as stack:
        say("copying the database, and following the advice")
        copy = stack.enter_context(store.copy(built, "\n".join(scripts)))
        yield {ADVISED: stack.enter_context(open_pgvec(copy, data))}


def line(cell: CellResult) -> str:
    """Return a cell in one line, for who waits: p50, p95, recall, short answers; ``*`` the oracle, ``~`` asked little."""
    parts = [f"{cell.title:<40}"]
    for name, result in cell.strategies.items():
        mark = "*" if name == cell.oracle else " " if result.full else "~"
        short = f" short {result.answers_short}" if result.answers_short else ""
        parts.append(f"{name}{mark} {result.p50_ms:.2f}/{result.p95_ms:.2f} {result.recall:.3f}{short}")
    if PGVEC in cell.strategies:
        parts.append(", ".join(f"{name} {count}" for name, count in cell.strategies[PGVEC].receipts.items()))
    return " | ".join(parts)


def describe_data(data: FilterData) -> dict[str, Any]:
    """Return what a reader needs to know of the data."""
    return {
        "name": data.name,
        "rows": len(data.vectors),
        "dimensions": data.dimensions,
        "distance": data.distance,
        "key": data.key(),
    }


def say(text: str) -> None:
    """Tell who waits what goes on."""
    sys.stderr.write(f"{text}\n")


def _with_cells(data: FilterData, wanted: str) -> Iterator[tuple[FilterData, list[Cell]]]:
    if cells := chosen_cells(data, wanted):
        yield data, cells


def _named(advice: str) -> tuple[str, str]:
    name, _, path = advice.rpartition("=")
    return name, path
