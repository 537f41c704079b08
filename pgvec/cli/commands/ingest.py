"""``pgvec ingest``: a folder of files into documents that can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pgvec.cli.database import open_database
from pgvec.cli.documents.model import Chunk, create_tables
from pgvec.cli.options import Json, Url, check_text
from pgvec.cli.output import note, print_json, print_text
from pgvec.cli.progress import bar, waiting
from pgvec.embedders import default_embedder
from pgvec.rag import IngestProgress, IngestReport
from pgvec.rag import ingest as ingest_folder

__all__ = ["ingest"]


def ingest(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder.")],
    *,
    corpus: Annotated[
        str | None,
        typer.Option(
            callback=check_text, metavar="NAME", help="Keep its documents under this name. [default: its path]"
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only paths like this, such as '*.md'; may be repeated."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="No paths like this; may be repeated.")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(callback=check_text, help="Encoding of texts that do not say what they are. [default: utf-8]"),
    ] = None,
    keep_missing: Annotated[bool, typer.Option("--keep-missing", help="Keep documents whose file is gone.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Read a folder (text, Markdown, reStructuredText, HTML, PDF, DOCX, CSV, source code) so that it can be asked.

    Run again, it reads and embeds only what has changed, and deletes what is gone; interrupted, it goes on where it stood.
    """
    embedder = default_embedder()
    with open_database(url) as engine:
        with waiting("migrating"):
            create_tables(engine)
        with bar("ingesting", unit="files") as advance:

            def report(progress: IngestProgress) -> None:
                advance(progress.done, progress.total)

            done = ingest_folder(
                engine,
                folder,
                Chunk,
                embedder=embedder,
                corpus=corpus,
                include=include or (),
                exclude=exclude or (),
                encoding=encoding,
                keep_missing=keep_missing,
                progress=report,
            )
    if as_json:
        print_json(done)
    else:
        _print_report(done)


def _print_report(done: IngestReport) -> None:
    for file in done.refused:
        note(f"refused: {file.path} {file.reason}")
    print_text(
        f"{done.added:,} documents added, {done.changed:,} changed, {done.unchanged:,} unchanged, {done.deleted:,} deleted, "
        f"{len(done.refused):,} refused, {done.ignored:,} files of other formats, in {done.seconds:.1f} s"
    )
    print_text(f"{done.chunks:,} chunks written, {done.embedded:,} texts embedded")
