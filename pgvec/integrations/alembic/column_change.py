"""A change of a vector column: what it asks for, whether it is honest, and what takes it back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from pgvec.errors import InvalidOptionError
from pgvec.integrations.alembic.types import StoredVector
from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType
from pgvec.orm.indexes import index_expression
from pgvec.orm.rules import choose

__all__ = ["ColumnChange", "VectorValues"]

_DENSE = (VectorType.VECTOR, VectorType.HALFVEC)
_WAYS_OUT = (
    "values='truncate' keeps the leading dimensions (for models trained so that those suffice), values='clear' sets NULL, to "
    "be embedded again, and a second column beside the old one lets searches go on meanwhile"
)


class VectorValues(StrEnum):
    """What becomes of the vectors that are there."""

    KEEP = "keep"
    TRUNCATE = "truncate"
    QUANTIZE = "quantize"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What ``op.alter_embedding`` is told, with the same names."""

    table: str
    column: str
    type: str | None = None
    dimensions: int | None = None
    existing_type: str | None = None
    existing_dimensions: int | None = None
    storage: str | None = None
    existing_storage: str | None = None
    values: VectorValues = VectorValues.KEEP
    schema: str | None = None
    extension_schema: str | None = None

    def __post_init__(self) -> None:
        for option in ("type", "existing_type"):
            if getattr(self, option) is not None:
                choose(VectorType, getattr(self, option), option)
        if not self.changes_type and self.storage is None:
            raise InvalidOptionError(f"nothing changes in {self.what}: give type=, dimensions= or storage=")
        checks = {VectorValues.KEEP: self._check_keep, VectorValues.TRUNCATE: self._check_truncate}
        checks.get(self.values, lambda: None)()
        if self.values is VectorValues.QUANTIZE and self.new_type is not VectorType.BIT:
            raise InvalidOptionError(f"values='quantize' makes bits of {self.what}: give type='bit'")

    @property
    def what(self) -> str:
        """The column, for messages."""
        return f"{self.table}.{self.column}"

    @property
    def changes_type(self) -> bool:
        """Whether Postgres writes the column, or at least its type, anew."""
        return self.type is not None or self.dimensions is not None

    @property
    def new_type(self) -> VectorType:
        """The type after the change."""
        return VectorType(self.type or self.existing_type or VectorType.VECTOR)

    @property
    def new_storage(self) -> str | None:
        """The storage to set: a change of type alone would set that of the type."""
        return self.storage or (self.existing_storage if self.changes_type else None)

    def stored_type(self) -> StoredVector:
        """Return the new type for DDL."""
        return StoredVector(self.new_type, self.dimensions, self.extension_schema)

    def using(self) -> sa.ColumnElement[Any] | None:
        """Return what the vectors become, or None where Postgres' own check of the new type is the honest one."""
        column: sa.ColumnElement[Any] = sa.column(self.column)
        if self.values is VectorValues.CLEAR:
            return sa.literal_column("NULL")
        if self.values is VectorValues.KEEP:
            # A cast made by hand would cut bit strings to length; Postgres' own refuses.
            return None if self.existing_type in (None, self.new_type) else sa.cast(column, self.stored_type())
        described = VectorColumn(
            self.column, self.column, VectorType(self.existing_type or VectorType.VECTOR), self.existing_dimensions
        )
        truncated = self.dimensions if self.values is VectorValues.TRUNCATE else None
        quantization = None if self.new_type is described.type else self.new_type
        index = VectorIndex(None, IndexMethod.HNSW, Distance.L2, quantization, truncated)
        return index_expression(column, replace(described, dimensions=self.dimensions), index, self.extension_schema)

    def reversed(self) -> ColumnChange:
        """Return the change that takes this one back; what was cut off or rounded to bits is lost.

        Raises:
            InvalidOptionError: What was before is not told.
        """
        if self.changes_type and self.existing_type is None:
            raise InvalidOptionError(f"what {self.what} was is not told: give existing_type= and existing_dimensions=")
        if self.storage is not None and self.existing_storage is None:
            raise InvalidOptionError(f"what the storage of {self.what} was is not told: give existing_storage=")
        return replace(
            self,
            type=self.existing_type if self.changes_type else None,
            existing_type=self.new_type.value if self.changes_type else None,
            dimensions=self.existing_dimensions if self.changes_type else None,
            existing_dimensions=self.dimensions,
            storage=self.existing_storage,
            existing_storage=self.storage,
            values=self.values if self.values is VectorValues.KEEP else VectorValues.CLEAR,
        )

    def _check_keep(self) -> None:
        if self.existing_type is None or not self.changes_type:
            return
        if (self.existing_type == VectorType.BIT) != (self.new_type is VectorType.BIT):
            way_out = "values='quantize' keeps the signs, " if self.new_type is VectorType.BIT else ""
            raise InvalidOptionError(
                f"vectors of {self.existing_type} in {self.what} do not become {self.new_type.value} by themselves: {way_out}"
                "values='clear' sets NULL, to be embedded again"
            )

    def _check_truncate(self) -> None:
        old = VectorType(self.existing_type or VectorType.VECTOR)
        if self.dimensions is None or old not in _DENSE or self.new_type not in _DENSE:
            raise InvalidOptionError(
                f"values='truncate' keeps leading dimensions of vector or halfvec: give dimensions= for {self.what}"
            )
        if self.existing_dimensions is not None and self.dimensions >= self.existing_dimensions:
            raise InvalidOptionError(
                f"{self.what} has {self.existing_dimensions} dimensions, of which {self.dimensions} are no part: truncating "
                "makes vectors shorter only"
            )

    def refusal(self) -> InvalidOptionError:
        """Return the error for vectors that do not fit the new type."""
        return InvalidOptionError(
            f"{self.what} holds vectors that are no {self.stored_type().get_col_spec()}, and vectors do not change their "
            f"number of dimensions by themselves: {_WAYS_OUT}"
        )
