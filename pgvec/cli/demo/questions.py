"""The questions that the demo answers, each under a filter: some in SQLAlchemy's expressions, some in the JSON language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pgvec import Embedder, Matches, Repository
from pgvec.cli.demo.model import Entry

__all__ = ["COLUMNS", "QUESTIONS", "Answer", "Question", "answers"]

COLUMNS = (Entry.qualified_name, Entry.kind, Entry.line_count, Entry.text)
_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        text: What is looked for.
        where: The filter.
        written: The filter as one writes it in a program.
    """

    text: str
    where: Any
    written: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with its matches, whose records are the columns in ``COLUMNS``."""

    question: Question
    matches: Matches[Any]


def answers(engine: sa.Engine, embedder: Embedder, limit: int = _LIMIT) -> Iterator[Answer]:
    """Answer the questions one by one, each with one statement."""
    entries = Repository(engine, Entry, embedder=embedder)
    for question in QUESTIONS:
        yield Answer(question, entries.search(question.text, where=question.where, limit=limit, columns=COLUMNS))


def _json(text: str, where: dict[str, Any]) -> Question:
    return Question(text, where, json.dumps(where))


QUESTIONS = (
    Question(
        "run a subprocess with a timeout",
        Entry.kind.in_(["function", "method"]),
        'Entry.kind.in_(["function", "method"])',
    ),
    _json(
        "parse a date from a string",
        {"module": {"$in": ["datetime", "time", "calendar", "_strptime", "email.utils"]}, "kind": {"$ne": "module"}},
    ),
    Question(
        "wait until several tasks are finished",
        Entry.module.startswith("asyncio") & (Entry.line_count >= 3),
        'Entry.module.startswith("asyncio") & (Entry.line_count >= 3)',
    ),
    _json("compress bytes in memory", {"kind": "function", "line_count": {"$lte": 15}}),
    _json(
        "recursively delete a folder",
        {"$or": [{"kind": "function"}, {"kind": "method"}], "$not": {"module": {"$like": "distutils%"}}},
    ),
)
