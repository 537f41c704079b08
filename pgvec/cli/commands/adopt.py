"""``pgvec adopt``: a table that exists becomes one that is searched by meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgvec.cli.adoption.model_text import class_name, write_model
from pgvec.cli.adoption.plan import Adoption, Wishes, plan_adoption
from pgvec.cli.adoption.revision_text import write_revisions
from pgvec.cli.adoption.run import run_adoption
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, check_text, names_in
from pgvec.cli.output import print_json, print_text
from pgvec.errors import ConfigurationError
from pgvec.model.index_build import BuildSettings

__all__ = ["adopt"]


def adopt(
    *,
    table: TableName,
    schema: Schema = None,
    text: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="NAMES", help="Columns to embed, separated by commas, a line each."),
    ] = None,
    dimensions: Annotated[int | None, typer.Option(help="Dimensions of the embeddings.")] = None,
    column: Column = None,
    distance: Distance = None,
    storage: Annotated[
        str | None, typer.Option(callback=check_text, help="plain keeps vectors inside the table's pages.")
    ] = None,
    quantization: Annotated[
        str | None, typer.Option(callback=check_text, metavar="TYPE", help="The index holds halfvec or bit instead.")
    ] = None,
    name: Annotated[str | None, typer.Option("--class-name", callback=check_text, help="Name of the class.")] = None,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write.")] = Path(),
    after: Annotated[
        str | None,
        typer.Option(callback=check_text, metavar="REVISION", help="Alembic revision that the new ones follow."),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Write nothing: add the column, embed the rows and build the index now.")
    ] = False,
    memory: Annotated[
        str | None, typer.Option(callback=check_text, metavar="SIZE", help="With --run: maintenance_work_mem.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Write the model and the migrations for a table that exists, or do it now, while the table stays in use."""
    wishes = Wishes(table, schema, names_in(text, "--text"), dimensions, column, distance, storage, quantization)
    with open_database(url) as engine:
        adoption = plan_adoption(engine, wishes)
        if run:
            done = run_adoption(engine, adoption, BuildSettings(maintenance_work_mem=memory))
            if as_json:
                print_json(done)
            else:
                print_text(
                    f"{adoption.name}: column {'added' if done.column_added else 'was there'}, {done.backfill.embedded:,} rows "
                    f"embedded, {done.backfill.without_text:,} without text, index {'built' if done.index_built else 'was there'}"
                )
            return
    written = _write(adoption, name or class_name(adoption.table.name), into, after)
    if as_json:
        print_json({"files": [str(path) for path in written], "made_by": adoption.made_by})
        return
    if adoption.made_by is not None:
        print_text(f"the table was made by {adoption.made_by}")
    for path in written:
        print_text(f"wrote {path}")


def _write(adoption: Adoption, name: str, folder: Path, after: str | None) -> list[Path]:
    """Write the files, all or none."""
    if not name.isidentifier():
        raise ConfigurationError(f"--class-name is a name of Python, not {name!r}")
    stem = "".join(character if character.isalnum() else "_" for character in adoption.table.name)
    files = {folder / f"{stem}_model.py": write_model(adoption, name)}
    files |= {folder / f"{revision.id}.py": revision.text for revision in write_revisions(adoption, after)}
    there = [str(path) for path in files if path.exists()]
    if there:
        raise ConfigurationError(f"{', '.join(there)} exists: remove it, or choose another folder with --into")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return list(files)
