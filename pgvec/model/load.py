"""What a bulk load reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["LoadProgress", "LoadReport", "ProgressCallback"]


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is.

    Attributes:
        rows: Rows sent so far.
        total: Rows in all, for a file an estimate; None where the input does not tell.
        seconds: Time since the load began.
    """

    rows: int
    total: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Rows per second so far."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """Expected time to the end, or None where the total is not known."""
        if self.total is None or self.rows == 0:
            return None
        return (self.total - self.rows) / self.rate if self.rate else None


ProgressCallback: TypeAlias = Callable[[LoadProgress], None]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a bulk load did.

    Attributes:
        rows: Rows that were given.
        inserted: Rows that are new in the table.
        updated: Rows that changed one with the same key.
        skipped: Rows left out: their key existed, a later row of the input had the same key, or a trigger dropped them.
        seconds: How long it took.
        method: ``copy`` (straight into the table) or ``merge`` (through a staging table).
    """

    rows: int
    inserted: int
    updated: int
    skipped: int
    seconds: float
    method: str
