"""Arguments of :class:`Syncs` and :class:`AsyncSyncs`, checked once for both."""

from __future__ import annotations

import sqlalchemy as sa

from pgvec.errors import MappingError
from pgvec.model import EmbeddingSync
from pgvec.orm.declared_syncs import declared_syncs

__all__ = ["as_syncs"]


def as_syncs(declared: EmbeddingSync | type[object] | sa.Table | sa.MetaData) -> tuple[EmbeddingSync, ...]:
    """Return the syncs that are meant.

    Raises:
        MappingError: A mapping was given that declares none.
    """
    if isinstance(declared, EmbeddingSync):
        return (declared,)
    found = declared_syncs(declared)
    if not found:
        raise MappingError(
            f"{declared!r} declares no embedding that follows its text: write "
            'Embedding(384, source=("title", "body"), embedder="minilm")'
        )
    return found
