"""Statements that a server or a role may refuse."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pgvec.errors import PgvecError
from pgvec.statements.requests import Execute, Request

__all__ = ["attempt"]


def attempt(request: Execute) -> Generator[Request, Any, list[Any] | None]:
    """Ask for something that may be refused, and return its rows, or None where it is."""
    try:
        return (yield request).rows  # type: ignore[no-any-return]
    except PgvecError:
        return None
