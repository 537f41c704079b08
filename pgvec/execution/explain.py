"""Asks Postgres how it would run a search statement, or how it did."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

from pgvec.execution.prepared import PreparedFind
from pgvec.statements.requests import Explain

__all__ = ["explain"]


class _Explained(Executable, ClauseElement):
    """``EXPLAIN`` of a statement, with the statement's own parameters."""

    inherit_cache = False

    def __init__(self, statement: sa.Select[Any], *, analyze: bool) -> None:
        self.statement = statement
        self.analyze = analyze


@compiles(_Explained)
def _compile(element: _Explained, compiler: Any, **options: Any) -> str:
    prefix = "EXPLAIN (ANALYZE, FORMAT JSON) " if element.analyze else "EXPLAIN (FORMAT JSON) "
    return prefix + str(compiler.process(element.statement, **options))


def explain(connection: sa.Connection, request: Explain, prepared: PreparedFind) -> tuple[str, dict[str, Any]]:
    """Return the text of a search statement and its plan, as ``EXPLAIN (FORMAT JSON)`` gives it."""
    statement = prepared.current(request.find)
    (plan,) = connection.execute(
        _Explained(statement, analyze=request.analyze), dict(request.find.parameters)
    ).scalar_one()
    return str(statement.compile(dialect=connection.dialect)), plan
