"""All commands, put together."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from pgvec.cli.commands import (
    adopt,
    advise,
    ask,
    calibrate,
    demo,
    doctor,
    examples,
    explain,
    index,
    ingest,
    inspect,
    load,
    migrate,
    recall,
    reembed,
    search,
    server,
    sync,
    worker,
)
from pgvec.cli.errors import ErrorReportingGroup, remember_debug
from pgvec.cli.options import debuggable
from pgvec.cli.output import print_text

__all__ = ["app"]

app = typer.Typer(
    cls=ErrorReportingGroup,
    help="pgvec turns Postgres into the vector database of your application.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        print_text(f"pgvec {version('pgvec')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", callback=remember_debug, help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Search, load and migrate a Postgres database with vectors; without --url, one on this machine."""
    del show_version, debug


app.command("load")(debuggable(load.load))
app.command("search")(debuggable(search.search))
app.command("ingest")(debuggable(ingest.ingest))
app.command("ask")(debuggable(ask.ask))
app.command("recommend")(debuggable(examples.recommend))
app.command("discover")(debuggable(examples.discover))
app.command("similar")(debuggable(examples.similar))
app.command("recall")(debuggable(recall.recall))
app.command("tune")(debuggable(recall.tune))
app.command("advise")(debuggable(advise.advise))
app.command("calibrate")(debuggable(calibrate.calibrate))
app.command("doctor")(debuggable(doctor.doctor))
app.command("explain")(debuggable(explain.explain))
app.command("worker")(debuggable(worker.worker))
app.command("reembed")(debuggable(reembed.reembed))
app.command("adopt")(debuggable(adopt.adopt))
app.command("inspect")(debuggable(inspect.inspect))
app.command("demo")(debuggable(demo.demo))
app.add_typer(index.app, name="index")
app.add_typer(server.app, name="server")
app.add_typer(migrate.app, name="migrate")
app.add_typer(sync.app, name="sync")
