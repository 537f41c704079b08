"""Hostile texts as keys, operators and values of filters: none becomes SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from support.filter_oracle import meaning
from support.filter_table import TARGET, Thing, fill
from support.injection import PAYLOADS, canary_lives, plant_canary

from pgvec.errors import PgvecError
from pgvec.statements.filters import build_filter

TEXT_OPERATORS = ("$eq", "$ne", "$lt", "$gte", "$like", "$ilike")
PLACES: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "key": lambda text: [{text: 1}, {text: {"$exists": True}}],
    "JSON key": lambda text: [
        {f"metadata.{text}": 1},
        {f"metadata.a.{text}": {"$gt": "a"}},
        {f"metadata.{text}.0": {"$like": "a"}},
    ],
    "operator": lambda text: [
        {"word": {text: "a"}},
        {"metadata.source": {text: "a"}},
        {"$not": {"word": {f"${text}": "a"}}},
    ],
    "text": lambda text: [{"word": {name: text}} for name in TEXT_OPERATORS],
    "text in JSON": lambda text: [{"metadata.source": {name: text}} for name in (*TEXT_OPERATORS, "$contains")],
    "list": lambda text: [
        {key: {name: [text, "a"]}}
        for key, name in (
            ("word", "$in"),
            ("tags", "$overlaps"),
            ("codes", "$contains"),
            ("metadata.list", "$in"),
            ("metadata", "$overlaps"),
        )
    ],
    "JSON object": lambda text: [
        {"metadata": {"$contains": {text: {text: [text]}}}},
        {"metadata.author": {"$eq": {text: text}}},
    ],
    "other types": lambda text: [
        {column: {"$eq": text}}
        for column in (
            "number",
            "ratio",
            "amount",
            "flag",
            "day",
            "moment",
            "local",
            "clock",
            "uid",
            "mood",
            "size",
            "duration",
        )
    ],
    "whole filter": lambda text: [text, [text], {"$and": text}, {"$or": [text]}, {"$not": text}],  # type: ignore[list-item]
}


@pytest.fixture
def engine_with_canary(database_url: str) -> Iterator[tuple[sa.Engine, psycopg.Connection]]:
    engine = sa.create_engine(sqlalchemy_url(database_url))
    with psycopg.connect(database_url, autocommit=True) as connection:
        plant_canary(connection)
        yield engine, connection
    engine.dispose()


def test_the_corpus_is_large():
    """There are at least 200 different payloads."""
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 200


@pytest.mark.parametrize("place", PLACES)
def test_no_text_in_a_filter_becomes_sql(place: str, engine_with_canary: tuple[sa.Engine, psycopg.Connection]):
    """A hostile text is refused by pgvec or compared as what it is; the database sees no error and no change."""
    engine, observer = engine_with_canary
    rows = fill(engine, seed=11, count=30)
    with engine.connect() as connection:
        for payload in PAYLOADS:
            for source in PLACES[place](payload):
                try:
                    condition = build_filter(TARGET, source)
                except PgvecError:
                    continue
                statement = sa.select(Thing.id) if condition is None else sa.select(Thing.id).where(condition)
                found = set(connection.scalars(statement))
                matches = meaning(source)
                assert found == {row["id"] for row in rows if matches(row)}, repr(source)[:200]
    assert canary_lives(observer)


@pytest.mark.parametrize(
    ("place", "variants"),
    # A path below a column is asked for by containment, or followed where a key may be the position in an array.
    [("JSON key", 2), ("text", 1), ("text in JSON", 1), ("list", 1), ("JSON object", 1)],
)
def test_no_text_in_a_filter_reaches_the_text_of_a_statement(place: str, variants: int):
    """Keys below a column and values are parameters: the SQL does not depend on the payload."""
    dialect = sa.create_engine("postgresql+psycopg://").dialect
    for position in range(len(PLACES[place]("a"))):
        texts = set()
        for payload in PAYLOADS:
            try:
                condition = build_filter(TARGET, PLACES[place](payload)[position])
            except PgvecError:
                continue
            texts.add(str(condition.compile(dialect=dialect)))
        assert 1 <= len(texts) <= variants
