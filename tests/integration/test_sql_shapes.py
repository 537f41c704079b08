"""The SQL functions on tables of every shape: keys, types, indexes, partitions, views, policies, another schema of the extension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from fix_database import Databases
from psycopg import sql

from pgvec.execution import migrate

# Points on a half circle, so that the truth is plain: of two rows the one with the smaller number is nearer to the query.
POINTS = """
INSERT INTO {} (id, category, {}) SELECT n, CASE WHEN n % 3 = 0 THEN 'a' ELSE 'b' END,
    {} FROM generate_series(1, {}) AS n
"""
VECTOR = "ARRAY[cos(radians(n / 40.0)), sin(radians(n / 40.0)), 0.1]::real[]::vector"


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The functions are a part of the schema ``pgvec``."""
    return migrated_url


def fill(connection: psycopg.Connection, table: str, column: str, value: str = VECTOR, count: int = 600) -> None:
    connection.execute(POINTS.format(table, column, value, count))
    connection.execute(f"ANALYZE {table}")


def ids(connection: psycopg.Connection, call: str, *arguments: Any) -> list[Any]:
    return [row[0] for row in connection.execute(f"SELECT id FROM pgvec.{call}", arguments)]


def test_quoted_names(connection: psycopg.Connection):
    """Names that need quotes, with every mark that means something to SQL."""
    connection.execute('CREATE SCHEMA "My ""Schema"')
    connection.execute(
        'CREATE TABLE "My ""Schema"."Tab\'le %s" ("I d" int PRIMARY KEY, "a.b" text, "select" jsonb, "em""bed\'d %I" vector(2))'
    )
    connection.execute(
        """INSERT INTO "My ""Schema"."Tab'le %s" VALUES (1, 'x', '{"k.l": 1}', '[1,0]'), (2, 'y', NULL, '[0,1]')"""
    )
    connection.execute("""CREATE INDEX ON "My ""Schema"."Tab'le %s" USING hnsw ("em""bed'd %I" vector_cosine_ops)""")
    place = """'"My ""Schema"."Tab''le %%s"'"""
    assert ids(connection, f"search({place}, '[1,1]', %s)", '{"a\\\\.b": "y"}') == [2]
    assert ids(connection, f"search({place}, '[1,1]', %s)", '{"select.k\\\\.l": 1}') == [1]
    assert ids(connection, f"similar({place}, 1)") == [2]
    assert ids(connection, f"recommend({place}, '[1]', strategy => 'best_score')") == [2]
    assert ids(connection, f"mmr({place}, '[1,0]')") == [1, 2]


def test_composite_keys(connection: psycopg.Connection):
    """A key of several columns is a JSON array, and can be given as one or as an object."""
    connection.execute(
        "CREATE TABLE part (tenant text, number int, embedding vector(2), PRIMARY KEY (tenant, number));"
        "INSERT INTO part VALUES ('a', 1, '[1,0]'), ('a', 2, '[0.9,0.1]'), ('b', 1, '[0,1]');"
        "CREATE INDEX ON part USING hnsw (embedding vector_l2_ops)"
    )
    assert ids(connection, "search('part', '[1,0]')") == [["a", 1], ["a", 2], ["b", 1]]
    for key in (
        "'[\"a\", 1]'",
        "'[\"a\", 1]'::jsonb",
        "jsonb_build_array('a', 1)",
        '\'{"number": 1, "tenant": "a"}\'::jsonb',
    ):
        assert ids(connection, f"similar('part', {key})") == [["a", 2], ["b", 1]]
    assert ids(connection, "recommend('part', '[[\"a\", 1]]', '[[\"b\", 1]]')") == [["a", 2]]
    assert ids(connection, "mmr('part', '[1,0]', 0)") == [["a", 1], ["a", 2], ["b", 1]]
    with pytest.raises(psycopg.DataError, match="is no key of"):
        ids(connection, "similar('part', '[\"a\"]'::jsonb)")


