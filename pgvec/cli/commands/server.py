"""``pgvec server``: the embedded server of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgvec.cli.options import Json, Url, debuggable
from pgvec.cli.output import note, print_json, print_text
from pgvec.embedded import EmbeddedServer, ServerStatus
from pgvec.execution.url import libpq_url

__all__ = ["app"]

app = typer.Typer(
    help="Start, stop and reach the embedded server, which is for tests and for trying out.", no_args_is_help=True
)


@app.command("start")
@debuggable
def start(*, as_json: Json = False) -> None:
    """Start the server in the background, where it stays until it is stopped."""
    _print_status(EmbeddedServer().start(detached=True).status(), as_json=as_json)


@app.command("stop")
@debuggable
def stop(*, as_json: Json = False) -> None:
    """Stop the server, whoever uses it; its data stay."""
    server = EmbeddedServer()
    server.stop()
    _print_status(server.status(), as_json=as_json)


@app.command("status")
@debuggable
def status(*, as_json: Json = False) -> None:
    """Show whether the server runs, and where its files are."""
    _print_status(EmbeddedServer().status(), as_json=as_json)


@app.command("url")
@debuggable
def url(
    *,
    sqlalchemy: Annotated[bool, typer.Option("--sqlalchemy", help="Print the form for SQLAlchemy's engine.")] = False,
    as_json: Json = False,
) -> None:
    """Print the URL of the server."""
    server = EmbeddedServer()
    if as_json:
        print_json({"url": server.url, "sqlalchemy_url": server.sqlalchemy_url, "running": server.running})
        return
    print_text(server.sqlalchemy_url if sqlalchemy else server.url)
    if not server.running:
        note("The server does not run; start it with  pgvec server start")


@app.command("psql", context_settings={"allow_interspersed_args": False})
@debuggable
def psql(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGUMENTS", help="What psql itself is given, after --: for example -- -c 'SELECT 1'."),
    ] = None,
    *,
    database_url: Url = None,
) -> None:
    """Open psql on the server, or on the database of --url; the server runs while psql does."""
    raise typer.Exit(_run_psql(database_url, list(arguments or ())))


def _run_psql(database_url: str | None, arguments: list[str]) -> int:
    server = EmbeddedServer()
    if database_url is None:
        with server:
            return _call(server.psql_path, server.url, arguments)
    return _call(shutil.which("psql") or server.psql_path, libpq_url(database_url), arguments)


def _call(program: str | Path, url: str, arguments: list[str]) -> int:
    options = conninfo_to_dict(url)
    # What stands on a command line, every user of the machine can read.
    password = options.pop("password", None)
    environment = os.environ | ({} if password is None else {"PGPASSWORD": str(password)})
    command = [str(program), f"--dbname={make_conninfo('', **options)}", *arguments]
    process = subprocess.Popen(command, env=environment)  # noqa: S603  (no shell reads the user's arguments)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # psql takes Ctrl-C for the statement that it runs
            continue


def _print_status(found: ServerStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found.running:
        print_text(f"running (pid {found.pid}) in {found.path}")
        print_text(found.url)
    else:
        print_text(f"not running; files in {found.path}")
