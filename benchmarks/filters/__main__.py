"""``python -m benchmarks.filters``: measure the grid, and write ``benchmarks/results/filters.{json,md,png}``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.environment import describe_environment
from benchmarks.filters.cells import Effort, measure_cell
from benchmarks.filters.data import FilterData, fashion_mnist, generated
from benchmarks.filters.grid import Cell, make_cells
from benchmarks.filters.heatmap import draw
from benchmarks.filters.oracle import CellResult
from benchmarks.filters.overhead import measure_overhead
from benchmarks.filters.report import markdown, write
from benchmarks.filters.store import DEFAULT_CACHE, Built, Store, open_store
from benchmarks.filters.strategies import BY_HAND, PGVEC, Contender, hand_strategies, open_pgvec
from benchmarks.report import RESULTS

_FULL_ROWS = 200_000


def main() -> None:
    """Run what the command line asks for."""
    arguments = parser().parse_args()
    effort = Effort(arguments.queries, arguments.rounds, thorough=arguments.thorough)
    cells: list[CellResult] = []
    overhead: dict[str, float] = {}
    about: dict[str, Any] = {}
    described = []
    url = arguments.url or os.environ.get("PGVEC_BENCH_URL")
    with open_store(url, arguments.cache, keeps_schema=arguments.keep_schema) as store:
        for data in read_data(arguments):
            if not (chosen := chosen_cells(data, arguments.cells)):
                continue
            described.append(_describe(data))
            cells += _measure(store, data, chosen, arguments, effort)
            if not overhead and not arguments.no_overhead and PGVEC in arguments.strategies:
                say("comparing with benchmarks/baseline.sql")
                overhead = measure_overhead(
                    store.open(data), data, queries=effort.queries, rounds=max(3, effort.rounds)
                )
            about = about or describe_environment(store.open(data).conninfo)
    about |= {"data": described, "effort": asdict(effort), "schema_kept": arguments.keep_schema}
    write(RESULTS, arguments.output, cells, overhead, about)
    draw(cells, RESULTS / f"{arguments.output}.png")
    sys.stdout.write(markdown(cells, overhead, about, details=False))
    say(f"written: {RESULTS / arguments.output}.json, .md, .png")


def parser() -> argparse.ArgumentParser:
    """Return the options, which the benchmark of the peers shares."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.filters", description=__doc__)
    made.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with fashion-mnist/fashion-mnist.npz; else generated only"
    )
    made.add_argument("--queries", type=int, default=500, help="queries in each cell (500)")
    made.add_argument("--rounds", type=int, default=3, help="how often each is asked (3)")
    made.add_argument(
        "--rows", type=int, default=_FULL_ROWS, help="rows of the generated data (200,000); 0 leaves them out"
    )
    made.add_argument(
        "--cells",
        default="",
        metavar="TEXT,...",
        help="only cells whose name contains one of these: 'fashion', '10%%', 'far'",
    )
    made.add_argument(
        "--strategies",
        type=_strategies,
        default=[*BY_HAND, PGVEC],
        metavar="NAME,...",
        help=f"some of: {', '.join([*BY_HAND, PGVEC])}",
    )
    made.add_argument("--thorough", action="store_true", help="measure hopeless strategies with every query too")
    made.add_argument(
        "--no-overhead", action="store_true", help="leave out the comparison with benchmarks/baseline.sql"
    )
    made.add_argument(
        "--advice",
        type=Path,
        metavar="FILE.sql",
        help="measure pgvec on a copy of the database too, in which this was run",
    )
    made.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help=f"where the databases are kept ({DEFAULT_CACHE})"
    )
    made.add_argument(
        "--keep-schema",
        action="store_true",
        help="leave what pgvec stored in its schema there (calibration, for instance)",
    )
    made.add_argument(
        "--url", help="a server to measure on, where nothing is kept (PGVEC_BENCH_URL); else an embedded one"
    )
    made.add_argument(
        "--output", default="filters", metavar="NAME", help="name of the files in benchmarks/results (filters)"
    )
    return made


def read_data(arguments: argparse.Namespace) -> Iterator[FilterData]:
    """Yield the data that are asked for, one at a time."""
    if arguments.data is not None:
        say("reading fashion-mnist")
        yield fashion_mnist(arguments.data, arguments.queries)
    if arguments.rows:
        say(f"generating {arguments.rows:,} rows")
        yield generated(arguments.rows, arguments.queries)


def chosen_cells(data: FilterData, wanted: str) -> list[Cell]:
    """Return the cells whose title contains one of the texts, or all."""
    texts = [text.strip() for text in wanted.split(",") if text.strip()]
    return [cell for cell in make_cells(data) if not texts or any(text in cell.title for text in texts)]


def say(text: str) -> None:
    """Tell whoever waits what goes on."""
    sys.stderr.write(f"{text}\n")


def _strategies(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := set(names) - {*BY_HAND, PGVEC}:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {', '.join([*BY_HAND, PGVEC])}")
    return names


def _measure(
    store: Store, data: FilterData, chosen: list[Cell], arguments: argparse.Namespace, effort: Effort
) -> Iterator[CellResult]:
    say(f"opening the database of {data.name} (minutes, when it is new)")
    built = store.open(data)
    with ExitStack() as stack:
        # A database is copied while nobody is connected to it.
        advised = _advised(stack, store, built, arguments.advice)
        by_hand = [name for name in arguments.strategies if name in BY_HAND]
        contenders: dict[str, Contender] = stack.enter_context(hand_strategies(built, data, by_hand))
        if PGVEC in arguments.strategies:
            contenders[PGVEC] = stack.enter_context(open_pgvec(built, data))
        if advised is not None:
            contenders["pgvec_advised"] = stack.enter_context(open_pgvec(advised, data))
        for cell in chosen:
            result = measure_cell(data, cell, contenders, effort)
            say(_line(result))
            yield result


def _advised(stack: ExitStack, store: Store, built: Built, advice: Path | None) -> Built | None:
    return None if advice is None else stack.enter_context(store.copy(built, advice.read_text()))


def _line(cell: CellResult) -> str:
    parts = [f"{cell.title:<40}"]
    for name, result in cell.strategies.items():
        mark = "*" if name == cell.oracle else " " if result.full else "~"
        short = f" short {result.answers_short}" if result.answers_short else ""
        parts.append(f"{name}{mark} {result.p50_ms:.2f}/{result.p95_ms:.2f} {result.recall:.3f}{short}")
    ratio = cell.ratio()
    if receipts := getattr(cell.strategies.get(PGVEC), "receipts", None):
        parts.append(", ".join(f"{name} {count}" for name, count in receipts.items()))
    parts.append("" if ratio is None else f"ratio {ratio:.2f}{' OVER' if cell.over_limit() else ''}")
    return " | ".join(parts)


def _describe(data: FilterData) -> dict[str, Any]:
    return {
        "name": data.name,
        "rows": len(data.vectors),
        "dimensions": data.dimensions,
        "distance": data.distance,
        "key": data.key(),
    }


if __name__ == "__main__":
    main()
