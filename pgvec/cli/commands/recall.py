"""``pgvec recall`` and ``pgvec tune``: how good searches are, and how good they are to be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from pgvec import RecallPoint, RecallReport, Repository, TuneReport
from pgvec.cli.chart import draw_recall, recall_chart, require_plotting
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Plot, Schema, TableName, Url, Where, filter_in, names_in
from pgvec.cli.output import note, print_json, print_table, print_text
from pgvec.cli.progress import measure_bar
from pgvec.execution.reflection import reflect_table
from pgvec.operations.tune import FILTER_SHARES, LADDER

__all__ = ["recall", "tune"]

_Limit = Annotated[int, typer.Option(help="Rows of each answer: the k of recall@k.")]
_Sample = Annotated[int, typer.Option(help="Records to take as queries.")]


def recall(
    *,
    table: TableName,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    where: Where = None,
    limit: _Limit = 10,
    sample: _Sample = 200,
    ef_search: Annotated[int | None, typer.Option(help="hnsw.ef_search of the searches.")] = None,
    target: Annotated[
        float | None, typer.Option("--recall", help="Ask for this recall, as a search with recall= does.")
    ] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Measure many values of ef_search, and show them.")] = False,
    plot: Plot = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Compare searches in a table with exact ones, on its own records."""
    condition = filter_in(where)
    if plot is not None:
        require_plotting()
    with _opened(url, table, schema, column, distance) as repository, measure_bar() as progress:
        rungs = [ef for ef in LADDER if ef > limit] if curve or plot is not None else []
        report = repository.recall(
            limit=limit,
            sample=sample,
            where=condition,
            ef_search=ef_search,
            recall=target,
            curve=rungs,
            progress=progress,
        )
    if plot is not None:
        draw_recall(plot, f"{table}: recall@{limit}", {"searches": report.curve})
        note(f"written: {plot}")
    if as_json:
        print_json(report)
    else:
        _print_recall(report)


def tune(
    *,
    table: TableName,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    target: Annotated[
        list[float] | None, typer.Option("--target", help="A recall to reach; may be repeated. [default: 0.95]")
    ] = None,
    where: Where = None,
    classes: Annotated[
        str | None,
        typer.Option("--classes", metavar="NAMES", help="Which filters to measure: some of all,half,tenth,rare."),
    ] = None,
    limit: _Limit = 10,
    sample: _Sample = 200,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing.")] = False,
    plot: Plot = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Find the smallest ef_search that reaches a recall, and store it for searches to use."""
    condition = filter_in(where)
    if plot is not None:
        require_plotting()
    with _opened(url, table, schema, column, distance) as repository, measure_bar() as progress:
        report = repository.tune(
            target_recall=tuple(target or (0.95,)),
            limit=limit,
            sample=sample,
            where=condition,
            filter_classes=names_in(classes, "--classes") or tuple(FILTER_SHARES),
            every=plot is not None,
            store=not dry_run,
            progress=progress,
        )
    if plot is not None:
        draw_recall(plot, f"{table}: recall@{limit}", {one.filter_class: one.trials for one in report.classes})
        note(f"written: {plot}")
    if as_json:
        print_json(report)
    else:
        _print_tuned(report)


@contextmanager
def _opened(
    url: str | None, table: str, schema: str | None, column: str | None, distance: str | None
) -> Iterator[Repository[Any]]:
    with open_database(url) as engine:
        reflected = reflect_table(engine, table, schema=schema)
        yield Repository[Any](engine, reflected, column=column, distance=distance)


def _print_recall(report: RecallReport) -> None:
    print_text(
        f"recall@{report.limit} {report.recall:.4f}, with 95 % confidence between {report.low:.4f} and {report.high:.4f} "
        f"({report.queries:,} queries)"
    )
    print_text(
        f"median {report.p50_ms:.2f} ms, 95 % within {report.p95_ms:.2f} ms; exact {report.exact_p50_ms:.2f} ms; "
        f"answered by {_counts(report.strategies)}; {report.rows_short} rows short"
    )
    if report.curve:
        _print_points(report.curve)
        for line in recall_chart(report.curve):
            print_text(line)


def _print_tuned(report: TuneReport) -> None:
    print_table(
        ("filter", "rows that pass", "target", "ef_search", "recall", "p50 ms"),
        [
            (
                found.filter_class,
                f"{100 * found.share:.3g} %",
                f"{found.target_recall:g}",
                "not reached" if found.ef_search is None else str(found.ef_search),
                found.recall,
                next(
                    (trial.p50_ms for trial in found.trials if trial.ef_search == found.ef_search),
                    found.trials[-1].p50_ms,
                ),
            )
            for found in report.classes
        ],
    )
    shown = set()
    for found in report.classes:
        if found.filter_class not in shown and len(found.trials) > 1:
            shown.add(found.filter_class)
            print_text(f"{found.filter_class}:")
            for line in recall_chart(found.trials):
                print_text(line)
    print_text(
        "stored: searches with recall= use it"
        if report.stored
        else "not stored: leave out --dry-run to let searches use it"
    )


def _print_points(points: tuple[RecallPoint, ...]) -> None:
    print_table(
        ("ef_search", "recall", "from", "to", "p50 ms", "p95 ms"),
        [(point.ef_search, point.recall, point.low, point.high, point.p50_ms, point.p95_ms) for point in points],
    )


def _counts(strategies: dict[str, int]) -> str:
    ordered = sorted(strategies.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in ordered)
