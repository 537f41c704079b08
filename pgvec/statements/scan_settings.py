"""pgvector's settings for one statement: set before the index scan, put back after it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import sqlalchemy as sa
from sqlalchemy.sql.selectable import CTE

from pgvec.statements.plan import SearchPlan

__all__ = ["ScanSettings"]


class ScanSettings:
    """The settings that a plan asks for.

    ``set_config(..., is_local => true)`` ends with the transaction, so nothing leaks into a pool; putting the values back
    leaves the caller's later statements in the same transaction as they were.
    """

    def __init__(self, plan: SearchPlan) -> None:
        prefix = "ivfflat" if plan.is_ivfflat else "hnsw"
        values: dict[str, sa.ColumnElement[str]] = {f"{prefix}.iterative_scan": _text("relaxed_order")}
        if plan.ef_search is not None:
            number = _text(f"{plan.ef_search:d}")
            values["hnsw.ef_search"] = _at_least("hnsw.ef_search", plan.ef_search) if plan.ef_is_floor else number
        if plan.budget is not None:
            values["hnsw.max_scan_tuples"] = _text(f"{plan.budget:d}")
        self._values = values
        old = (sa.func.current_setting(_text(name), sa.true()).label(f"old_{n}") for n, name in enumerate(values))
        made = (sa.func.set_config(_text(name), value, sa.true()) for name, value in values.items())
        # Postgres computes the columns of a row from left to right, so the old values are taken before the new ones are made.
        statement = sa.select(*old, _concatenated(made).label("made"))
        self.kept: CTE = statement.cte("pgvec_settings").prefix_with("MATERIALIZED")
        """The settings as they were; to read it is to make the new ones."""

    def applied(self) -> sa.ColumnElement[bool]:
        """True, once the settings are made."""
        return sa.select(self.kept.c.made).scalar_subquery().is_not(None)

    def restored(self, found: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """True, once the settings are as before, in a statement that reads ``kept``.

        It depends on the number of rows that were found, so it runs after the scan.
        """
        after = found >= sa.literal_column("0")
        made = (
            sa.func.coalesce(sa.func.set_config(_text(name), self.kept.c[f"old_{n}"], after), _text(""))
            for n, name in enumerate(self._values)
        )
        return _concatenated(made).is_not(None)


def _text(value: str) -> sa.ColumnElement[str]:
    """A constant of this module as SQL text: names of settings and numbers."""
    return sa.literal_column(f"'{value}'", sa.Text)


def _at_least(setting: str, value: int) -> sa.ColumnElement[str]:
    """The current value of an integer setting, or ``value`` where that is larger."""
    current = sa.cast(sa.func.nullif(sa.func.current_setting(_text(setting), sa.true()), _text("")), sa.Integer)
    return sa.cast(sa.func.greatest(current, sa.literal_column(f"{value:d}")), sa.Text)


def _concatenated(parts: Iterable[sa.ColumnElement[str]]) -> sa.ColumnElement[str]:
    return reduce(lambda left, right: left.op("||")(right), parts)
