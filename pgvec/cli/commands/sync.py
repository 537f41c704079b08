"""``pgvec sync``: declare embeddings that follow their text, and see where they stand."""

from __future__ import annotations

import time
from typing import Annotated

import sqlalchemy as sa
import typer

from pgvec.cli.database import open_database
from pgvec.cli.options import Json, Schema, TableName, Url, check_text, debuggable, names_in
from pgvec.cli.output import print_json, print_table, print_text
from pgvec.embedding_sync import EmbeddingSync, Syncs, SyncStatus, read_totals
from pgvec.errors import InvalidOptionError

__all__ = ["app"]

app = typer.Typer(help="Embeddings that follow their text: declare them, see where they stand.", no_args_is_help=True)

_Name = Annotated[
    str, typer.Argument(callback=check_text, metavar="NAME", help="The sync, as  pgvec sync status  lists it.")
]


@app.command("create")
@debuggable
def create(
    *,
    table: TableName,
    schema: Schema = None,
    source: Annotated[
        str, typer.Option(callback=check_text, metavar="NAMES", help="Columns of the text, separated by commas.")
    ],
    column: Annotated[
        str, typer.Option(callback=check_text, metavar="NAME", help="Vector column that takes the embeddings.")
    ],
    embedder: Annotated[
        str, typer.Option(callback=check_text, metavar="NAME", help="Embedder, by the name that the workers know.")
    ] = "minilm",
    template: Annotated[
        str | None, typer.Option(callback=check_text, metavar="TEXT", help="What to embed, such as '{title}: {body}'.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAME", help="Name of the sync. [default: schema.table.column]"),
    ] = None,
    priority: Annotated[int, typer.Option(help="Workers turn to higher ones first.")] = 0,
    backfill: Annotated[
        str, typer.Option(callback=check_text, help="Rows that are there to embed: all, missing or none.")
    ] = "all",
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Declare that a vector column follows text columns; calling it again brings the declaration up to date."""
    sources = names_in(source, "--source") or ()
    sync = EmbeddingSync(
        table=table,
        schema=schema,
        source=sources,
        column=column,
        embedder=embedder,
        template=template,
        name=name,
        priority=priority,
    )
    with open_database(url) as engine:
        (made,) = Syncs(engine).create(sync, backfill=backfill)
    if as_json:
        print_json({"name": made})
    else:
        print_text(f"{made} follows {', '.join(sources)}; a worker embeds it:  pgvec worker")


@app.command("status")
@debuggable
def status(
    name: Annotated[
        str | None, typer.Argument(callback=check_text, metavar="[NAME]", help="One sync instead of all.")
    ] = None,
    *,
    watch: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Show it again and again, with rates; Ctrl-C ends it.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show what waits, what was given up, and what the workers do."""
    if watch is not None and not watch > 0:
        raise InvalidOptionError(f"--watch takes a number of seconds above 0, not {watch}")
    with open_database(url) as engine:
        before = None
        while True:
            before = _show(engine, name, before, as_json=as_json)
            if watch is None:
                return
            time.sleep(watch)


@app.command("pause")
@debuggable
def pause(name: _Name, *, url: Url = None) -> None:
    """Let workers leave a sync alone; changes are still written down."""
    with open_database(url) as engine:
        Syncs(engine).pause(name)
    print_text(f"{name} is paused")


@app.command("resume")
@debuggable
def resume(name: _Name, *, url: Url = None) -> None:
    """Let workers attend to a sync again."""
    with open_database(url) as engine:
        Syncs(engine).resume(name)
    print_text(f"{name} goes on")


@app.command("retry")
@debuggable
def retry(name: _Name, *, url: Url = None) -> None:
    """Try again at once what was parked, or failed and waits."""
    with open_database(url) as engine:
        count = Syncs(engine).retry(name)
    print_text(f"{count} rows will be tried again")


@app.command("reconcile")
@debuggable
def reconcile(name: _Name, *, url: Url = None) -> None:
    """Find rows that were written with triggers disabled or by replication; reads the whole table."""
    with open_database(url) as engine:
        count = Syncs(engine).reconcile(name)
    print_text(f"{count} rows were found and will be embedded")


@app.command("drop")
@debuggable
def drop(name: _Name, *, url: Url = None) -> None:
    """Remove a sync and its triggers; the embeddings stay as they are."""
    with open_database(url) as engine:
        Syncs(engine).drop(name)
    print_text(f"{name} was dropped; its embeddings follow the text no more")


def _show(engine: sa.Engine, name: str | None, before: tuple[float, int] | None, *, as_json: bool) -> tuple[float, int]:
    """Print where the syncs stand, and return when that was and how many embeddings were written until then."""
    found = Syncs(engine).status(name)
    totals = read_totals(engine)
    moment = time.monotonic()
    rate = None if before is None else (totals.embedded - before[1]) / (moment - before[0])
    if as_json:
        print_json({"syncs": found, "workers": totals, "embedded_per_second": rate})
        return moment, totals.embedded
    print_table(
        ("sync", "waiting", "claimed", "retrying", "parked", "oldest", "embedder", "state"),
        [_row(sync) for sync in found],
    )
    for sync in found:
        if sync.error:
            print_text(f"{sync.name}: {sync.error}")
    pace = "" if rate is None else f", {rate:.0f} a second now"
    print_text(
        f"workers: {totals.running} seen in the last minute; in a day {totals.embedded} embedded{pace}, "
        f"{totals.unchanged} unchanged, {totals.refused} refused, {totals.retried} retried, {totals.parked} parked"
    )
    return moment, totals.embedded


def _row(sync: SyncStatus) -> tuple[object, ...]:
    oldest = "" if sync.oldest is None else f"{sync.oldest:%Y-%m-%d %H:%M:%S}"
    state = "paused" if sync.paused else "up to date" if not sync.backlog else "behind"
    return (sync.name, sync.waiting, sync.claimed, sync.retrying, sync.parked, oldest, sync.embedder, state)
