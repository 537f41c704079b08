"""Hostile texts in every argument of the SQL functions: each is refused, or is data."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest
from fix_level import FULL
from psycopg import sql
from support.injection import PAYLOADS, canary_lives, fingerprint, plant_canary

from pgvec.sql import find_script

QUERY = "[1,2,3]"
# What may come of a text that is no name, no number, no JSON, no vector. Never a SyntaxError: nothing is read as SQL.
REFUSED = (
    psycopg.DataError,  # also what psycopg and Postgres refuse to send: a NUL, half of a surrogate pair
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InvalidName,
    psycopg.errors.WrongObjectType,
    psycopg.errors.NoDataFound,
    psycopg.errors.FeatureNotSupported,
    UnicodeEncodeError,
)
Cases = dict[str, list[tuple[str, Callable[[str], object]]]]


def plain(text: str) -> object:
    return text


def listed(text: str) -> object:
    return [text]


FILTERS: tuple[Callable[[str], object], ...] = (
    plain,
    lambda text: json.dumps({text: 1}),
    lambda text: json.dumps({text: {"$exists": True}}),
    lambda text: json.dumps({f"metadata.{text}": 1}),
    lambda text: json.dumps({f"metadata.{text}.0": {"$gt": text}}),
    lambda text: json.dumps({"title": {text: "a"}}),
    lambda text: json.dumps({"title": text}),
    lambda text: json.dumps({"title": {"$in": [text, "a"]}, "tags": {"$overlaps": [text]}}),
    lambda text: json.dumps({"metadata": {"$contains": {text: [text]}}}),
    lambda text: json.dumps({"title": {"$not": {"$ilike": text}}}),
    lambda text: json.dumps({"metadata.a": {"$between": [text, text]}}),
    lambda text: json.dumps({"number": text}),
)
EXAMPLES: tuple[Callable[[str], object], ...] = (
    plain,
    lambda text: json.dumps([text]),
    lambda text: json.dumps([{"vector": text}]),
    lambda text: json.dumps([{text: text}]),
)


def cases(call: str, *, names: tuple[str, ...], filtered: bool = True) -> list[tuple[str, Callable[[str], object]]]:
    """A call with the argument ``?`` for each of the arguments that a text can reach."""
    made: list[tuple[str, Callable[[str], object]]] = []
    for name in names:
        type_, make = {"columns": ("text[]", listed), "key_columns": ("name[]", listed)}.get(name, ("text", plain))
        made.append(
            (
                call.replace(
                    ")", f", {name} => %s::{type_})" if name != "embedding_column" else f", {name} => %s::name)"
                ),
                make,
            )
        )
    if filtered:
        made += [(call.replace(")", ", filter => %s::jsonb)"), make) for make in FILTERS]
    return made


COMMON = ("embedding_column", "distance_by", "columns", "key_columns")
CALLS: Cases = {
    "search": [
        *cases(f"search('note', '{QUERY}')", names=COMMON),
        ("search(%s::regclass, '[1,2,3]')", plain),
        ("search('note', %s::text)", plain),
        ("search('note', %s::text, distance_by => 'cosine')", plain),
        ("search('note', %s::text[])", listed),
    ],
    "similar": [
        *cases("similar('note', 'a'::text)", names=COMMON),
        ("similar(%s::regclass, 'a'::text)", plain),
        ("similar('note', %s::text)", plain),
        ("similar('note', %s::jsonb)", json.dumps),
        ("similar('note', %s::jsonb)", lambda text: json.dumps({text: text})),
    ],
    "recommend": [
        *cases("recommend('note', '[\"a\"]'::jsonb)", names=(*COMMON, "strategy")),
        ("recommend(%s::regclass, '[]')", plain),
        *(("recommend('note', %s::jsonb)", make) for make in EXAMPLES),
        *(("recommend('note', negative => %s::jsonb, strategy => 'best_score')", make) for make in EXAMPLES),
    ],
    "mmr": [
        *cases(f"mmr('note', '{QUERY}')", names=COMMON),
        ("mmr(%s::regclass, '[1,2,3]')", plain),
        ("mmr('note', %s::text)", plain),
    ],
    "hybrid_search": [
        *cases(f"hybrid_search('note', 'a', '{QUERY}')", names=("embedding_column", "distance_by", "columns", "fusion", "keyword_index")),
        ("hybrid_search(%s::regclass, 'a', '[1,2,3]')", plain),
        ("hybrid_search('note', %s::text, '[1,2,3]')", plain),
        ("hybrid_search('note', 'a', %s::text)", plain),
    ],
    "recall": [
        *cases("recall('note', 2)", names=("embedding_column", "distance_by", "key_columns")),
        ("recall(%s::regclass)", plain),
    ],
}  # fmt: skip


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The functions are a part of the schema ``pgvec``."""
    return migrated_url


