"""``pgvec migrate``: the schema ``pgvec`` of a database."""

from __future__ import annotations

from typing import Annotated

import typer

from pgvec.cli.database import open_database
from pgvec.cli.options import Json, Url, check_text, debuggable
from pgvec.cli.output import print_json, print_table, print_text
from pgvec.execution import migrate
from pgvec.model.migration import MigrationStatus

__all__ = ["app"]

app = typer.Typer(help="Bring the schema pgvec of a database up or down.", no_args_is_help=True)

_ExtensionSchema = Annotated[
    str | None,
    typer.Option(callback=check_text, metavar="NAME", help="Where to install the extension vector if it is missing."),
]


@app.command("up")
@debuggable
def up(
    *,
    to: Annotated[str, typer.Option(callback=check_text, help="Last script to run.")] = migrate.HEAD,
    extension_schema: _ExtensionSchema = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Run the scripts that are pending, all in one transaction."""
    with open_database(url) as engine:
        _report("ran", migrate.up(engine, to=to, extension_schema=extension_schema), as_json=as_json)


@app.command("down")
@debuggable
def down(
    *,
    to: Annotated[
        str | None, typer.Option(callback=check_text, help="Last script to keep; base keeps none. [default: one back]")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Take scripts back, newest first, all in one transaction; the extension vector stays."""
    with open_database(url) as engine:
        _report("took back", migrate.down(engine, to=to), as_json=as_json)


@app.command("sql")
@debuggable
def sql(
    *,
    start: Annotated[
        str, typer.Option("--from", callback=check_text, help="Script that the database is at.")
    ] = migrate.BASE,
    to: Annotated[str, typer.Option(callback=check_text, help="Script to reach.")] = migrate.HEAD,
    extension_schema: _ExtensionSchema = None,
) -> None:
    """Print the SQL instead of running it; no connection is made."""
    print_text(migrate.sql(start=start, to=to, extension_schema=extension_schema).rstrip("\n"))


@app.command("status")
@debuggable
def status(*, url: Url = None, as_json: Json = False) -> None:
    """Show where the database stands; nothing is written."""
    with open_database(url) as engine:
        found = migrate.status(engine)
    if as_json:
        print_json({"is_current": found.is_current, **_without_checksums(found)})
    else:
        _print_status(found)


def _report(verb: str, names: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({"scripts": names})
    elif names:
        print_text(f"{verb} {', '.join(names)}")
    else:
        print_text("nothing to do")


def _print_status(found: MigrationStatus) -> None:
    rows = [(script.name, f"{script.applied_at:%Y-%m-%d %H:%M}", script.applied_by) for script in found.applied]
    rows += [(name, "pending", "") for name in found.pending]
    print_table(("script", "applied", "by"), rows)
    print_text(f"extension vector: {found.extension_version or 'not installed'}")
    if found.changed:
        print_text(f"applied with another content than this pgvec has: {', '.join(found.changed)}")
    if found.unknown:
        print_text(f"applied by a newer pgvec: {', '.join(found.unknown)}")
    print_text("up to date" if found.is_current else "not up to date: run  pgvec migrate up")


def _without_checksums(found: MigrationStatus) -> dict[str, object]:
    return {
        "current": found.current,
        "head": found.head,
        "pending": found.pending,
        "applied": [
            {"name": script.name, "applied_at": script.applied_at, "applied_by": script.applied_by}
            for script in found.applied
        ],
        "unknown": found.unknown,
        "changed": found.changed,
        "extension_version": found.extension_version,
    }
