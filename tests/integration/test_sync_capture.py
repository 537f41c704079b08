"""Triggers write down which rows need another embedding, whoever writes the table and however."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from fix_sync import ARTICLE, NAME, SYNC, SyncedTable
from psycopg import sql
from sqlalchemy import make_url

from pgvec.embedding_sync import EmbeddingSync, WorkerOptions
from pgvec.errors import SyncError

WRITES = {
    "insert": ("INSERT INTO article (id, title) VALUES (10, 'ten'), (11, 'eleven')", ["10", "11"]),
    "an empty text": ("INSERT INTO article (id) VALUES (10)", ["10"]),
    "update": ("UPDATE article SET title = 'other' WHERE id = 1", ["1"]),
    "update of the second source": ("UPDATE article SET body = 'other' WHERE id IN (1, 3)", ["1", "3"]),
    "null becomes text": ("UPDATE article SET body = 'more' WHERE id = 2", ["2"]),
    "upper case only": ("UPDATE article SET title = upper(title) WHERE id = 1", ["1"]),
    "another column": ("UPDATE article SET views = views + 1", []),
    "the same text": ("UPDATE article SET title = title, body = body", []),
    "null and empty are the same text": ("UPDATE article SET body = '' WHERE id = 2", []),
    "text and another column": ("UPDATE article SET views = 5, title = 'x' WHERE id = 3", ["3"]),
    "the embedding itself": ("UPDATE article SET embedding = NULL WHERE id = 3", []),
    "delete": ("DELETE FROM article WHERE id < 3", []),
    "truncate": ("TRUNCATE article", []),
    "on conflict do nothing": (
        "INSERT INTO article (id, title) VALUES (1, 'x'), (9, 'y') ON CONFLICT DO NOTHING",
        ["9"],
    ),
    "on conflict do update": (
        "INSERT INTO article (id, title) VALUES (1, 'x'), (9, 'y') ON CONFLICT (id) DO UPDATE SET title = excluded.title",
        ["1", "9"],
    ),
    "on conflict with the same text": (
        "INSERT INTO article (id, title) VALUES (2, 'two') ON CONFLICT (id) DO UPDATE SET title = excluded.title, views = 7",
        [],
    ),
    "merge": (
        """MERGE INTO article a USING (VALUES (1, 'x'), (8, 'y')) v(id, title) ON a.id = v.id
            WHEN MATCHED THEN UPDATE SET title = v.title WHEN NOT MATCHED THEN INSERT (id, title) VALUES (v.id, v.title)""",
        ["1", "8"],
    ),
    "merge that deletes": (
        "MERGE INTO article a USING (VALUES (1)) v(id) ON a.id = v.id WHEN MATCHED THEN DELETE",
        [],
    ),
    "another key": ("UPDATE article SET id = 77 WHERE id = 1", ["77"]),
    "keys that move along": ("UPDATE article SET id = id + 1 WHERE id = 3", ["4"]),
    "deleted and inserted in one statement": (
        "WITH gone AS (DELETE FROM article WHERE id = 2 RETURNING id) INSERT INTO article (id, title) SELECT 12, 'x' FROM gone",
        ["12"],
    ),
    "with a data-modifying query": (
        "WITH new AS (INSERT INTO article (id, title) VALUES (20, 'x') RETURNING id) UPDATE article SET title = 'z' WHERE id = 1",
        ["1", "20"],
    ),
    "many times": ("UPDATE article SET title = 'a' WHERE id = 1; UPDATE article SET title = 'b' WHERE id = 1", ["1"]),
    "inserted and deleted": ("INSERT INTO article (id, title) VALUES (5, 'x'); DELETE FROM article WHERE id = 5", []),
    "rolled back": ("BEGIN; UPDATE article SET title = 'x'; ROLLBACK", []),
    "rolled back to a savepoint": (
        "BEGIN; UPDATE article SET title = 'x' WHERE id = 1; SAVEPOINT s; UPDATE article SET title = 'y'; ROLLBACK TO s; COMMIT",
        ["1"],
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_noted(article: SyncedTable, name: str) -> None:
    """What changed a text is pending afterwards, and nothing else; a worker then leaves every row right and no orphan."""
    statement, expected = WRITES[name]
    for part in statement.split("; "):
        article.sql(part)
    assert article.pending() == expected
    article.drain()
    assert article.pending() == []
    assert article.orphans() == 0
    if name != "the embedding itself":
        assert article.wrong_rows() == []


def test_copy_is_noted(article: SyncedTable) -> None:
    """Rows that COPY writes are pending."""
    with article.connection.cursor().copy("COPY article (id, title) FROM STDIN") as copy:
        for number in range(100, 103):
            copy.write_row((number, f"copied {number}"))
    assert article.pending() == ["100", "101", "102"]


def test_a_large_write_is_noted_in_batches(synced: SyncedTable) -> None:
    """A thousand rows and more of one statement cost a few entries, and are all embedded."""
    synced.declare()
    synced.sql("INSERT INTO article (title) SELECT 'text ' || n FROM generate_series(1, 5500) AS n")
    assert synced.sql("SELECT row_count FROM pgvec.embedding_batch ORDER BY 1") == [(5500,)]
    assert synced.syncs.backlog(NAME) == 5500
    synced.sql("UPDATE article SET title = 'changed' WHERE id = 1; DELETE FROM article WHERE id = 2")
    synced.drain(options=WorkerOptions(batch_size=1000))
    assert synced.wrong_rows() == []
    assert synced.orphans() == 0
    assert synced.syncs.backlog(NAME) == 0
    assert max(synced.embedder.texts.values()) == 1


def test_a_cascade_is_noted(synced: SyncedTable) -> None:
    """Rows that a foreign key deletes or updates are noted as if a statement had done it."""
    synced.sql("CREATE TABLE author (name text PRIMARY KEY)")
    synced.sql("INSERT INTO author VALUES ('ann'), ('bob')")
    synced.declare(
        "CREATE TABLE article (id bigint PRIMARY KEY, title text REFERENCES author ON DELETE CASCADE ON UPDATE CASCADE,"
        " body text, embedding vector(8))"
    )
    synced.sql("INSERT INTO article VALUES (1, 'ann', 'x'), (2, 'bob', 'y')")
    synced.drain()
    synced.sql("UPDATE author SET name = 'eve' WHERE name = 'ann'")
    assert synced.pending() == ["1"]
    synced.sql("DELETE FROM author")
    synced.drain()
    assert synced.orphans() == 0


PARTITIONED = """
CREATE TABLE article (id bigint, region text, title text, body text, embedding vector(8), PRIMARY KEY (id, region))
 PARTITION BY LIST (region);
