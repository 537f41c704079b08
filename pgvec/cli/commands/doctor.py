"""``pgvec doctor``: what is wrong with the vectors of a database, with evidence and a fix."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pgvec import Diagnosis, Finding, Severity, diagnose
from pgvec.cli.database import open_database
from pgvec.cli.errors import DATA
from pgvec.cli.options import Distance, Json, Schema, Url, check_text
from pgvec.cli.output import note, print_json, print_table, print_text, visible
from pgvec.errors import InvalidOptionError
from pgvec.model.doctor import CHECKS
from pgvec.operations.doctor import check_ids

__all__ = ["doctor"]


class FailOn(StrEnum):
    """From which severity on the command fails."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    NEVER = "never"


def doctor(
    *,
    table: Annotated[
        str | None, typer.Option("--table", callback=check_text, metavar="NAME", help="Only this table.")
    ] = None,
    schema: Schema = None,
    distance: Distance = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CHECK", help="Leave out a check; may be repeated.")
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit with 1 where something so bad, or worse, is found.")
    ] = FailOn.WARNING,
    as_sql: Annotated[bool, typer.Option("--sql", help="Print the SQL of the fixes alone, for psql.")] = False,
    list_checks: Annotated[bool, typer.Option("--list", help="List the checks, and look at nothing.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with vectors, indexes and settings, and say how to mend it. Nothing is written."""
    if as_sql and as_json:
        raise InvalidOptionError("give either --sql or --json, and not both")
    ignored = check_ids(ignore or (), "--ignore")
    if list_checks:
        _list(as_json=as_json)
        return
    with open_database(url) as engine:
        found = diagnose(engine, table=table, schema=schema, distance=distance, ignore=ignored)
    if as_json:
        print_json(found)
    elif as_sql:
        for finding in found.findings:
            _print_sql(finding)
    else:
        _print_for_people(found)
    if fail_on is not FailOn.NEVER and found.at_least(Severity(fail_on.value)):
        raise typer.Exit(DATA)


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json(CHECKS)
        return
    print_table(("check", "finds"), CHECKS.items())


def _print_for_people(found: Diagnosis) -> None:
    for finding in found.findings:
        for line in (*finding.lines(), *(f"   in a migration: {operation}" for operation in finding.migration)):
            print_text(visible(line))
    count = len(found.findings)
    tables = f"{found.tables} table{'' if found.tables == 1 else 's'} with vectors"
    print_text(
        f"{count} finding{'' if count == 1 else 's'} in {tables}" if count else f"nothing is wrong with {tables}"
    )
    for what in found.unchecked:
        note(f"not looked at: {what}")


def _print_sql(finding: Finding) -> None:
    """Print what was found as a comment, and each statement on a line of its own."""
    print_text(visible(f"-- {finding.check}: {finding.subject}: {finding.fix}"))
    for statement in finding.sql:
        print_text(f"{statement};")
