"""``python -m benchmarks``: measure, print the table, and write ``benchmarks/results/latest.{json,md,png}``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from benchmarks.data import Dataset, generate, read_fashion_mnist
from benchmarks.environment import describe_environment
from benchmarks.load import fill_table, measure_load
from benchmarks.memory import measure_memory
from benchmarks.plot import draw
from benchmarks.report import RESULTS, Report
from benchmarks.schema import Workbench, define_schema
from benchmarks.search import far_labels, measure_async_search, measure_filtered, measure_search
from benchmarks.server import fresh_database
from pgvec.execution.url import engine_url

PARTS = ("load", "search", "async", "filtered", "memory")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rows: int
    queries: int
    filtered_queries: int
    load_rounds: int
    search_rounds: int
    memory_rows: tuple[int, int]


FULL = Effort(60_000, 1_000, 200, 5, 5, (60_000, 600_000))
QUICK = Effort(10_000, 200, 50, 3, 3, (6_000, 60_000))


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    effort = QUICK if arguments.quick else FULL
    _say("reading the data" if arguments.data else "generating the data")
    data = _read(arguments.data, effort)
    with fresh_database(arguments.url or os.environ.get("PGVEC_BENCH_URL")) as conninfo:
        bench = Workbench(conninfo, sa.create_engine(engine_url(conninfo)), define_schema(data.dimensions), data)
        report = _measure(bench, effort, arguments.only)
        bench.engine.dispose()
        about = describe_environment(conninfo)
    about["data"] = {
        "name": data.name,
        "rows": len(data.vectors),
        "dimensions": data.dimensions,
        "queries": len(data.queries),
        "rounds": effort.search_rounds,
        "quick": arguments.quick,
    }
    report.write(RESULTS, about)
    draw(report, RESULTS / "latest.png", f"pgvec beside psycopg by hand ({data.name})")
    sys.stdout.write(report.markdown(about))
    _say(f"written: {RESULTS / 'latest.json'}, latest.md, latest.png")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with fashion-mnist/fashion-mnist.npz; else generated"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows, queries and rounds, to see whether it works")
    parser.add_argument("--only", type=_parts, default=PARTS, metavar="PART,...", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--url", help="a server to measure on (PGVEC_BENCH_URL); else an embedded one")
    return parser


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    return parts


def _read(folder: Path | None, effort: Effort) -> Dataset:
    if folder is None:
        return generate(rows=effort.rows, queries=effort.queries)
    return read_fashion_mnist(folder).shortened(effort.rows, effort.queries)


def _measure(bench: Workbench, effort: Effort, parts: tuple[str, ...]) -> Report:
    report, rounds, truth = Report(), effort.search_rounds, bench.data.neighbors
    if "load" in parts:
        _say("loading")
        report.add_load(measure_load(bench, rounds=effort.load_rounds))
    if {"search", "async", "filtered"} & set(parts):
        _say("building the index")
        fill_table(bench)
    if "search" in parts:
        _say("searching")
        report.add_search(measure_search(bench, rounds=rounds), truth)
    if "async" in parts:
        _say("searching, asynchronously")
        report.add_async_search(asyncio.run(measure_async_search(bench, rounds=rounds)), truth)
    if "filtered" in parts:
        _say("searching with filters")
        few = replace(bench, data=bench.data.shortened(len(bench.data.vectors), effort.filtered_queries))
        for name, labels in (("own_label", few.data.query_labels), ("far_label", far_labels(few.data))):
            report.add_filtered(name, measure_filtered(few, labels, rounds=rounds))
    if "memory" in parts:
        _say("loading generated rows, for the memory that it takes")
        dimensions = bench.data.dimensions
        report.add_memory({rows: measure_memory(bench.conninfo, rows, dimensions) for rows in effort.memory_rows})
    return report


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
