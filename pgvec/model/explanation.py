"""How a search would be answered, told before it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgvec.model.plan_text import plan_lines

__all__ = ["Explanation"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a search would do and why; ``str()`` of it is for people, :meth:`to_dict` for programs.

    Attributes:
        target: What is searched, by what distance.
        requested: The limit that was asked for.
        strategy: What the plan aims at: ``exact`` (compare every row that passes the filter), ``counted`` (the same up to
            ``cap`` rows, beyond that as ``index``), ``index`` (ask the vector index; where that comes back short, compare),
            or the same for a partial index that the filter implies: ``partial_index`` and ``counted_partial_index``.
        description: The same in a sentence.
        reasons: Why, in sentences.
        warnings: What a careful reader should know of the database, in sentences.
        rows: Estimated rows of the table, or None where it was never analysed or was not asked about.
        matching: Estimated rows that pass the filter, from and to; None where nothing is known.
        index: The vector index to ask, in words, or None.
        cap: Most rows to compare before the index is asked, in the strategies that count.
        ef_search: The ``hnsw.ef_search`` to ask for, or None to leave the server's.
        budget: Most elements that the index may visit, or None to leave the server's ``hnsw.max_scan_tuples``.
        candidates: Rows to take from the index: more than are wanted where it holds a smaller form of the vectors.
        sql: The statement, with the names of its parameters.
        plan: Postgres' plan of it, as ``EXPLAIN (FORMAT JSON)`` tells it.
        analyzed: Whether the statement was run, so that the plan tells what happened.
    """

    target: str
    requested: int
    strategy: str
    description: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    rows: int | None
    matching: tuple[int, int] | None
    index: str | None
    cap: int | None
    ef_search: int | None
    budget: int | None
    candidates: int | None
    sql: str
    plan: Mapping[str, Any]
    analyzed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return everything in types that JSON has."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}

    def __str__(self) -> str:
        facts = [
            ("search", f"{self.target}, {self.requested:,} wanted"),
            ("strategy", f"{self.strategy}: {self.description}"),
            ("table", "size unknown: it was never analysed" if self.rows is None else f"about {self.rows:,} rows"),
            ("filter passes", _span(self.matching)),
            ("index", self.index or "none"),
            ("settings", self._settings() or "those of the server"),
        ]
        parts = ["\n".join(f"{name + ':':<15}{text}" for name, text in facts)]
        parts += [
            _listed(title, lines) for title, lines in (("why", self.reasons), ("warnings", self.warnings)) if lines
        ]
        parts.append(
            _listed("what Postgres did" if self.analyzed else "what Postgres plans", plan_lines(self.plan), "")
        )
        parts.append(_listed("statement", self.sql.splitlines(), ""))
        return "\n\n".join(parts)

    def _settings(self) -> str:
        named = (
            ("counts up to", self.cap),
            ("candidates", self.candidates),
            ("ef_search", self.ef_search),
            ("max_scan_tuples", self.budget),
        )
        return ", ".join(f"{name} {number:,}" for name, number in named if number is not None)


def _span(matching: tuple[int, int] | None) -> str:
    if matching is None:
        return "an unknown number of rows"
    low, high = matching
    return f"about {low:,} rows" if low == high else f"about {low:,} to {high:,} rows"


def _listed(title: str, lines: Any, mark: str = "- ") -> str:
    return "\n".join([f"{title}:", *(f"  {mark}{line}" for line in lines)])
