"""``pgvec reembed``: another model for a vector column, while its table stays in use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pgvec.cli.commands.worker import pooled, split_embedder
from pgvec.cli.database import open_database
from pgvec.cli.options import Json, Schema, TableName, Url, check_text, names_in
from pgvec.cli.output import note, print_json, print_text
from pgvec.cli.progress import bar
from pgvec.embedding_sync import (
    Reembedding,
    ReembedOptions,
    ReembedProgress,
    ReembedStatus,
    load_embedders,
    read_embedder_names,
)
from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.execution.survey import SECONDS_KNOWN
from pgvec.model import Embedder

__all__ = ["reembed"]

_DEFAULTS = ReembedOptions()


def reembed(
    *,
    table: TableName,
    column: Annotated[str, typer.Option(callback=check_text, metavar="NAME", help="Vector column of the old model.")],
    schema: Schema = None,
    to: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAME", help="New embedder: add, fill, index, check, switch."),
    ] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Make the new column current.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Make the old column current again.")] = False,
    clean_up: Annotated[bool, typer.Option("--clean-up", help="Drop the old column.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Drop the new column.")] = False,
    no_switch: Annotated[bool, typer.Option("--no-switch", help="With --to: end before the switch.")] = False,
    embedder: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=MODULE:ATTRIBUTE", help="Where an embedder is; as for pgvec worker."),
    ] = None,
    new_column: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAME", help="The new column. [default: of --column and --to]"),
    ] = None,
    column_type: Annotated[
        str | None, typer.Option("--type", callback=check_text, help="vector or halfvec. [default: as before]")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAMES", help="Columns of the text, where no sync names them."),
    ] = None,
    template: Annotated[
        str | None, typer.Option(callback=check_text, metavar="TEXT", help="What to embed, with --source.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows embedded together.")] = _DEFAULTS.batch_size,
    rate: Annotated[float | None, typer.Option(metavar="TEXTS", help="Most texts a second.")] = None,
    least_recall: Annotated[
        float, typer.Option(help="What the new indexes have to find, else nothing is switched.")
    ] = _DEFAULTS.least_recall,
    most_missing: Annotated[int, typer.Option(help="Rows that may be without a new embedding.")] = 0,
    patience: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="With --clean-up: how long ago the switch has to be. [default: 300]"),
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Replace the vectors of a column by those of another model with no downtime; called again, go on where it was."""
    actions = {"--to": to is not None, "--switch": switch, "--rollback": rollback, "--clean-up": clean_up}
    asked = [name for name, given in (actions | {"--abandon": abandon}).items() if given]
    if len(asked) > 1:
        raise InvalidOptionError(f"{' and '.join(asked)} are different things to do: give one of them")
    if column_type not in (None, "vector", "halfvec"):
        raise InvalidOptionError(f"--type is vector or halfvec, not {column_type!r}")
    with open_database(url) as opened, pooled(opened) as engine:
        work = Reembedding(engine, table, column, schema=schema)
        done: ReembedStatus | None = None
        if to is not None:
            options = ReembedOptions(
                batch_size=batch_size,
                texts_per_second=rate,
                least_recall=least_recall,
                most_missing=most_missing,
                switch=not no_switch,
            )
            with bar(f"re-embedding {table}.{column}") as advance:

                def report(found: ReembedProgress) -> None:
                    advance(found.done, found.total or None)

                done = work.run(
                    to,
                    _embedder(to, embedder),
                    new_column=new_column,
                    column_type=column_type,
                    source=names_in(source, "--source"),
                    template=template,
                    options=options,
                    progress=report,
                )
        elif switch:
            work.switch()
        elif rollback:
            work.rollback()
        elif clean_up:
            work.clean_up(patience_seconds=SECONDS_KNOWN if patience is None else patience)
        elif abandon:
            work.abandon()
        _show(table, column, done or work.status(), as_json=as_json)


def _embedder(name: str, given: list[str] | None) -> Embedder:
    # Modules beside the caller are found as python -m finds them.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    names = read_embedder_names(Path.cwd()) | dict(split_embedder(text) for text in given or ())
    found = load_embedders({known: place for known, place in names.items() if known == name})
    if name not in found:
        raise ConfigurationError(
            f"There is no embedder {name!r}: name it  --embedder {name}=module:attribute  or in [tool.pgvec.embedders]"
        )
    return found[name]


def _show(table: str, column: str, status: ReembedStatus | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"reembedding": status})
        return
    if status is None:
        print_text(f"no re-embedding of {table}.{column} goes on")
        return
    current = status.new_column if status.stage in ("switched", "finished") else status.old_column
    recall = "" if status.recall is None else f", recall {status.recall:.3f}"
    print_text(
        f"{table}.{status.old_column} -> {status.new_column} ({status.embedder}: {status.model_name}, revision "
        f"{status.model_revision}) is {status.stage}{recall}; searches by texts go to {current}"
    )
    for name in status.skipped:
        note(f"{name} has no counterpart on {status.new_column}: build one by hand")
