"""``pgvec index``: vector indexes, built and rebuilt while their tables stay in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from sqlalchemy.schema import CreateIndex

from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, RecallSample, Schema, TableName, Url, check_text, debuggable
from pgvec.cli.output import note, print_json, print_table, print_text
from pgvec.cli.progress import bar
from pgvec.cli.recall_samples import check_sample, with_recall
from pgvec.errors import AmbiguousColumnError, InvalidOptionError, MappingMismatchError, NotAnEmbeddingColumnError
from pgvec.execution.index_build import BuildCallback, BuildProgress, build_index, drop_index, rebuild_index
from pgvec.execution.index_plan import megabytes, plan_build
from pgvec.execution.index_states import running_builds, table_columns, vector_indexes
from pgvec.model import IndexMethod, VectorType
from pgvec.model.catalog import CatalogColumn
from pgvec.model.index_build import BuildPlan, BuildSettings, IndexState
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex
from pgvec.orm.index_definition import IndexDefinition

__all__ = ["app", "index_object"]

app = typer.Typer(help="Build, rebuild, drop and watch vector indexes.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(callback=check_text, help="The index.")]
_Memory = Annotated[
    str | None,
    typer.Option(callback=check_text, metavar="SIZE", help="maintenance_work_mem for the build, such as 2GB."),
]
_Workers = Annotated[int | None, typer.Option(min=0, help="Most parallel workers; 0 builds serially.")]
_Patience = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Give up where transactions of others are in the way for so long."),
]


@app.command("list")
@debuggable
def list_(
    *,
    table: Annotated[
        str | None, typer.Option("--table", callback=check_text, metavar="NAME", help="Only indexes of this table.")
    ] = None,
    schema: Schema = None,
    sample: RecallSample = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the vector indexes of the database, and what should be done about them."""
    check_sample(sample)
    with open_database(url) as engine:
        states = with_recall(engine, vector_indexes(engine, table=table, schema=schema), sample)
    if as_json:
        print_json([index_object(state) for state in states])
        return
    rows = [
        (
            state.index.name,
            f"{state.index.schema}.{state.index.table}",
            state.index.column or state.index.expression,
            state.index.method.value,
            state.index.operator_class,
            ", ".join(f"{option}={value}" for option, value in state.index.options.items()),
            state.status,
            megabytes(state.size_bytes),
            f"{state.dead_share:.0%}",
            *(() if sample is None else (state.recall,)),
        )
        for state in states
    ]
    names = ("index", "table", "on", "method", "operator class", "options", "status", "size", "dead rows")
    print_table((*names, *(() if sample is None else ("recall@10",))), rows)
    for state in states:
        if state.advice is not None:
            note(f"{state.index.name}: {state.advice}")


