"""What pgvec's own code calls in the schema ``pgvec`` by name, and whether a database still has it.

A release records it in ``pgvec/sql/called.txt``. While a deployment goes on, its code runs on the schema of a later release.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pgvec

__all__ = ["RECORD", "called", "missing", "recorded"]

_PACKAGE = Path(pgvec.__file__).parent
RECORD = _PACKAGE / "sql" / "called.txt"
_FUNCTIONS = """
    SELECT p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), p.pronargdefaults
    FROM pg_proc AS p WHERE p.pronamespace = 'pgvec'::regnamespace
"""
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
           c.relkind IN ('r', 'p') AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'pgvec'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
"""


def called(connection: Any) -> set[str]:
    """Return the functions, and the columns of tables, of which the code has the name: too many rather than too few."""
    words = _words()
    found = {
        f"function {name}({arguments}) {result}"
        for name, arguments, result, _ in connection.execute(_FUNCTIONS)
        if name in words
    }
    columns = connection.execute(_COLUMNS)
    return found | {f"column {table}.{column} {kind}" for table, column, kind, _ in columns if table in words}


def recorded() -> dict[str, set[str]]:
    """Return what the releases called, by the name of the newest script that each of them had."""
    found: dict[str, set[str]] = {}
    for line in RECORD.read_text().splitlines():
        script, _, what = line.partition("  ")
        found.setdefault(script, set()).add(what)
    return found


def missing(connection: Any, wanted: set[str]) -> list[str]:
    """Return what a database has no more of what is called, and columns that are new and that old code cannot fill."""
    functions = list(connection.execute(_FUNCTIONS))
    columns = list(connection.execute(_COLUMNS))
    there = {f"column {table}.{column} {kind}" for table, column, kind, _ in columns}
    there |= {
        f"function {name}({arguments}) {result}"
        for name, every, result, defaults in functions
        for arguments in _shorter(every, defaults)
    }
    known = {what.split(" ")[1] for what in wanted if what.startswith("column")}
    tables = {place.partition(".")[0] for place in known}
    unfilled = [
        f"new column {table}.{column} {kind} has no default"
        for table, column, kind, is_required in columns
        if is_required and table in tables and f"{table}.{column}" not in known
    ]
    return sorted([*(wanted - there), *unfilled])


def _shorter(arguments: str, defaults: int) -> list[str]:
    """Return the arguments, and the same with fewer and fewer of those at the end that have a default."""
    parts = re.split(r", (?![^(]*\))", arguments)
    return [", ".join(parts[: len(parts) - left]) for left in range(min(defaults, len(parts)) + 1)]


@lru_cache
def _words() -> frozenset[str]:
    """Return the words in texts and names of the code; migrations are the schema itself."""
    found: set[str] = set()
    for path in _PACKAGE.rglob("*.py"):
        if path.parent.name == "migrations":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(re.findall(r"\w+", node.value))
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)  # sqlalchemy.func.pgvec.name
    for path in (_PACKAGE / "sql" / "queries").glob("*.sql"):
        found.update(re.findall(r"\w+", path.read_text()))
    return frozenset(found)