def make_notes(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE TABLE note (id text PRIMARY KEY, title text, number int, tags text[], metadata jsonb, embedding vector(3));"
        "INSERT INTO note VALUES ('a', 'a', 1, '{a}', '{\"a\": \"b\"}', '[1,2,3]'), ('b', 'b', 2, NULL, NULL, '[3,2,1]');"
        "CREATE INDEX ON note USING hnsw (embedding vector_l2_ops);"
        "SELECT pgvec.create_keyword_index('note', '{title}')"
    )


@pytest.mark.parametrize("function", CALLS)
def test_no_text_in_an_argument_becomes_sql(connection: psycopg.Connection, database_url: str, function: str):
    """A hostile text is refused with an error of its own, or it is data; nothing is changed by it."""
    make_notes(connection)
    plant_canary(connection)
    with psycopg.connect(database_url, autocommit=True) as observer:
        before = fingerprint(observer)
        for number, payload in enumerate(PAYLOADS):
            for place, (call, make) in enumerate(CALLS[function]):
                if (number + place) % (3 if FULL else 6):
                    continue
                try:
                    connection.execute(f"SELECT * FROM pgvec.{call}", (make(payload),)).fetchall()
                except REFUSED:
                    continue
                except psycopg.DatabaseError as exc:
                    # There is no such keyword index; a name of a table has at most two dots, which Postgres calls syntax.
                    if exc.sqlstate != "PV003" and "improper relation name" not in str(exc):
                        raise
        assert canary_lives(observer)
        assert fingerprint(observer) == before


def test_every_argument_has_a_case(connection: psycopg.Connection):
    """What a text can reach is known: a new argument fails here until the corpus is run against it."""
    functions = [*CALLS]
    found = connection.execute(
        "SELECT DISTINCT p.proname, a.name, a.n FROM pg_proc AS p"
        " CROSS JOIN LATERAL unnest(p.proargnames[:p.pronargs], p.proargtypes::oid[]) WITH ORDINALITY AS a (name, type, n)"
        " WHERE p.pronamespace = 'pgvec'::regnamespace AND p.proname = ANY (%s)"
        " AND a.type::regtype::text NOT IN ('integer', 'boolean', 'double precision', 'double precision[]')",
        (functions,),
    ).fetchall()
    made = set(find_script("0006_pre_search_functions").up.split())
    assert {name for name, _, _ in found} == set(functions)
    assert "pgvec.inspect()" in made
    for function, argument, place in found:
        calls = [call for call, _ in CALLS[function]]
        by_place = any(
            call.split("(", 1)[1].split(", ")[place - 1].startswith("%s")
            for call in calls
            if len(call.split(", ")) >= place
        )
        assert by_place or any(f"{argument} => %s" in call for call in calls), (function, argument)


def test_names_of_tables_and_columns(connection: psycopg.Connection):
    """Whatever a table and its columns are called, they are searched like any other."""
    plant_canary(connection)
    for number, payload in enumerate(PAYLOADS):
        if "\0" in payload or not 0 < len(payload.encode(errors="surrogatepass")) <= 55 or not payload.isprintable():
            continue
        taken = payload in {"canary", "ctid", "xmin", "tableoid", "oid"} or payload.startswith("pg_")
        if taken or (not FULL and number % 8):
            continue
        name, key, vector = (sql.Identifier(text) for text in (payload, "key " + payload, "v " + payload))
        connection.execute(
            sql.SQL(
                "CREATE TABLE {0} ({1} int PRIMARY KEY, {0} text, {2} vector(2)); CREATE INDEX ON {0} USING hnsw ({2} vector_cosine_ops);"
                "INSERT INTO {0} VALUES (1, 'x', '[1,0]'), (2, 'y', '[0,1]'), (3, 'y', '[1,1]')"
            ).format(name, key, vector)
        )
        relation = sql.Literal(name.as_string(None))
        where = json.dumps({payload.replace("\\", "\\\\").replace(".", "\\."): {"$ne": "x"}})
        if payload.startswith("$"):
            where = "{}"
        for call, expected in (
            ("search({}, '[1,0.5]', filter => {})", [3, 2] if where != "{}" else [3, 1, 2]),
            ("similar({}, 2, filter => {})", [3] if where != "{}" else [3, 1]),
            ("recommend({}, '[1]', '[2]', 'sum_scores', filter => {})", [3]),
            ("recommend({}, '[1]', filter => {})", [3, 2]),
            ("mmr({}, '[0,1]', 0, filter => {})", [2, 3] if where != "{}" else [2, 3, 1]),
        ):
            asked = sql.SQL("SELECT id FROM pgvec." + call).format(relation, sql.Literal(where))
            assert [row[0] for row in connection.execute(asked)] == expected, (payload, call)
        connection.execute(sql.SQL("DROP TABLE {}").format(name))
    assert canary_lives(connection)