def test_other_keys(connection: psycopg.Connection):
    """A unique index without NULLs is a key too; without one there is no id, and key_columns names one."""
    connection.execute(
        "CREATE TABLE bare (id int, name text, embedding vector(2));"
        "INSERT INTO bare VALUES (1, 'x', '[1,0]'), (2, 'y', '[0,1]'), (2, 'z', '[0,2]')"
    )
    rows = connection.execute(
        "SELECT id, record->>'name' FROM pgvec.search('bare', '[1,0]', distance_by => 'l2')"
    ).fetchall()
    assert rows == [(None, "x"), (None, "y"), (None, "z")]
    named = "search('bare', '[1,0]', distance_by => 'l2', exact => true, key_columns => '{name}')"
    assert ids(connection, named) == ["x", "y", "z"]
    with pytest.raises(psycopg.DataError, match="no primary key"):
        ids(connection, "similar('bare', 1, distance_by => 'l2')")
    with pytest.raises(psycopg.errors.UndefinedColumn, match="none"):
        ids(connection, "search('bare', '[1,0]', distance_by => 'l2', key_columns => '{none}')")
    connection.execute("ALTER TABLE bare ALTER name SET NOT NULL, ADD UNIQUE (name)")
    assert ids(connection, "similar('bare', 'x'::text, distance_by => 'l2')") == ["y", "z"]


@pytest.mark.parametrize(
    ("type_", "value", "query", "index"),
    [
        ("halfvec(3)", f"({VECTOR})::halfvec", "'[1,0,0.1]'", "(embedding halfvec_cosine_ops)"),
        ("sparsevec(3)", f"({VECTOR})::sparsevec", "'{1:1,3:0.1}/3'", "(embedding sparsevec_l2_ops)"),
        ("bit(8)", "(n % 256)::bit(8)", "'00000000'", "(embedding bit_hamming_ops)"),
        ("bit(8)", "(n % 256)::bit(8)", "B'00000000'", "(embedding bit_jaccard_ops)"),
        ("vector(3)", VECTOR, "'[1,0,0.1]'", "((embedding::halfvec(3)) halfvec_l2_ops)"),
        ("vector(3)", VECTOR, "'[1,0,0.1]'", "((subvector(embedding, 1, 2)::vector(2)) vector_l2_ops)"),
        ("vector(3)", VECTOR, "'[1,0,0.1]'", "((binary_quantize(embedding)::bit(3)) bit_hamming_ops)"),
        ("vector", VECTOR, "'[1,0,0.1]'", "((embedding::vector(3)) vector_l2_ops)"),
    ],
)
def test_types_and_quantised_indexes(connection: psycopg.Connection, type_: str, value: str, query: str, index: str):
    """Every vector type, and indexes on smaller forms: the plan uses the index, and the answer is complete."""
    connection.execute(f"CREATE TABLE item (id int PRIMARY KEY, category text, embedding {type_})")
    fill(connection, "item", "embedding", value, 6_000)
    connection.execute(f"CREATE INDEX item_vector ON item USING hnsw {index}")
    bits = "binary" in index
    options = ", distance_by => 'cosine'" if bits else ""
    with connection.transaction():
        asked = f"SELECT id, distance FROM pgvec.search('item', {query}, max_rows => 5{options})"
        found = connection.execute(asked).fetchall()
        scans = connection.execute("SELECT pg_stat_get_xact_numscans('item_vector'::regclass)").fetchone()[0]
    exact = connection.execute(asked.replace("max_rows => 5", "max_rows => 5, exact => true")).fetchall()
    assert len(found) == 5
    assert scans == 1
    if not bits and "bit" not in type_:
        # Half-precision numbers make many rows equally far, which a graph cannot tell apart.
        assert [row[1] for row in found] == pytest.approx([row[1] for row in exact], abs=1e-3)
    filtered = f"search('item', {query}, '{{\"category\": \"a\"}}', max_rows => 7{options})"
    assert all(number % 3 == 0 for number in ids(connection, filtered))
    assert len(ids(connection, filtered)) == 7


