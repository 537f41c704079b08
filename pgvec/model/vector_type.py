"""pgvector's column types and how far each reaches."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["VectorType"]


class VectorType(StrEnum):
    """A column type of pgvector. ``bit`` is Postgres' own type with pgvector's operators."""

    VECTOR = "vector"
    HALFVEC = "halfvec"
    SPARSEVEC = "sparsevec"
    BIT = "bit"
