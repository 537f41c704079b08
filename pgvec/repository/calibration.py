"""Measures what work costs on an installation, for the planner."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from pgvec.errors import ConfigurationError, InvalidOptionError
from pgvec.execution.facts import require_psycopg
from pgvec.execution.session import SessionDriver
from pgvec.execution.survey import forget_surveys
from pgvec.model import CalibrationReport, MeasureProgressCallback, VectorType
from pgvec.operations import calibrate as calibrating
from pgvec.orm.rules import choose

__all__ = ["calibrate"]


def calibrate(
    engine: sa.Engine,
    *,
    types: Iterable[VectorType | str] | None = None,
    store: bool = True,
    progress: MeasureProgressCallback | None = None,
) -> CalibrationReport:
    """Measure what a page, a row, a dimension and an element of a graph cost here, and store it for the planner to use.

    It takes some seconds for each type, on temporary tables that are gone afterwards. Let nothing else run meanwhile.

    Args:
        engine: An engine on PostgreSQL through psycopg 3, with a role that may write ``pgvec.calibration``.
        types: Column types to measure, some of ``vector``, ``halfvec``, ``sparsevec`` and ``bit``; None takes those of the vector
            columns that there are, or ``vector``.
        store: Store what is found. Searches of this engine use it from then on, those of others within five minutes.
        progress: Called with a :class:`MeasureProgress` after every scan.

    Raises:
        InvalidOptionError: There is no such type.
        ExtensionMissingError: The extension is not installed.
        MigrationPendingError: The table for the costs is missing.
        AccessDeniedError: This role may not write it, or may make no temporary table.
    """
    if not isinstance(engine, sa.Engine):
        raise ConfigurationError(f"calibrate() works on an Engine of SQLAlchemy, not on {type(engine).__name__}")
    require_psycopg(engine.dialect)
    recipe = calibrating.calibrate(_checked(types), store=bool(store), progress=progress)
    report = SessionDriver(engine).run(recipe, calibrating.PLACE)
    forget_surveys(engine)
    return report


def _checked(types: object) -> list[VectorType] | None:
    if types is None:
        return None
    if isinstance(types, str) or not isinstance(types, Iterable):
        raise InvalidOptionError(f"types= takes a list of types such as ['vector'], not {types!r:.80}")
    chosen = list(dict.fromkeys(choose(VectorType, name, "types") for name in types))
    if not chosen:
        raise InvalidOptionError("types= is empty: leave it out for the types that there are")
    return chosen