def test_the_distance_of_an_index(connection: psycopg.Connection):
    """The only distance that indexes serve is taken; of several one has to be named."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, category text, embedding vector(3))")
    fill(connection, "item", "embedding")
    for operator_class, distance in (("vector_ip_ops", "inner_product"), ("vector_l1_ops", "l1")):
        connection.execute(f"CREATE INDEX the_index ON item USING hnsw (embedding {operator_class})")
        taken, named = (
            connection.execute(f"SELECT id, distance FROM pgvec.search('item', '[1,0,0]'{option})").fetchall()
            for option in ("", f", distance_by => '{distance}'")
        )
        assert taken == named
        connection.execute("DROP INDEX the_index")
    connection.execute("CREATE INDEX ON item USING hnsw (embedding vector_l2_ops)")
    connection.execute("CREATE INDEX ON item USING hnsw (embedding vector_cosine_ops)")
    with pytest.raises(psycopg.DataError, match="several distances: cosine, l2"):
        ids(connection, "search('item', '[1,0,0]')")


def test_several_vector_columns(connection: psycopg.Connection):
    """Of several vector columns one has to be named; a column of another type is refused."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, category text, a vector(3), b vector(3))")
    fill(connection, "item", "a", count=5)
    connection.execute("CREATE INDEX ON item USING hnsw (a vector_l2_ops)")
    with pytest.raises(psycopg.DataError, match="several vector columns: a, b"):
        ids(connection, "search('item', '[1,0,0]')")
    assert ids(connection, "search('item', '[1,0,0.1]', embedding_column => 'a')") == [1, 2, 3, 4, 5]
    for wrong in ("category", "none"):
        with pytest.raises(psycopg.errors.UndefinedColumn, match="no vector column"):
            ids(connection, f"search('item', '[1,0,0]', embedding_column => '{wrong}')")
    with pytest.raises(psycopg.errors.WrongObjectType):
        ids(connection, "search('item_pkey', '[1,0,0]')")


def test_partitions(connection: psycopg.Connection):
    """A partitioned table with an index on each partition."""
    connection.execute(
        "CREATE TABLE item (id int, category text, embedding vector(3), PRIMARY KEY (id, category)) PARTITION BY LIST (category);"
        "CREATE TABLE item_a PARTITION OF item FOR VALUES IN ('a'); CREATE TABLE item_b PARTITION OF item FOR VALUES IN ('b')"
    )
    fill(connection, "item", "embedding", count=3_000)
    connection.execute("CREATE INDEX ON item USING hnsw (embedding vector_l2_ops)")
    found = ids(connection, "search('item', '[1,0,0.1]', max_rows => 4)")
    assert found == [[1, "b"], [2, "b"], [3, "a"], [4, "b"]]
    found = ids(connection, "search('item', '[1,0,0.1]', '{\"category\": \"a\"}', max_rows => 2)")
    assert found == [[3, "a"], [6, "a"]]


def test_views(connection: psycopg.Connection):
    """A view is searched by the index of its table; its key has to be named."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, category text, embedding vector(3))")
    fill(connection, "item", "embedding", count=6_000)
    connection.execute("CREATE INDEX item_vector ON item USING hnsw (embedding vector_l2_ops)")
    connection.execute("CREATE VIEW shown AS SELECT id AS number, embedding FROM item WHERE category = 'a'")
    with connection.transaction():
        found = ids(connection, "search('shown', '[1,0,0.1]', max_rows => 3, key_columns => '{number}')")
        scans = connection.execute("SELECT pg_stat_get_xact_numscans('item_vector'::regclass)").fetchone()[0]
    assert found == [3, 6, 9]
    assert scans == 1
    assert ids(
        connection, "search('shown', '[1,0,0.1]', '{\"number\": {\"$gt\": 4}}', 2, key_columns => '{number}')"
    ) == [6, 9]


def test_partial_indexes(connection: psycopg.Connection):
    """A filter that implies the predicate of an index is answered by it; any other one is answered completely all the same."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, category text, embedding vector(3))")
    fill(connection, "item", "embedding", count=6_000)
    connection.execute("CREATE INDEX item_a ON item USING hnsw (embedding vector_l2_ops) WHERE category = 'a'")

    def asked(where: str) -> tuple[list[int], int]:
        counted = "SELECT pg_stat_get_xact_numscans('item_a'::regclass)"
        with connection.transaction():
            before = connection.execute(counted).fetchone()[0]
            found = ids(connection, "search('item', '[1,0,0.1]', %s, max_rows => 3)", where)
            return found, connection.execute(counted).fetchone()[0] - before

    assert asked('{"category": "a"}') == ([3, 6, 9], 1)
    assert asked('{"category": "b"}') == ([1, 2, 4], 0)
    assert asked("{}") == ([1, 2, 3], 0)
    connection.execute("CREATE INDEX item_all ON item USING hnsw (embedding vector_l2_ops)")
    assert asked('{"category": "a"}') == ([3, 6, 9], 1)


