"""The vector type of a column that exists, which need not be one that a model could declare."""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import UserDefinedType

from pgvec.model import VectorType
from pgvec.orm.embedding import quote_identifier
from pgvec.orm.rules import choose

__all__ = ["StoredVector"]


class StoredVector(UserDefinedType[Any]):
    """A type of pgvector, or ``bit``, with or without dimensions, wherever the extension lives; for DDL only.

    Args:
        type: ``vector``, ``halfvec``, ``sparsevec`` or ``bit``.
        dimensions: Number of dimensions, or None where the type states none.
        extension_schema: Postgres schema of the extension where ``search_path`` does not contain it.
    """

    cache_ok = True

    def __init__(
        self,
        type: VectorType | str,  # noqa: A002 - as Embedding has it
        dimensions: int | None = None,
        extension_schema: str | None = None,
    ) -> None:
        self.type = choose(VectorType, type, "type")
        self.dimensions = dimensions
        self.extension_schema = None if self.type is VectorType.BIT else extension_schema

    def get_col_spec(self, **_kw: Any) -> str:
        """Name the type in DDL and casts."""
        schema = "" if self.extension_schema is None else f"{quote_identifier(self.extension_schema)}."
        dimensions = "" if self.dimensions is None else f"({self.dimensions})"
        return f"{schema}{self.type.value}{dimensions}"

    def __repr__(self) -> str:
        options = [repr(self.type.value)]
        options += [] if self.dimensions is None else [repr(self.dimensions)]
        options += [] if self.extension_schema is None else [f"extension_schema={self.extension_schema!r}"]
        return f"StoredVector({', '.join(options)})"