CREATE TABLE article_north PARTITION OF article FOR VALUES IN ('n');
CREATE TABLE article_south PARTITION OF article FOR VALUES IN ('s') PARTITION BY RANGE (id);
CREATE TABLE article_south_1 PARTITION OF article_south FOR VALUES FROM (0) TO (1000);
"""


def test_partitions_are_noted(synced: SyncedTable) -> None:
    """Writes to the table and to each of its partitions are noted, and a row that moves is noted under its new key."""
    synced.declare(PARTITIONED)
    synced.sql("INSERT INTO article (id, region, title) VALUES (1, 'n', 'one'), (2, 's', 'two')")
    synced.sql("INSERT INTO article_south_1 (id, region, title) VALUES (3, 's', 'three')")
    assert synced.pending() == ["1", "2", "3"]
    synced.drain()
    assert synced.wrong_rows() == []
    synced.sql("UPDATE article_north SET title = 'north' WHERE id = 1")
    synced.sql("UPDATE article SET region = 'n' WHERE id = 2")
    assert synced.sql("SELECT key FROM pgvec.embedding_outbox ORDER BY key") == [(["1", "n"],), (["2", "n"],)]
    synced.drain()
    synced.sql("TRUNCATE article_north")
    synced.drain()
    assert synced.sql("SELECT key FROM pgvec.embedding_state") == [(["3", "s"],)]
    assert synced.wrong_rows() == []


def test_a_partition_attached_later_is_found_by_reconcile(synced: SyncedTable) -> None:
    """Reconcile gives a new partition its triggers and enqueues the rows that it brought."""
    name = synced.declare(PARTITIONED)
    synced.sql("CREATE TABLE article_south_2 PARTITION OF article_south FOR VALUES FROM (1000) TO (2000)")
    synced.sql("INSERT INTO article_south_2 (id, region, title) VALUES (1500, 's', 'late')")
    assert synced.pending() == []
    assert synced.syncs.reconcile(name) == 1
    synced.sql("INSERT INTO article_south_2 (id, region, title) VALUES (1501, 's', 'later')")
    assert synced.pending() == ["1500", "1501"]


def test_writes_behind_the_triggers_are_found_by_reconcile(article: SyncedTable) -> None:
    """Rows inserted, changed and deleted while triggers were off are found, and nothing else is."""
    article.sql("SET session_replication_role = replica")
    article.sql("UPDATE article SET title = 'silently' WHERE id = 1")
    article.sql("DELETE FROM article WHERE id = 2")
    article.sql("INSERT INTO article (id, title) VALUES (50, 'quiet')")
    article.sql("SET session_replication_role = origin")
    assert article.pending() == []
    assert article.syncs.reconcile(NAME) == 2
    assert article.pending() == ["1", "50"]
    article.drain()
    assert article.wrong_rows() == []
    assert article.orphans() == 0
    assert article.syncs.reconcile(NAME) == 0


KEYS = {
    "uuid": ("uuid", "'4b5a0a51-7b0e-4f0e-9d2b-0a6c1d8b8f11'"),
    "text": ("text", "'it''s \"quoted\", {braced} \\ and 100 %'"),
    "char": ("char(6)", "'ab'"),
    "varchar": ("varchar(9)", "'ab '"),
    "timestamptz": ("timestamptz", "'2024-03-31 02:30:00.123456+02'"),
    "numeric": ("numeric(12, 3)", "12.500"),
    "double precision": ("double precision", "0.1::float8 + 0.2"),
    "bytea": ("bytea", "'\\xdeadbeef'"),
    "interval": ("interval", "'1 mon 3 days 04:05:06.7'"),
    "date": ("date", "'2024-02-29'"),
    "boolean": ("boolean", "true"),
    "domain": ("short", "'x'"),
    "enum": ("mood", "'so so'"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_works(synced: SyncedTable, kind: str) -> None:
    """A row is found by its key again, whatever its type and however the session writes values."""
    type_, value = KEYS[kind]
    synced.sql("CREATE DOMAIN short AS text CHECK (length(value) < 5)")
    synced.sql("CREATE TYPE mood AS ENUM ('so so', 'fine')")
    synced.declare(f"CREATE TABLE article (id {type_} PRIMARY KEY, title text, body text, embedding vector(8))")
    for setting in (
        "timezone = 'Asia/Tokyo'",
        "datestyle = 'German'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
    ):
        synced.sql(f"SET {setting}")
    synced.sql("SET extra_float_digits = 0")
    synced.sql(f"INSERT INTO article (id, title) VALUES ({value}, 'text')")
    synced.drain()
    assert synced.sql("SELECT embedding IS NOT NULL FROM article") == [(True,)]
    assert synced.sql("SELECT count(*) FROM pgvec.embedding_outbox") == [(0,)]
    synced.sql("SET timezone = 'UTC'")
    synced.sql("UPDATE article SET title = 'other'")
    synced.sql("DELETE FROM article")
    assert synced.sql("SELECT count(*) FROM pgvec.embedding_outbox") == [(0,)]
    assert synced.sql("SELECT count(*) FROM pgvec.embedding_state") == [(0,)]


def test_names_are_quoted(synced: SyncedTable) -> None:
    """Names of tables, columns and syncs may hold anything; none of it becomes SQL."""
    synced.sql('CREATE SCHEMA "Odd; ""schema"""')
    table = "a\" b'); DROP TABLE victim; --%s{x}"
    columns = {"key": 'Ke"y', "first": "ti'tle; --", "second": "%(b)s", "vector": 'em"bedding $$'}
    quoted = {name: sql.Identifier(column) for name, column in columns.items()}
    place = sql.Identifier('Odd; "schema"', table)
    synced.connection.execute("CREATE TABLE victim (x int)")
    synced.connection.execute(
        sql.SQL("CREATE TABLE {} ({key} bigint PRIMARY KEY, {first} text, {second} text, {vector} vector(8))").format(
            place, **quoted
        )
    )
    sync = EmbeddingSync(
        table=table,
        schema='Odd; "schema"',
        source=(columns["first"], columns["second"]),
        column=columns["vector"],
        embedder="content",
        name="x'; DROP TABLE victim; --",
        template="it's {ti'tle; --} and {%(b)s} %s $1 {{}}",
    )
    (name,) = synced.syncs.create(sync)
    insert = sql.SQL("INSERT INTO {} ({key}, {first}, {second}) VALUES (1, 'one', 'two')").format(place, **quoted)
    synced.connection.execute(insert)
    synced.drain()
    assert list(synced.embedder.texts) == ["it's one and two %s $1 {}"]
    synced.connection.execute(sql.SQL("UPDATE {} SET {first} = 'x'").format(place, **quoted))
    assert synced.syncs.backlog(name) == 1
    synced.syncs.reconcile(name)
    synced.drain()
    synced.syncs.drop(name)
    assert synced.sql("SELECT count(*) FROM victim") == [(0,)]


