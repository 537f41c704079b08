"""What a calibration reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pgvec.model.facts import Costs
from pgvec.model.vector_type import VectorType

__all__ = ["Calibration", "CalibrationReport"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What work on one type of columns costs here.

    Attributes:
        type: Type of the columns.
        costs: The costs, in microseconds.
        measured: The times that they follow from, in microseconds by name.
    """

    type: VectorType
    costs: Costs
    measured: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What a calibration found.

    Attributes:
        calibrations: One for each type.
        stored: Whether it is stored in ``pgvec.calibration``, where the planner finds it.
        seconds: How long it took.
    """

    calibrations: tuple[Calibration, ...]
    stored: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON."""
        return asdict(self)
