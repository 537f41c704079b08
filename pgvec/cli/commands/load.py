"""``pgvec load``: rows from a file into a table."""

from __future__ import annotations

import dataclasses
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec import LoadReport
from pgvec.cli.database import open_database
from pgvec.cli.embedded_rows import EmbeddedRows
from pgvec.cli.options import Distance, Json, Schema, TableName, Url, check_text, names_in
from pgvec.cli.output import note, print_json, print_text
from pgvec.cli.progress import load_bar
from pgvec.cli.tables import embedder_for, loading_repository, vector_column
from pgvec.errors import InvalidOptionError
from pgvec.execution.reflection import reflect_table
from pgvec.model import ProgressCallback
from pgvec.operations.row_sources import FileRows, read_csv, read_jsonl

__all__ = ["embedding_rows", "load", "open_rows"]

_STDIN = Path("-")


class Format(StrEnum):
    """Formats of files."""

    CSV = "csv"
    JSONL = "jsonl"


class OnConflict(StrEnum):
    """What happens to a row whose key exists."""

    ERROR = "error"
    SKIP = "skip"
    UPDATE = "update"


_FORMATS = {".csv": Format.CSV, ".tsv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}


def load(
    file: Annotated[Path, typer.Argument(help="A CSV or JSON Lines file; - reads standard input.")],
    *,
    table: TableName,
    schema: Schema = None,
    file_format: Annotated[
        Format | None, typer.Option("--format", help="Format of the file. [default: by its name]")
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(callback=check_text, help="What separates fields of CSV. [default: a comma, for .tsv a tab]"),
    ] = None,
    encoding: Annotated[str, typer.Option(callback=check_text, help="Encoding of the file.")] = "utf-8",
    columns: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAMES", help="Fields to load, separated by commas. [default: all]"),
    ] = None,
    on_conflict: Annotated[OnConflict, typer.Option(help="What happens to a row whose key exists.")] = OnConflict.ERROR,
    key: Annotated[
        str | None,
        typer.Option(
            callback=check_text, metavar="NAMES", help="Columns that make up the key. [default: the primary key]"
        ),
    ] = None,
    embed: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAMES", help="Fields whose text is embedded by the default model."),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAME", help="Vector column for --embed. [default: the only one]"),
    ] = None,
    distance: Distance = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Load a file into a table, all of it or nothing."""
    rows = open_rows(file, file_format, delimiter=delimiter, encoding=encoding, columns=names_in(columns, "--columns"))
    if into is not None and embed is None:
        raise InvalidOptionError("--into goes with --embed, which says what is embedded")
    with open_database(url) as engine:
        reflected = reflect_table(engine, table, schema=schema)
        sources = names_in(embed, "--embed")
        if sources is not None:
            rows = embedding_rows(rows, reflected, sources, into)
        with load_bar(f"loading {table}") as progress:
            report = _load(
                engine,
                reflected,
                rows,
                into=into,
                distance=distance,
                on_conflict=on_conflict,
                key=key,
                progress=progress,
            )
    _print_report(report, rows, as_json=as_json)


def open_rows(
    file: Path, file_format: Format | None, *, delimiter: str | None, encoding: str, columns: tuple[str, ...] | None
) -> FileRows:
    """Return the rows of a file.

    Raises:
        InvalidOptionError: There is no such file, or its name does not tell its format.
    """
    chosen = file_format or _FORMATS.get(file.suffix.lower())
    if chosen is None:
        raise InvalidOptionError(f"the name {file} does not tell the format: give --format csv or --format jsonl")
    if file != _STDIN and not file.is_file():
        raise InvalidOptionError(f"there is no file {file}")
    try:
        "".encode(encoding)
    except LookupError:
        raise InvalidOptionError(f"--encoding {encoding!r} is unknown: give for example utf-8 or latin-1") from None
    source: Any = sys.stdin.buffer if file == _STDIN else file
    if chosen is Format.JSONL:
        if delimiter is not None:
            raise InvalidOptionError("--delimiter goes with CSV")
        return read_jsonl(source, columns=columns, encoding=encoding)
    separator = delimiter or ("\t" if file.suffix.lower() == ".tsv" else ",")
    if len(separator) != 1:
        raise InvalidOptionError(f"--delimiter is one character, not {separator!r}")
    return read_csv(source, columns=columns, delimiter=separator, encoding=encoding)


def embedding_rows(rows: FileRows, table: sa.Table, sources: tuple[str, ...], into: str | None) -> EmbeddedRows:
    """Return rows that are embedded by the default model on their way.

    Raises:
        ConfigurationError: The column holds vectors of another model.
        MissingDependencyError: The extra ``local`` is not installed.
    """
    column = vector_column(table, into)
    return EmbeddedRows(rows, embedder_for(column), sources, column.attribute)


def _load(
    engine: sa.Engine,
    table: sa.Table,
    rows: FileRows,
    *,
    into: str | None,
    distance: str | None,
    on_conflict: OnConflict,
    key: str | None,
    progress: ProgressCallback,
) -> LoadReport:
    repository = loading_repository(engine, table, column=into, distance=distance)
    return repository.bulk_load(rows, on_conflict=on_conflict.value, key=names_in(key, "--key"), progress=progress)


def _print_report(report: LoadReport, rows: FileRows, *, as_json: bool) -> None:
    embedded = rows if isinstance(rows, EmbeddedRows) else None
    if as_json:
        extra = {} if embedded is None else {"embedded": embedded.embedded, "cut": embedded.cut}
        print_json({**dataclasses.asdict(report), **extra})
        return
    rate = f", {report.rows / report.seconds:,.0f} rows/s" if report.seconds else ""
    print_text(
        f"{report.rows:,} rows in {report.seconds:.1f} s{rate}: {report.inserted:,} inserted, {report.updated:,} updated, "
        f"{report.skipped:,} skipped"
    )
    if embedded is not None and embedded.cut:
        note(f"{embedded.cut:,} of {embedded.embedded:,} texts are longer than the model reads and were cut")
