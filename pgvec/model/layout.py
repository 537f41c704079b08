"""Tables that other libraries made, recognised by their columns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["LAYOUTS", "Layout", "recognise"]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a library lays out its table.

    Attributes:
        library: Name of the library.
        columns: Columns that all of its tables have.
        text: The column that was embedded.
        vector: The column that holds the vectors.
        metadata: The column of the user's own JSON, or None where it has columns of its own.
    """

    library: str
    columns: frozenset[str]
    text: str | None
    vector: str
    metadata: str | None


# From the sources of the libraries; ``tests/support/layouts.py`` has the statements that they run.
LAYOUTS = (
    Layout(
        "langchain-postgres (PGVector)",
        frozenset({"collection_id", "embedding", "document", "cmetadata"}),
        "document",
        "embedding",
        "cmetadata",
    ),
    Layout(
        "langchain-postgres (PGVectorStore)",
        frozenset({"langchain_id", "content", "embedding"}),
        "content",
        "embedding",
        "langchain_metadata",
    ),
    Layout(
        "LlamaIndex (PGVectorStore)",
        frozenset({"id", "text", "metadata_", "node_id", "embedding"}),
        "text",
        "embedding",
        "metadata_",
    ),
    Layout(
        "Haystack (PgvectorDocumentStore)",
        frozenset({"id", "embedding", "content", "blob_data", "blob_meta", "blob_mime_type", "meta"}),
        "content",
        "embedding",
        "meta",
    ),
    Layout("vecs", frozenset({"id", "vec", "metadata"}), None, "vec", "metadata"),
    Layout(
        "pgai (vectorizer)",
        frozenset({"embedding_uuid", "chunk_seq", "chunk", "embedding"}),
        "chunk",
        "embedding",
        None,
    ),
)


def recognise(columns: Collection[str]) -> Layout | None:
    """Return whose table has these columns, or None where it is nobody's that is known."""
    names = frozenset(columns)
    found = [layout for layout in LAYOUTS if layout.columns <= names]
    # vecs' columns are common names: only a table of nothing else is taken for one.
    found = [layout for layout in found if layout.library != "vecs" or layout.columns == names]
    return found[0] if found else None
