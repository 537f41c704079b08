"""The recipe that measures what work costs on an installation, and stores it where the planner looks.

Each cost is a difference of two scans that differ in nothing else: pages from rows by a narrow and a wide table, dimensions by
two numbers of them, storage by the same vectors inside of the rows and apart, elements of a graph by a short walk and a long
one. What is taken of each scan is the shortest of several times, as the server itself measures them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import sqlalchemy as sa

from pgvec.errors import AccessDeniedError, ExtensionMissingError, MigrationPendingError
from pgvec.model import Calibration, CalibrationReport, Costs, MeasureProgress, MeasureProgressCallback, VectorType
from pgvec.operations.attempts import attempt
from pgvec.sql import migration_record
from pgvec.statements import calibration as statements
from pgvec.statements.calibration import DIMENSIONS, FAR, FETCHED, NEAR, Bench
from pgvec.statements.requests import Execute, Place, Request

__all__ = ["PLACE", "calibrate"]

PLACE = Place(migration_record)
_ROUNDS = 7
_BYTES = {VectorType.VECTOR: 4.0, VectorType.HALFVEC: 2.0, VectorType.SPARSEVEC: 0.8, VectorType.BIT: 0.125}
# A difference of two times may be lost in their noise, and nothing is free.
_LEAST = 0.05
_TEMP_BUFFERS = sa.text("SELECT pg_catalog.set_config('temp_buffers', '128MB', true)")
_BUDGET = sa.text("SELECT pg_catalog.set_config('hnsw.max_scan_tuples', CAST(:elements AS text), true)")


@dataclass(slots=True)
class _Meter:
    """Tells who asked how far the measurement is."""

    progress: MeasureProgressCallback | None
    total: int
    steps: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def count(self, stage: str) -> None:
        self.steps += 1
        if self.progress is not None:
            self.progress(MeasureProgress(stage, self.steps, max(self.total, self.steps), self.seconds))


def calibrate(
    types: Sequence[VectorType] | None, *, store: bool, progress: MeasureProgressCallback | None
) -> Generator[Request, Any, CalibrationReport]:
    """Measure the costs of types of columns on temporary tables, which are gone with the transaction.

    Args:
        types: The types; None takes those of the vector columns that there are, or ``vector`` where there are none.
        store: Whether to store what is found.
        progress: Told of every scan.

    Raises:
        ExtensionMissingError: There are no vectors here.
        MigrationPendingError: The table for the costs is missing.
        AccessDeniedError: This role may not write it, or may make no temporary table.
    """
    schema = yield from _require_access(store=store)
    if types is None:
        found = yield Execute(statements.TYPES_IN_USE, PLACE, scalars=True)
        types = [VectorType(name) for name in found.rows] or [VectorType.VECTOR]
    # Refused where the session has used temporary tables before; then the tables are read through fewer buffers.
    yield from attempt(Execute(_TEMP_BUFFERS, PLACE, savepoint=True))
    yield Execute(statements.SETTINGS, PLACE)
    meter = _Meter(progress, total=(2 + 7 * len(types)) * (_ROUNDS + 1))
    for step in statements.make_tables():
        yield Execute(step, PLACE)
    page, check = yield from _reading(meter)
    calibrations: list[Calibration] = []
    for type_ in types:
        calibrations += [(yield from _of_type(type_, schema, page, check, meter))]
    if store:
        (versions,) = (yield Execute(statements.VERSIONS, PLACE)).rows
        for calibration in calibrations:
            yield Execute(statements.store(calibration, versions), PLACE)
    return CalibrationReport(tuple(calibrations), store, meter.seconds)


def _require_access(*, store: bool) -> Generator[Request, Any, str]:
    (ready,) = (yield Execute(statements.READY, PLACE)).rows
    if ready.extension_schema is None:
        raise ExtensionMissingError("The extension 'vector' is not installed in this database: run  pgvec migrate up")
    if store and not ready.exists:
        raise MigrationPendingError(
            "The table pgvec.calibration is missing, which holds what is measured: run  pgvec migrate up  or measure with store=False"
        )
    if store and not ready.writable:
        raise AccessDeniedError(
            "This role may not write pgvec.calibration: calibrate as the owner of the schema pgvec, let it  GRANT INSERT, UPDATE ON "
            "pgvec.calibration  to this role, or measure with store=False"
        )
    if not ready.temporary:
        raise AccessDeniedError(
            "A calibration measures on temporary tables, which this role, transaction or server does not allow: calibrate on the "
            "primary, as a role with TEMP on the database"
        )
    return str(ready.extension_schema)


def _reading(meter: _Meter) -> Generator[Request, Any, tuple[float, float]]:
    """Return what a page and what a row costs that a filter refuses: two tables with different numbers of both."""
    narrow = yield from _microseconds(statements.narrow_scan(), meter, "reading rows")
    wide = yield from _microseconds(statements.wide_scan(), meter, "reading pages")
    (narrow_rows, narrow_pages), (wide_rows, wide_pages) = statements.SIZES
    solved = narrow_rows * wide_pages - wide_rows * narrow_pages
    check = (narrow * wide_pages - wide * narrow_pages) / solved
    page = (narrow_rows * wide - wide_rows * narrow) / solved
    return page, check


def _of_type(
    type_: VectorType, schema: str, page: float, check: float, meter: _Meter
) -> Generator[Request, Any, Calibration]:
    few, many = DIMENSIONS[type_]
    small, large, apart = (
        Bench(type_, few, False, schema),
        Bench(type_, many, False, schema),
        Bench(type_, many, True, schema),
    )
    for bench in (small, large, apart):
        for step in statements.make_vectors(bench):
            yield Execute(step, PLACE)
    fetched: list[float] = []
    for bench in (small, large, apart):
        what = f"{type_}({bench.dimensions}){' stored apart' if bench.apart else ''}"
        fetched.append((yield from _microseconds(statements.fetch(bench), meter, f"comparing {what}")) / FETCHED)
    visited = [(yield from _walked(small, meter)), (yield from _walked(large, meter))]
    dimension = (fetched[1] - fetched[0]) / (many - few)
    visit_dimension = (visited[1] - visited[0]) / (many - few)
    costs = Costs(
        page=page,
        check=check,
        row=fetched[0] - dimension * few,
        dimension=dimension,
        detoast=(fetched[2] - fetched[1]) / (1 + many * _BYTES[type_] / 1024),
        visit=visited[0] - visit_dimension * few,
        visit_dimension=visit_dimension,
    )
    measured = {
        f"compare {few}": fetched[0],
        f"compare {many}": fetched[1],
        f"compare {many} apart": fetched[2],
        f"visit {few}": visited[0],
        f"visit {many}": visited[1],
    }
    return Calibration(type_, _positive(costs), measured)


def _walked(bench: Bench, meter: _Meter) -> Generator[Request, Any, float]:
    """Return what an element of a graph costs, beside the descent and the first candidates."""
    times = []
    for elements in (NEAR, FAR):
        yield Execute(_BUDGET, PLACE, {"elements": elements})
        stage = f"walking over {bench.type}({bench.dimensions})"
        times.append((yield from _microseconds(statements.walk(bench), meter, stage)))
    return (times[1] - times[0]) / (FAR - NEAR)


def _microseconds(statement: sa.TextClause, meter: _Meter, stage: str) -> Generator[Request, Any, float]:
    """Return the time of a scan that nothing came between, after one that is not counted."""
    times = []
    for _ in range(_ROUNDS + 1):
        ((plan,),) = (yield Execute(statement, PLACE)).rows
        times.append(float(plan[0]["Execution Time"]) * 1_000)
        meter.count(stage)
    return min(times[1:])


def _positive(costs: Costs) -> Costs:
    """Return costs of which none is lost in noise."""
    default = Costs()
    return Costs(**{f.name: max(getattr(costs, f.name), _LEAST * getattr(default, f.name)) for f in fields(Costs)})
