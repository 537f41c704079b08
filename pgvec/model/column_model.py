"""Which model filled which column of a table, and which columns take the place of others."""

from __future__ import annotations

from dataclasses import dataclass

from pgvec.model.vector_type import VectorType

__all__ = ["ColumnModel", "Replacement"]


@dataclass(frozen=True, slots=True)
class ColumnModel:
    """The model that filled a column.

    Attributes:
        column: Name of the column in Postgres.
        name: Name of the model, as its embedder tells it.
        revision: Its revision.
    """

    column: str
    name: str
    revision: str

    def __str__(self) -> str:
        return f"{self.name}, revision {self.revision}"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A column of one model that is, or was, replaced by a column of another.

    Attributes:
        old: Name of the old column.
        new: Name of the new one.
        stage: ``begun``, ``filling``, ``ready``, ``switched`` (the new column is the current one) or ``finished`` (the old one
            is gone).
        whole: Whether the new column was found to hold every row.
        old_type: Type of the old column, None where it is gone.
        old_dimensions: Its number of dimensions.
        new_type: Type of the new column, None where it is gone.
        new_dimensions: Its number of dimensions.
    """

    old: str
    new: str
    stage: str
    whole: bool
    old_type: VectorType | None = None
    old_dimensions: int | None = None
    new_type: VectorType | None = None
    new_dimensions: int | None = None

    @property
    def is_current(self) -> bool:
        """Whether the new column is the one to search."""
        return self.stage in ("switched", "finished")

    @property
    def is_under_way(self) -> bool:
        """Whether both columns are there."""
        return self.stage != "finished"
