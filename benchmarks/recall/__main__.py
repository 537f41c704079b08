"""``python -m benchmarks.recall``: check recall against the truth, and write ``benchmarks/results/recall.{json,md}``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.environment import describe_environment
from benchmarks.filters.data import FilterData, fashion_mnist, generated
from benchmarks.filters.options import describe_data, say
from benchmarks.filters.store import DEFAULT_CACHE, open_store
from benchmarks.recall.measure import ReportCheck, TargetCheck, check_report, check_targets
from benchmarks.report import RESULTS, table
from pgvec.execution.url import engine_url

_EF_SEARCH = 20


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    targets: list[TargetCheck] = []
    reports: list[ReportCheck] = []
    about: dict[str, Any] = {"data": [], "sample": arguments.sample, "queries": arguments.queries}
    with open_store(arguments.url, arguments.cache) as store:
        for data in _data(arguments):
            say(f"opening the database of {data.name} (minutes, when it is new)")
            engine = sa.create_engine(engine_url(store.open(data).conninfo))
            say("tuning")
            targets += check_targets(engine, data, sample=arguments.sample)[1]
            say("comparing reports with the truth")
            reports += check_report(engine, data, sample=arguments.sample, ef_search=_EF_SEARCH)
            engine.dispose()
            about["data"].append(describe_data(data))
            about |= describe_environment(store.conninfo(data))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "recall.json").write_text(json.dumps(as_json(targets, reports) | about, indent=2) + "\n")
    (RESULTS / "recall.md").write_text(markdown(targets, reports))
    sys.stdout.write(markdown(targets, reports))
    say(f"written: {RESULTS / 'recall'}.json, .md")


def as_json(targets: Sequence[TargetCheck], reports: Sequence[ReportCheck]) -> dict[str, Any]:
    """Return the keys, and every check."""
    return {
        "targets_missed": sum(not check.holds for check in targets),
        "least_margin": min((check.recall - check.target for check in targets), default=None),
        "reports_refuted": sum(not check.holds for check in reports),
        "rows_short": sum(check.rows_short for check in targets) + sum(check.report.rows_short for check in reports),
        "targets": [asdict(check) | {"holds": check.holds} for check in targets],
        "reports": [asdict(check) | {"holds": check.holds} for check in reports],
    }


def markdown(targets: Sequence[TargetCheck], reports: Sequence[ReportCheck]) -> str:
    """Return the two tables."""
    asked = (
        (
            check.data,
            check.cell,
            f"{check.target:g}",
            "none" if check.ef_search is None else str(check.ef_search),
            "" if check.smaller is None else f"{check.smaller:.4f}",
            f"{check.recall:.4f}",
            str(check.rows_short),
            "yes" if check.holds else "**no**",
        )
        for check in targets
    )
    said = (
        (
            check.data,
            check.queries,
            f"{check.report.recall:.4f}",
            f"{check.report.low:.4f} to {check.report.high:.4f}",
            f"{check.truth:.4f}",
            "yes" if check.holds else "**no**",
        )
        for check in reports
    )
    head = ("data", "filter", "recall=", "ef_search", "next smaller reached", "measured", "rows short", "holds")
    return f"{table(head, asked)}\n{table(('data', 'queries', 'reported', 'interval', 'truth', 'holds'), said)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__)
    add = parser.add_argument
    add(
        "--data", type=Path, metavar="DIR", help="folder with fashion-mnist/fashion-mnist.npz; else generated data only"
    )
    add("--rows", type=int, default=50_000, help="rows of the generated data (50,000); 0 leaves them out")
    add("--queries", type=int, default=500, help="queries to compare with the truth (500)")
    add("--sample", type=int, default=200, help="queries to tune and to report by (200)")
    add("--cache", type=Path, default=DEFAULT_CACHE, help=f"where databases are kept ({DEFAULT_CACHE})")
    add("--url", help="a server to measure on, where nothing is kept; else an embedded one")
    return parser


def _data(arguments: argparse.Namespace) -> Iterator[FilterData]:
    if arguments.data is not None:
        yield fashion_mnist(arguments.data, arguments.queries)
    if arguments.rows:
        yield generated(arguments.rows, arguments.queries)


if __name__ == "__main__":
    main()