def test_an_index_that_comes_back_short(connection: psycopg.Connection):
    """Where a filter points away from the query, the index gives up and every row that passes is compared."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, category text, embedding vector(3), far jsonb)")
    fill(connection, "item", "embedding", count=6_000)
    connection.execute("CREATE INDEX ON item USING hnsw (embedding vector_l2_ops) WITH (m = 4, ef_construction = 16)")
    connection.execute("UPDATE item SET far = '{\"yes\": true}' WHERE id BETWEEN 1750 AND 1800")
    connection.execute("ANALYZE item")
    found = ids(connection, "search('item', '[1,0,0.1]', '{\"far.yes\": true}', max_rows => 20)")
    assert found == list(range(1750, 1770))


def test_row_level_security(connection: psycopg.Connection, database_url: str, login_role: str):
    """A role sees what its policies and its columns let it see; policies may call functions on the caller's search_path."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, category text, secret text, embedding vector(3))")
    fill(connection, "item", "embedding", count=300)
    connection.execute(
        "CREATE INDEX ON item USING hnsw (embedding vector_l2_ops); ALTER TABLE item ENABLE ROW LEVEL SECURITY;"
        "CREATE TABLE mine (category text); INSERT INTO mine VALUES ('a'); GRANT SELECT ON mine TO PUBLIC;"
        "CREATE FUNCTION allowed() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT category FROM mine); END';"
        "CREATE POLICY own ON item USING (category = allowed())"
    )
    role = sql.Identifier(login_role)
    connection.execute(sql.SQL("GRANT SELECT (id, category, embedding) ON item TO {}").format(role))
    url = psycopg.conninfo.make_conninfo(database_url, user=login_role, password=login_role)
    with psycopg.connect(url, autocommit=True) as reader:
        rows = reader.execute("SELECT id, record FROM pgvec.search('item', '[1,0,0.1]', max_rows => 2)").fetchall()
        assert rows == [(3, {"id": 3, "category": "a"}), (6, {"id": 6, "category": "a"})]
        for refused in ("columns => '{secret}'", 'filter => \'{"secret": "x"}\''):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT * FROM pgvec.search('item', '[1,0,0.1]', {refused})")
        with pytest.raises(psycopg.DatabaseError, match=r"no row of public\.item has the key"):
            reader.execute("SELECT * FROM pgvec.similar('item', 1)")
        connection.execute(
            sql.SQL("REVOKE ALL ON item FROM {0}; REVOKE ALL (id, category, embedding) ON item FROM {0}").format(role)
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT * FROM pgvec.search('item', '[1,0,0.1]')")


def test_domains_and_citext(connection: psycopg.Connection):
    """Columns of domains and of citext are compared as their own type compares."""
    connection.execute(
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE DOMAIN price AS numeric CHECK (VALUE >= 0);"
        "CREATE DOMAIN label AS text; CREATE TABLE item (id label PRIMARY KEY, name ext.citext, cost price, tags label[], embedding vector(2));"
        "INSERT INTO item VALUES ('a', 'News', 1.5, '{x}', '[1,0]'), ('b', 'food', NULL, '{y,z}', '[0,1]');"
        "CREATE INDEX ON item USING hnsw (embedding vector_l2_ops)"
    )
    for where, expected in (
        ('{"name": "NEWS"}', ["a"]),
        ('{"name": {"$in": ["FOOD"]}}', ["b"]),
        ('{"name": {"$like": "n%"}}', ["a"]),
        ('{"cost": {"$lte": 1.5}}', ["a"]),
        ('{"cost": null}', ["b"]),
        ('{"tags": {"$contains": "y"}}', ["b"]),
        ('{"id": {"$gt": "a"}}', ["b"]),
    ):
        assert ids(connection, "search('item', '[1,0]', %s)", where) == expected, where
    assert ids(connection, "similar('item', 'a')") == ["b"]


def test_lateral_and_prepared(connection: psycopg.Connection):
    """The functions join like tables, and work in prepared statements, in read-only transactions and in parallel plans' leaders."""
    connection.execute("CREATE TABLE item (id int PRIMARY KEY, category text, embedding vector(3))")
    fill(connection, "item", "embedding")
    connection.execute("CREATE INDEX ON item USING hnsw (embedding vector_l2_ops)")
    joined = """
        SELECT asked.id, found.id FROM item AS asked
        CROSS JOIN LATERAL pgvec.search('item', asked.embedding, max_rows => 2, columns => '{}') AS found
        WHERE asked.id IN (100, 200) ORDER BY asked.id, found.rank
    """
    connection.execute("SET default_transaction_read_only = on")
    for _ in range(7):
        rows = connection.execute(joined, prepare=True).fetchall()
    assert next(row[1] for row in rows if row[0] == 100) == 100
    assert len(rows) == 4


@pytest.fixture
def elsewhere(databases: Databases) -> Iterator[Callable[[str], psycopg.Connection]]:
    """A function that opens a connection to a migrated database whose extension lives in a schema off the search path."""
    name = databases.create()
    url = databases.url_of(name)
    with psycopg.connect(url, autocommit=True) as made:
        made.execute('CREATE SCHEMA "vec tor"; CREATE EXTENSION vector SCHEMA "vec tor"')
        migrate.up(url)
        yield made
    databases.drop(name)


def test_the_extension_may_live_anywhere_and_move(elsewhere: psycopg.Connection):
    """The functions find the extension in its schema, and where it is moved to, in the same session."""
    connection = elsewhere
    connection.execute('CREATE TABLE item (id int PRIMARY KEY, category text, embedding "vec tor".vector(3))')
    value = VECTOR.replace("::vector", '::"vec tor".vector')
    fill(connection, "item", "embedding", value)
    connection.execute('CREATE INDEX ON item USING hnsw (embedding "vec tor".vector_cosine_ops)')
    connection.execute(
        'CREATE INDEX ON item USING hnsw (("vec tor".binary_quantize(embedding)::bit(3)) "vec tor".bit_hamming_ops)'
    )

    def check() -> None:
        assert ids(connection, "search('item', '[1,0,0.1]', max_rows => 3)") == [1, 2, 3]
        assert ids(connection, "search('item', '[1,0,0.1]', '{\"category\": \"a\"}', max_rows => 2)") == [3, 6]
        assert ids(connection, "search('item', '[1,0,0.1]', max_rows => 2, distance_by => 'l2', exact => true)") == [
            1,
            2,
        ]
        assert len(ids(connection, "search('item', '[1,0,0.1]', max_rows => 2, distance_by => 'l2')")) == 2
        assert ids(connection, "similar('item', 1, max_rows => 1)") == [2]
        assert len(ids(connection, "mmr('item', '[1,0,0.1]', max_rows => 2)")) == 2
        assert ids(connection, "recommend('item', '[1, 3]', '[600]', max_rows => 1)")
        assert connection.execute("SELECT recall FROM pgvec.recall('item', 5)").fetchone()[0] > 0.9
        assert connection.execute("SELECT count(*) FROM pgvec.inspect()").fetchone() == (2,)

    check()
    connection.execute("CREATE SCHEMA moved; ALTER EXTENSION vector SET SCHEMA moved")
    check()
    connection.execute("DROP TABLE item; DROP EXTENSION vector")
    with pytest.raises(psycopg.DatabaseError, match="not installed"):
        ids(connection, "search('pgvec.migration', '[1]')")
