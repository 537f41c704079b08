"""Tables of the database, given by name on the command line."""

from __future__ import annotations

import sqlalchemy as sa

from pgvec import Repository
from pgvec.cli.progress import waiting
from pgvec.embedders import default_embedder
from pgvec.errors import AmbiguousColumnError, ConfigurationError, NotAnEmbeddingColumnError
from pgvec.model import Distance, Embedder, VectorColumn, VectorType
from pgvec.orm.reading import read_columns

__all__ = ["embedder_for", "loading_repository", "vector_column"]

_DIMENSIONS_OF_DEFAULT = 384


def vector_column(table: sa.Table, name: str | None) -> VectorColumn:
    """Return the vector column of a table: the one that is named, else the only one.

    Raises:
        NotAnEmbeddingColumnError: There is none.
        AmbiguousColumnError: There are several, and none is named.
    """
    columns = {column.attribute: column for column in read_columns(table)}
    found = ", ".join(columns) or "none"
    if name is not None and name not in columns:
        raise NotAnEmbeddingColumnError(f"{name!r} is no vector column of {table.fullname!r}, which has: {found}")
    if name is None and not columns:
        raise NotAnEmbeddingColumnError(f"{table.fullname!r} has no vector column")
    if name is None and len(columns) > 1:
        raise AmbiguousColumnError(f"{table.fullname!r} has several vector columns ({found}): name one")
    return columns[name] if name is not None else next(iter(columns.values()))


def embedder_for(column: VectorColumn) -> Embedder:
    """Return the default embedder with its model loaded, if its vectors may fill the column.

    Raises:
        ConfigurationError: The column holds vectors of another model.
        MissingDependencyError: The extra ``local`` is not installed.
    """
    if column.type in (VectorType.BIT, VectorType.SPARSEVEC) or column.dimensions not in (None, _DIMENSIONS_OF_DEFAULT):
        size = "" if column.dimensions is None else f"({column.dimensions})"
        raise ConfigurationError(
            f"The column {column.name!r} is {column.type}{size}, and the default embedder makes vectors of "
            f"{_DIMENSIONS_OF_DEFAULT} dimensions: give a vector that the column's own model made"
        )
    embedder = default_embedder()
    with waiting("loading the model"):
        assert embedder.dimensions == _DIMENSIONS_OF_DEFAULT, "asking for them loads the model"
    return embedder


def loading_repository(
    engine: sa.Engine, table: sa.Table, *, column: str | None, distance: str | None
) -> Repository[object]:
    """Return a repository to load a table with.

    Before there is an index nothing tells by which distance vectors will be compared, and a load need not know it.
    """
    target = column if column is not None else next((found.attribute for found in read_columns(table)), None)
    try:
        return Repository(engine, table, column=target, distance=distance)
    except AmbiguousColumnError:
        kind = vector_column(table, target).type
        return Repository(
            engine, table, column=target, distance=Distance.HAMMING if kind is VectorType.BIT else Distance.L2
        )