def test_a_role_without_privileges_in_pgvec_is_captured(login_role: str, synced: SyncedTable) -> None:
    """A role that may only write its table does so, and cannot touch or forge what pgvec keeps."""
    synced.declare()
    synced.sql(f'GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON article TO "{login_role}"')
    synced.sql(f'GRANT CREATE ON SCHEMA public TO "{login_role}"')
    url = make_url(synced.url).set(username=login_role, password=login_role).render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as application:
        application.execute("SET search_path = nowhere")
        application.execute("INSERT INTO public.article (id, title) VALUES (1, 'x'), (2, 'y')")
        application.execute("UPDATE public.article SET title = 'z' WHERE id = 1")
        application.execute("DELETE FROM public.article WHERE id = 2")
        assert application.execute("SELECT pgvec.sync_backlog('public.article.embedding')").fetchone() == (1,)
        for forbidden in (
            "SELECT * FROM pgvec.embedding_outbox",
            "DELETE FROM pgvec.embedding_outbox",
            "SELECT pgvec.sync_drop('public.article.embedding')",
            """CREATE TABLE public.own (id int PRIMARY KEY);
               CREATE TRIGGER t AFTER INSERT ON public.own REFERENCING NEW TABLE AS pgvec_new
               FOR EACH STATEMENT EXECUTE FUNCTION pgvec._capture_insert_v1('public.article.embedding')""",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(forbidden)
        application.execute("TRUNCATE public.article")
    assert synced.pending() == []
    synced.sql(f'DROP OWNED BY "{login_role}"')


REFUSED = {
    "no such column": (ARTICLE, {"source": ("nothing",)}, "no column 'nothing'"),
    "no such target": (ARTICLE, {"column": "nothing"}, "no column 'nothing'"),
    "a target of another type": (ARTICLE, {"column": "views"}, "neither vector nor halfvec"),
    "no source": (ARTICLE, {"source": ()}, "no source column"),
    "its own source": (ARTICLE, {"source": ("embedding",)}, "made from itself"),
    "no embedder": (ARTICLE, {"embedder": ""}, "no embedder"),
    "a template with an unknown name": (ARTICLE, {"template": "{views}"}, "names {views}"),
    "a template with half a brace": (ARTICLE, {"template": "{title"}, "without its partner"),
    "no primary key": ("CREATE TABLE article (title text, body text, embedding vector(8))", {}, "no primary key"),
    "a view": (
        "CREATE VIEW article AS SELECT 1 AS id, '' AS title, '' AS body, NULL::vector(8) AS embedding",
        {},
        "no table",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(synced: SyncedTable, name: str) -> None:
    """A declaration that cannot be kept raises at once, says why, and leaves nothing behind."""
    table, change, message = REFUSED[name]
    synced.sql(table)
    with pytest.raises(SyncError, match=message):
        synced.syncs.create(replace(SYNC, **change))
    assert synced.syncs.status() == ()


def test_a_declaration_can_be_repeated(article: SyncedTable) -> None:
    """The same declaration again changes nothing; another template enqueues the rows whose text is another by it."""
    assert article.syncs.create(SYNC) == [NAME]
    assert article.pending() == []
    article.syncs.create(replace(SYNC, template="{title}{body}"))
    assert article.pending() == ["1", "3"]  # the second has no body, so its text is as before
    with pytest.raises(SyncError, match=r"exists, for public\.article\.embedding by 'content'"):
        article.syncs.create(replace(SYNC, embedder="other"))


@pytest.mark.parametrize(("backfill", "expected"), [("all", ["1", "2"]), ("missing", ["2"]), ("none", [])])
def test_rows_that_are_there_are_filled_as_asked(synced: SyncedTable, backfill: str, expected: list[str]) -> None:
    """Declaring a sync enqueues all rows, those without an embedding, or none."""
    synced.sql(ARTICLE)
    synced.sql("INSERT INTO article (id, title, embedding) VALUES (1, 'x', '[1,1,1,1,1,1,1,1]'), (2, 'y', NULL)")
    synced.syncs.create(SYNC, backfill=backfill)
    assert synced.pending() == expected


def test_a_renamed_source_column_is_told(article: SyncedTable) -> None:
    """After a source column was renamed, writes fail loudly until the sync is declared anew, and then work."""
    article.sql("ALTER TABLE article RENAME COLUMN body TO content")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        article.sql("UPDATE article SET title = 'x' WHERE id = 1")
    article.syncs.create(replace(SYNC, source=("title", "content")))
    article.sql("UPDATE article SET title = 'x' WHERE id = 1")
    assert article.pending() == ["1"]


def test_dropping_leaves_table_and_embeddings(article: SyncedTable) -> None:
    """Without its sync the table is as it was, and is written without a trace."""
    article.syncs.drop(NAME)
    assert article.sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgvec%'") == [(0,)]
    article.sql("INSERT INTO article (id, title) VALUES (9, 'x')")
    assert article.pending() == []
    assert article.sql("SELECT count(embedding) FROM article") == [(3,)]
    with pytest.raises(SyncError, match="There is none at all"):
        article.syncs.drop(NAME)


def test_a_dropped_table_disturbs_nobody(article: SyncedTable) -> None:
    """The sync of a table that was dropped is passed over, and can be dropped."""
    article.sql("DROP TABLE article")
    article.drain()
    article.syncs.drop(NAME)
    assert article.syncs.status() == ()
