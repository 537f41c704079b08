"""The demo from nothing to a table that can be searched."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa

from pgvec.cli.demo import steps
from pgvec.cli.demo.docstrings import Docstring
from pgvec.cli.demo.library import library_fingerprint, read_library
from pgvec.cli.demo.model import hnsw_index
from pgvec.cli.output import note
from pgvec.cli.progress import bar, waiting
from pgvec.execution import migrate
from pgvec.execution.index_build import BuildProgress, build_index
from pgvec.execution.search_path import show_extension_always

__all__ = ["Preparation", "prepare"]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What it took to make the table ready.

    Attributes:
        rows: Rows in the table.
        embedded: Docstrings that were embedded now; the others were there already.
        cut: How many texts were cut, of how many, and at which length.
        index_built: Whether the index was built now.
        seconds: How long all of it took.
    """

    rows: int
    embedded: int
    cut: steps.Cut
    index_built: bool
    seconds: float


def prepare(engine: sa.Engine, embedder: steps.DemoEmbedder, *, limit: int | None = None) -> Preparation:
    """Bring the demo's table to where it can be searched; what an earlier run did is not done again.

    Args:
        engine: An engine on the database; one that keeps no connections, because their ``search_path`` may be changed.
        embedder: What embeds.
        limit: Take only so many docstrings, spread over the library.
    """
    began = time.monotonic()
    with waiting("migrating"):
        migrate.up(engine)
        show_extension_always(engine)
        steps.create_tables(engine)
    fingerprint = library_fingerprint()
    embedded = 0
    if limit is not None or not steps.is_complete(engine, fingerprint, embedder.revision):
        with waiting("reading the docstrings of the standard library"):
            library = _sample(read_library(), limit)
        embedded = _load(engine, embedder, library)
        if limit is None:
            steps.remove_others(engine, library)
            steps.record_complete(engine, fingerprint, embedder.revision)
    with bar("building the HNSW index", unit="blocks") as advance:

        def report(progress: BuildProgress) -> None:
            advance(progress.done, progress.total or None)

        index_built = build_index(engine, hnsw_index(), progress=report)
    with waiting("loading the model"):
        cut = steps.count_cut(engine, embedder)
    return Preparation(cut.of, embedded, cut, index_built, time.monotonic() - began)


def _load(engine: sa.Engine, embedder: steps.DemoEmbedder, library: list[Docstring]) -> int:
    missing = steps.find_missing(engine, library, embedder.revision)
    note(f"{len(library):,} docstrings, {len(library) - len(missing):,} of them are loaded already")
    if not missing:
        return 0
    with waiting("loading the model"):
        assert embedder.dimensions, "asking for them loads the model"
    with bar("embedding and loading", total=len(missing)) as advance:
        return steps.load_missing(engine, embedder, missing, advance)


def _sample(library: list[Docstring], limit: int | None) -> list[Docstring]:
    if limit is None or limit >= len(library):
        return library
    return list(islice(library[:: len(library) // limit], limit))
