"""``python -m benchmarks.keyword``: keyword and hybrid search, and their upkeep, beside ``ts_rank`` over GIN."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from time import perf_counter
from typing import Any, LiteralString

import numpy as np
import psycopg
import sqlalchemy as sa
from psycopg import sql

from benchmarks.environment import describe_environment
from benchmarks.keyword.texts import Passages
from benchmarks.measure import measure
from benchmarks.report import RESULTS
from benchmarks.server import checkpoint, fresh_database
from pgvec import Repository
from pgvec.execution import migrate
from pgvec.execution.url import engine_url
from pgvec.orm import Embedding, HnswIndex, KeywordIndex

DIMENSIONS = 32
CHUNKS = 4
SINGLE_ROWS = 500
GOALS = {"keyword_p95_ratio": 2.0, "hybrid_p95_ratio": 3.0, "write_ratio": 3.0, "write_single_ratio": 3.0}

_PLAIN = """
CREATE TABLE plain (
    id integer PRIMARY KEY, title text, body text,
    words tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('pg_catalog.english', title), 'A') || setweight(to_tsvector('pg_catalog.english', body), 'B')
    ) STORED);
CREATE INDEX ON plain USING gin (words)
"""
# The same rows match: those with one of the words.
_TS_RANK = """
SELECT id, ts_rank(words, query) AS score
FROM plain, CAST(replace(plainto_tsquery('pg_catalog.english', %s)::text, '&', '|') AS tsquery) AS query
WHERE words @@ query ORDER BY score DESC LIMIT 10
"""


def main() -> None:
    """Measure, print, and write ``results/keyword.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyword", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="passages")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--url", help="a server to measure on (PGVEC_BENCH_URL); else an embedded one")
    arguments = parser.parse_args()
    with fresh_database(arguments.url or os.environ.get("PGVEC_BENCH_URL")) as conninfo:
        figures = _measure(conninfo, Passages(arguments.rows), arguments.queries, arguments.rounds)
        about = describe_environment(conninfo)
    figures["rows"] = arguments.rows
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "keyword.json").write_text(json.dumps({**figures, "about": about}, indent=2) + "\n")
    for name, value in figures.items():
        goal = f"  (goal: at most {GOALS[name]})" if name in GOALS else ""
        sys.stdout.write(f"{name:24} {value:10.2f}{goal}\n")


def _table() -> sa.Table:
    return sa.Table(
        "passage",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.Text),
        sa.Column("body", sa.Text),
        sa.Column("embedding", Embedding(DIMENSIONS, distance="l2")),
        KeywordIndex("title", "body"),
    )


def _measure(conninfo: str, passages: Passages, queries: int, rounds: int) -> dict[str, float]:
    migrate.up(conninfo)
    engine = sa.create_engine(engine_url(conninfo))
    table = _table()
    table.create(engine)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_PLAIN)
        figures = {**_load(connection, conninfo, passages), **_write_single(connection, passages)}
        _say("embedding and building the vector index")
        _embed(connection, passages.rows)
        with engine.begin() as opened:
            HnswIndex(table.c.embedding).create(opened)
        for name in connection.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
            " WHERE relkind = 'r' AND n.nspname IN ('public', 'pgvec')"
        ).fetchall():
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.SQL(name[0])))
        with engine.begin() as opened:
            figures |= _search(connection, Repository(opened, table), passages, queries, rounds)
    engine.dispose()
    return figures


def _load(connection: psycopg.Connection, conninfo: str, passages: Passages) -> dict[str, float]:
    """Load both tables in turns, by COPY."""
    rows = list(passages.texts())
    seconds = {"plain": 0.0, "passage": 0.0}
    for chunk in range(CHUNKS):
        for name in sorted(seconds, reverse=chunk % 2 == 0):
            _say(f"loading {name}, part {chunk + 1} of {CHUNKS}")
            checkpoint(conninfo)
            started = perf_counter()
            copy = sql.SQL("COPY {} (id, title, body) FROM STDIN").format(sql.Identifier(name))
            with connection.cursor() as cursor, cursor.copy(copy) as target:
                for row in rows[chunk::CHUNKS]:
                    target.write_row(row)
            seconds[name] += perf_counter() - started
    return {
        "write_seconds_plain": seconds["plain"],
        "write_seconds_keyword": seconds["passage"],
        "write_ratio": seconds["passage"] / seconds["plain"],
    }


def _write_single(connection: psycopg.Connection, passages: Passages) -> dict[str, float]:
    """Insert rows one by one, each in a transaction of its own, and delete them again."""
    insert: dict[str, LiteralString] = {
        "plain": "INSERT INTO plain (id, title, body) VALUES (%s, %s, %s)",
        "passage": "INSERT INTO passage (id, title, body) VALUES (%s, %s, %s)",
    }
    rows = [
        (passages.rows + number, title, body)
        for (number, title, body), _ in zip(passages.texts(), range(SINGLE_ROWS), strict=False)
    ]
    seconds = {name: np.zeros(len(rows)) for name in insert}
    for position, row in enumerate(rows):
        for name in sorted(insert, reverse=position % 2 == 0):
            started = perf_counter()
            connection.execute(insert[name], row)
            seconds[name][position] = perf_counter() - started
    connection.execute("DELETE FROM plain WHERE id >= %s", [passages.rows])
    connection.execute("DELETE FROM passage WHERE id >= %s", [passages.rows])
    return {"write_single_ratio": float(seconds["passage"].mean() / seconds["plain"].mean())}


def _embed(connection: psycopg.Connection, rows: int) -> None:
    connection.execute("CREATE TEMPORARY TABLE vectors (id integer, embedding real[])")
    with connection.cursor() as cursor, cursor.copy("COPY vectors FROM STDIN") as target:
        for row in _vectors(rows):
            target.write_row(row)
    connection.execute("UPDATE passage SET embedding = v.embedding FROM vectors AS v WHERE v.id = passage.id")


def _vectors(rows: int) -> Iterator[tuple[int, list[float]]]:
    random = np.random.default_rng(4)
    for number in range(rows):
        yield number, random.standard_normal(DIMENSIONS).tolist()


def _search(
    connection: psycopg.Connection, repository: Repository[Any], passages: Passages, queries: int, rounds: int
) -> dict[str, float]:
    _say("searching")
    texts = passages.queries(queries)
    vectors = np.random.default_rng(5).standard_normal((queries, DIMENSIONS)).astype(np.float32)
    timings = measure(
        {
            "ts_rank": lambda n: connection.execute(_TS_RANK, [texts[n]]).fetchall(),
            "keyword": lambda n: repository.keyword_search(texts[n], columns=("id",)),
            "hybrid": lambda n: repository.hybrid_search(texts[n], vector=vectors[n], columns=("id",)),
        },
        queries,
        rounds=rounds,
        warm_up=5,
    )
    figures = {f"{name}_p{p}_ms": timings[name].percentile(p) for name in timings for p in (50, 95)}
    floor = timings["ts_rank"].percentile(95)
    return figures | {f"{name}_p95_ratio": timings[name].percentile(95) / floor for name in ("keyword", "hybrid")}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
