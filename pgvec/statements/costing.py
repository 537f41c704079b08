"""What the ways to answer a search cost, and where they meet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pgvec.model import CompactForm, Costs, TableFacts, Target, VectorType
from pgvec.statements.plan import SearchPlan, SearchShape

__all__ = ["Costing", "costing_of", "rounded"]

# Elements visited before an index scan with the default ef_search returns anything, and for each one it returns after that.
_VISITS_AT_START = 290
_VISITS_PER_RESULT = 2.8
# Visits that count towards hnsw.max_scan_tuples, for each result.
_COUNTED_PER_RESULT = 2.4
# The part of the exact answer's cost after which the index gives up, and how much bad luck it is allowed otherwise.
_GIVE_UP = 0.08
_LUCK = 2.0
_LEAST_BUDGET = 500
_LARGEST_BUDGET = 20_000
_LEAST_CAP = 100
_MOST_CAP = 50_000
_UNKNOWN_DIMENSIONS = 384
# A value wider than a TOAST pointer stands in the row itself.
_POINTER_BYTES = 18
_TOAST_THRESHOLD = 2_000
_BYTES = {VectorType.VECTOR: 4.0, VectorType.HALFVEC: 2.0, VectorType.SPARSEVEC: 4.0, VectorType.BIT: 0.125}


@dataclass(frozen=True, slots=True)
class Costing:
    """The costs of one search, in microseconds.

    Attributes:
        costs: What work costs on this installation.
        dimensions: Of the vectors.
        compare: Comparing a row exactly, once it is found.
        visited: Visiting an element of the index.
        reach: How many of the nearest rows the index has to walk over.
    """

    costs: Costs
    dimensions: int
    compare: float
    visited: float
    reach: int

    def compare_compact(self, form: CompactForm) -> float:
        """Microseconds to compare a row by a smaller form of its vector."""
        return self.costs.compare_compact(self.dimensions, as_bits=form.type is VectorType.BIT)

    def smallest_table(self) -> int:
        """The number of rows below which comparing all of them costs less than asking the index."""
        return int((_VISITS_AT_START + _VISITS_PER_RESULT * self.reach) * self.visited / self.compare)

    def border(self, rows: float, scan: float, plan: SearchPlan) -> int:
        """The number of matching rows at which comparing them costs what the index costs.

        Args:
            rows: Rows of the table.
            scan: Microseconds to find the rows that pass, beside fetching them.
            plan: The plan so far, which may compare by a smaller form first.
        """
        compare, ahead = self.compare, _VISITS_AT_START * self.visited - scan
        if plan.compact is not None:
            ahead -= plan.pool * compare
            compare = self.compare_compact(plan.compact)
        walk = _VISITS_PER_RESULT * self.visited * self.reach * rows
        meet = (ahead + math.sqrt(ahead * ahead + 4.0 * compare * walk)) / (2.0 * compare)
        return rounded(max(_LEAST_CAP, plan.pool, min(meet, _MOST_CAP)))

    def budget(self, rows: float, matching: float, scan: float, oversampling: int) -> int:
        """The number of elements to visit before the exact answer is the better one."""
        expected = self.reach * oversampling * rows / max(matching, 1.0) * _COUNTED_PER_RESULT
        worth = _GIVE_UP * (scan + matching * self.compare) / self.visited
        return rounded(min(max(_LEAST_BUDGET, _LUCK * expected, worth), max(_LARGEST_BUDGET, expected)))


def costing_of(target: Target, facts: TableFacts, shape: SearchShape) -> Costing:
    """Return what a search of a target costs."""
    column = target.column
    statistics = facts.columns.get(column.name)
    dimensions = column.dimensions or _UNKNOWN_DIMENSIONS
    size = dimensions * _BYTES[column.type]
    inline = size < _TOAST_THRESHOLD if statistics is None else statistics.width > _POINTER_BYTES
    compare = facts.costs.compare(dimensions, inline=inline, kilobytes=size / 1024)
    return Costing(facts.costs, dimensions, compare, facts.costs.visited(dimensions), shape.reach)


def rounded(number: float) -> int:
    """Round to one of few numbers, half of a power of two apart, so that equal searches share a prepared statement."""
    step = 2 ** max(0, math.floor(math.log2(max(number, 1.0))) - 1)
    return int(round(number / step) * step)
