"""``python -m benchmarks.filters``: measure the grid, and write ``benchmarks/results/filters.{json,md,png}``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from benchmarks.environment import describe_environment
from benchmarks.filters.cells import Effort, measure_cell
from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell
from benchmarks.filters.heatmap import draw
from benchmarks.filters.options import advised, common_parser, describe_data, line, read_data, say, store_of
from benchmarks.filters.oracle import CellResult
from benchmarks.filters.overhead import measure_overhead
from benchmarks.filters.report import markdown, write
from benchmarks.filters.store import Store
from benchmarks.filters.strategies import BY_HAND, PGVEC, Contender, hand_strategies, open_pgvec
from benchmarks.report import RESULTS

_STRATEGIES = [*BY_HAND, PGVEC]


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    effort = Effort(arguments.queries, arguments.rounds, thorough=arguments.thorough, cpu=arguments.cpu)
    cells: list[CellResult] = []
    overhead: dict[str, float] = {}
    about: dict[str, Any] = {"data": [], "effort": asdict(effort), "schema_kept": arguments.keep_schema}
    with store_of(arguments) as store:
        for data, chosen in read_data(arguments):
            for result in _measure(store, data, chosen, arguments, effort):
                say(_line(result))
                cells.append(result)
            if not overhead and not arguments.no_overhead:
                say("comparing with benchmarks/baseline.sql")
                built, rounds = store.open(data), max(3, effort.rounds)
                overhead = measure_overhead(built, data, queries=effort.queries, rounds=rounds, cpu=effort.cpu)
            about["data"].append(describe_data(data))
            about |= describe_environment(store.conninfo(data))
    if not cells:
        sys.exit("no cell has such a title: see --cells, --data and --rows")
    write(RESULTS, arguments.output, cells, overhead, about)
    draw(cells, RESULTS / f"{arguments.output}.png")
    sys.stdout.write(markdown(cells, overhead, about, details=False))
    say(f"written: {RESULTS / arguments.output}.json, .md, .png")


def _parser() -> argparse.ArgumentParser:
    parser = common_parser("python -m benchmarks.filters", __doc__, "filters")
    parser.add_argument(
        "--strategies",
        type=_strategies,
        default=_STRATEGIES,
        metavar="NAME,...",
        help=f"some of: {', '.join(_STRATEGIES)}",
    )
    parser.add_argument(
        "--no-overhead", action="store_true", help="leave out the comparison with benchmarks/baseline.sql"
    )
    return parser


def _strategies(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := set(names) - set(_STRATEGIES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {', '.join(_STRATEGIES)}")
    return names


def _measure(
    store: Store, data: FilterData, chosen: list[Cell], arguments: argparse.Namespace, effort: Effort
) -> Iterator[CellResult]:
    say(f"opening the database of {data.name} (minutes, when it is new)")
    built = store.open(data)
    with ExitStack() as stack:
        followed = stack.enter_context(advised(store, built, data, arguments.advice))
        by_hand = [name for name in arguments.strategies if name in BY_HAND]
        contenders: dict[str, Contender] = stack.enter_context(hand_strategies(built, data, by_hand))
        if PGVEC in arguments.strategies:
            contenders[PGVEC] = stack.enter_context(open_pgvec(built, data))
        for cell in chosen:
            yield measure_cell(data, cell, contenders | followed, effort)


def _line(cell: CellResult) -> str:
    ratio = cell.ratio()
    return line(cell) + ("" if ratio is None else f" | ratio {ratio:.2f}{' OVER' if cell.over_limit() else ''}")


if __name__ == "__main__":
    main()