@app.command("build")
@debuggable
def build(
    *,
    table: TableName,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    method: Annotated[str, typer.Option(callback=check_text, help="hnsw or ivfflat.")] = "hnsw",
    m: Annotated[int | None, typer.Option("--m", help="Connections of each element (hnsw).")] = None,
    ef_construction: Annotated[int | None, typer.Option(help="Candidates kept while building (hnsw).")] = None,
    lists: Annotated[int | None, typer.Option(help="Number of lists (ivfflat).")] = None,
    quantization: Annotated[
        str | None, typer.Option(callback=check_text, metavar="TYPE", help="Hold halfvec or bit instead.")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(help="Index so many leading dimensions.")] = None,
    name: Annotated[str | None, typer.Option(callback=check_text, help="Name of the index.")] = None,
    memory: _Memory = None,
    workers: _Workers = None,
    patience: _Patience = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the statement, the estimate and advice.")
    ] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Build a vector index without blocking writers; one that is there and valid is left alone."""
    settings = BuildSettings(memory, workers, patience)
    with open_database(url) as engine:
        found = _choose(table_columns(engine, table, schema=schema), table, column)
        index = _declare(
            found,
            distance,
            method,
            m=m,
            ef_construction=ef_construction,
            lists=lists,
            quantization=quantization,
            dimensions=dimensions,
            name=name,
        )
        stored = VectorType(quantization or found.type)
        plan = plan_build(
            engine,
            IndexDefinition.from_index(index, str(index.name)),
            stored=stored,
            dimensions=dimensions or found.dimensions,
            settings=settings,
        )
        statement = str(CreateIndex(index).compile(dialect=engine.dialect))
        _tell(plan, statement, quiet=as_json)
        built = None
        if not dry_run:
            with _progress(f"building {index.name}") as progress:
                built = build_index(engine, index, progress=progress, settings=settings)
    if as_json:
        print_json({"index": str(index.name), "statement": statement, "plan": plan, "built": built})
    elif built is not None:
        print_text(f"{index.name} {'is built and valid' if built else 'was there already, and is valid'}")


@app.command("rebuild")
@debuggable
def rebuild(
    name: _Name,
    *,
    schema: Schema = None,
    memory: _Memory = None,
    workers: _Workers = None,
    patience: _Patience = None,
    url: Url = None,
) -> None:
    """Build an index anew beside itself, without blocking writers or searches."""
    with open_database(url) as engine, _progress(f"rebuilding {name}") as progress:
        rebuild_index(engine, name, schema=schema, progress=progress, settings=BuildSettings(memory, workers, patience))
    print_text(f"{name} is rebuilt and valid")


@app.command("drop")
@debuggable
def drop(name: _Name, *, schema: Schema = None, patience: _Patience = None, url: Url = None) -> None:
    """Drop an index, valid or INVALID, without blocking those who use its table."""
    with open_database(url) as engine:
        drop_index(engine, name, schema=schema, settings=BuildSettings(lock_timeout_seconds=patience))
    print_text(f"{name} is dropped")


@app.command("progress")
@debuggable
def progress(*, url: Url = None, as_json: Json = False) -> None:
    """Show the builds that go on in the database, whoever began them."""
    with open_database(url) as engine:
        builds = running_builds(engine)
    if as_json:
        print_json(builds)
        return
    rows = [
        (
            running.pid,
            running.table,
            running.index,
            running.command,
            None if running.progress is None else running.progress.phase,
            None if running.progress is None else f"{running.progress.done:,} of {running.progress.total:,}",
            None if running.progress is None else running.progress.waiting_for,
            None if running.seconds is None else f"{running.seconds:.0f}",
        )
        for running in builds
    ]
    print_table(("process", "table", "index", "command", "phase", "done", "waits for", "seconds"), rows)


def _choose(columns: list[CatalogColumn], table: str, name: str | None) -> CatalogColumn:
    listed = ", ".join(column.name for column in columns)
    if not columns:
        raise MappingMismatchError(
            f"there is no table {table!r} with a vector column where the search_path or --schema lead"
        )
    named = [column for column in columns if name in (None, column.name)]
    if not named:
        raise NotAnEmbeddingColumnError(f"{name!r} is no vector column of {table!r}, which has {listed}")
    if len(named) > 1:
        raise AmbiguousColumnError(f"{table!r} has several vector columns ({listed}): give --column")
    return named[0]


def _declare(column: CatalogColumn, distance: str | None, method: str, **options: Any) -> sa.Index:
    if column.dimensions is None:
        raise InvalidOptionError(
            f"{column.table}.{column.name} has no number of dimensions, and an index needs one: ALTER COLUMN ... TYPE "
            f"{column.type.value}(n) first"
        )
    kinds: dict[str, type[sa.Index]] = {IndexMethod.HNSW: HnswIndex, IndexMethod.IVFFLAT: IvfflatIndex}
    if method not in kinds:
        raise InvalidOptionError(f"--method is hnsw or ivfflat, not {method!r}")
    for option, of in (("m", "hnsw"), ("ef_construction", "hnsw"), ("lists", "ivfflat")):
        if of != method and options.pop(option) is not None:
            raise InvalidOptionError(f"--{option.replace('_', '-')} is an option of {of}, not of {method}")
    embedding = Embedding(column.dimensions, distance, column.type, extension_schema=column.type_schema)
    index = kinds[method](column.name, postgresql_concurrently=True, **options)
    sa.Table(column.table, sa.MetaData(), sa.Column(column.name, embedding), index, schema=column.schema)
    return index


def _tell(plan: BuildPlan, statement: str, *, quiet: bool) -> None:
    if not quiet:
        note(statement)
        note(
            f"about {plan.rows:,} rows; takes up to {megabytes(plan.memory_bytes)} of {megabytes(plan.maintenance_work_mem_bytes)} "
            f"maintenance_work_mem; {plan.workers} parallel workers"
        )
    for sentence in plan.advice:
        note(f"advice: {sentence}")


@contextmanager
def _progress(label: str) -> Iterator[BuildCallback]:
    with bar(label, unit="blocks") as advance:

        def report(found: BuildProgress) -> None:
            advance(found.done, found.total or None)

        yield report


def index_object(state: IndexState) -> dict[str, object]:
    """Return what programs are told of an index."""
    return {
        "name": state.index.name,
        "schema": state.index.schema,
        "table": state.index.table,
        "column": state.index.column,
        "expression": state.index.expression,
        "method": state.index.method,
        "operator_class": state.index.operator_class,
        "options": state.index.options,
        "predicate": state.index.predicate,
        "status": state.status,
        "size_bytes": state.size_bytes,
        "scans": state.scans,
        "dead_share": state.dead_share,
        "recall": state.recall,
        "advice": state.advice,
    }
