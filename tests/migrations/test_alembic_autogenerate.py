"""Alembic's autogenerate with the plugin: what it writes runs, both ways, and leaves nothing to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.types import TypeDecorator
from support.alembic_project import Project
from support.alembic_shapes import EMBEDDING, SHAPES, VARIANTS, State, column, hnsw, index, plain, table

from pgvec.execution import migrate
from pgvec.orm import Embedding, HnswIndex
from pgvec.sql import scripts

# What goes wrong offline goes wrong for a kind of operation, not for a shape.
OFFLINE = {"partial with specials", "column added", "operator class changed", "type changed", "a schema of its own"}


@pytest.fixture
def project(tmp_path: Path, database_url: str, connection: psycopg.Connection) -> Project:
    """An application with an Alembic environment and no models yet."""
    connection.execute('CREATE SCHEMA "Sales"')
    return Project(tmp_path / "alembic", database_url, include_schemas=True)


def shapes(*, dev: set[str]) -> list[Any]:
    """Return all shapes, of which the development level runs those that are named."""
    return [
        pytest.param(states, id=name, marks=[] if name in dev else pytest.mark.full) for name, states in SHAPES.items()
    ]


@pytest.mark.parametrize("states", shapes(dev=SHAPES.keys() - VARIANTS))
def test_up_down_and_up_again(
    states: list[State], project: Project, database_url: str, dump_database: Callable[[str], str]
):
    """After an upgrade nothing is left to write; up, down and up leave the same schema, with every state on the way."""
    dumped = ""
    for state in states:
        project.revise(state())
        project.upgrade()
        assert not project.difference(state())
        dumped = dump_database(database_url)
    if len(states) > 1:
        project.downgrade("-1")
        assert not project.difference(states[-2]())
    project.downgrade("base")
    assert "embedding" not in dump_database(database_url)
    project.upgrade()
    assert dump_database(database_url) == dumped


@pytest.mark.parametrize("states", shapes(dev=OFFLINE))
def test_offline_sql_gives_the_same_schema(
    states: list[State],
    project: Project,
    database_urls: tuple[str, str],
    dump_database: Callable[[str], str],
    run_script: Callable[[str, str], None],
):
    """What ``alembic upgrade --sql`` writes makes the schema that the upgrade makes, and ``downgrade --sql`` takes it back."""
    online, offline = database_urls
    for state in states:
        project.revise(state())
        project.upgrade()
    run_script(offline, f'CREATE SCHEMA "Sales"; {project.sql()}')
    assert dump_database(offline) == dump_database(online)
    run_script(offline, project.sql("head:base", down=True))
    assert "embedding" not in dump_database(offline)


@pytest.fixture
def database_urls(database_url: str, other_database_url: str) -> tuple[str, str]:
    """The libpq URLs of two fresh databases."""
    return database_url, other_database_url


def test_a_revision_reads_well(project: Project):
    """Operations spell out what they do, and import what they use."""
    project.revise(table()())
    project.upgrade()
    written = project.revise(table(column(3, {"storage": "plain", "source": ("title",)}), hnsw(m=8))())
    assert "from pgvec.orm import Embedding\n" in written
    assert "sa.Column('embedding', Embedding(3), nullable=True)" in written
    assert "op.alter_embedding('article', 'embedding', storage='plain')" in written
    assert (
        "op.create_vector_index('ix_article_embedding_hnsw', 'article', 'embedding', method='hnsw', "
        "operator_class='vector_cosine_ops', options={'m': 8}, concurrently=True)"
    ) in written
    assert "op.drop_vector_index('ix_article_embedding_hnsw', 'article', concurrently=True)" in written


def test_concurrently_can_be_switched_off(tmp_path: Path, database_url: str):
    """With ``pgvec_concurrently=False`` a migration stays one transaction."""
    project = Project(tmp_path / "alembic", database_url, pgvec_concurrently=False)
    project.revise(table(EMBEDDING)())
    project.upgrade()
    assert "concurrently" not in project.revise(table(EMBEDDING, hnsw())())


def test_batch_mode(tmp_path: Path, database_url: str):
    """The operations stand outside of ``batch_alter_table``, which does not know them."""
    project = Project(tmp_path / "alembic", database_url, render_as_batch=True)
    for state in SHAPES["other columns change too"]:
        project.revise(state())
        project.upgrade()
        assert not project.difference(state())
    project.downgrade("base")


def test_what_is_missing_is_installed(tmp_path: Path, empty_database_url: str, dump_database: Callable[[str], str]):
    """In a database without the extension the first revision brings it and pgvec's own schema; the way back leaves the first."""
    project = Project(tmp_path / "alembic", empty_database_url)
    written = project.revise(table(EMBEDDING)())
    assert all(f"op.upgrade_pgvec('{script.name}')" in written for script in scripts())
    project.upgrade()
    assert migrate.status(empty_database_url).is_current
    assert not project.difference(table(EMBEDDING)())
    project.downgrade("base")
    dumped = dump_database(empty_database_url)
    assert "CREATE EXTENSION IF NOT EXISTS vector" in dumped
    assert "CREATE SCHEMA pgvec" not in dumped


def test_pgvecs_own_schema_can_be_left_to_others(tmp_path: Path, empty_database_url: str):
    """With ``pgvec_schema=False`` only the extension is brought."""
    project = Project(tmp_path / "alembic", empty_database_url, pgvec_schema=False)
    written = project.revise(table(column(3, {"extension_schema": "public"}), hnsw())())
    assert "upgrade_pgvec" not in written
    assert "op.execute('CREATE EXTENSION IF NOT EXISTS vector SCHEMA public')" in written
    project.upgrade()
    project.downgrade("base")
    project.upgrade()


def test_scripts_that_are_behind_are_run(project: Project, database_url: str):
    """Of pgvec's scripts only those that were not run are in the revision."""
    first, *others = [script.name for script in scripts()]
    migrate.up(database_url, to=first)
    written = project.revise(table(EMBEDDING)())
    assert f"op.upgrade_pgvec('{first}')" not in written
    assert all(f"op.upgrade_pgvec('{name}')" in written for name in others)


def test_models_without_vectors_bring_nothing(project: Project):
    """An application that has no vectors is left alone."""
    assert "pgvec" not in project.revise(table()())


def test_an_extension_off_the_search_path(tmp_path: Path, empty_database_url: str, dump_database: Callable[[str], str]):
    """Columns and indexes are read and written with the schema of the extension, also on the way back from dropping them."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "Ex t"')
    project = Project(tmp_path / "alembic", empty_database_url)
    options = {"extension_schema": "Ex t"}
    first = table(column(3, options), hnsw(), hnsw(quantization="bit"), hnsw(dimensions=2))
    second = table(column(4, {**options, "type": "halfvec", "storage": "plain"}), hnsw())
    for state in (first, second, table()):
        project.revise(state())
        project.upgrade()
        assert not project.difference(state())
    project.downgrade("-1")
    assert not project.difference(second())
    assert '"Ex t".halfvec(4)' in dump_database(empty_database_url)
    project.downgrade("-1")
    assert not project.difference(first())


# SQLAlchemy reads the tables of all schemas before anybody can leave one out, and knows neither xid8 nor, before 2.1, regconfig.
@pytest.mark.filterwarnings("ignore:Did not recognize type")
def test_own_tables_are_never_touched(tmp_path: Path, database_url: str, connection: psycopg.Connection):
    """The tables of the schema pgvec are not dropped, whether all schemas are compared or the search path shows it."""
    migrate.up(database_url)
    assert not Project(tmp_path / "1", database_url, include_schemas=True).difference(MetaData())
    database = connection.info.dbname
    connection.execute(f"ALTER DATABASE {database} SET search_path = public, pgvec")
    assert not Project(tmp_path / "2", database_url).difference(MetaData())


def excluding(kind: str, excluded: str, way: str) -> dict[str, Any]:
    """Return the option that leaves something out by its name, or as an object."""

    def include_name(name: str | None, type_: str, _parents: object) -> bool:
        return (type_, name) != (kind, excluded)

    def include_object(_item: object, name: str | None, type_: str, *_others: object) -> bool:
        return (type_, name) != (kind, excluded)

    return {"include_name": include_name} if way == "name" else {"include_object": include_object}


EXCLUDED = {
    ("table", "article", "name"): (MetaData, []),
    ("table", "article", "object"): (table(column(5), hnsw(name="ix")), []),
    ("index", "ix", "name"): (table(column(3, {"storage": "plain"})), []),
    ("index", "ix", "object"): (table(column(3, {"storage": "plain"}), hnsw(name="ix")), []),
    ("column", "embedding", "object"): (table(column(5), hnsw(name="ix")), ["remove_vector_index", "add_vector_index"]),
}


@pytest.mark.parametrize("what", EXCLUDED, ids=" ".join)
def test_what_is_excluded_is_never_touched(
    what: tuple[str, str, str], tmp_path: Path, database_url: str, connection: psycopg.Connection
):
    """What ``include_name`` or ``include_object`` leave out is neither changed nor dropped; what they leave in is."""
    migrate.up(database_url)
    connection.execute("CREATE TABLE article (id bigserial PRIMARY KEY, category text, embedding vector(3))")
    connection.execute("ALTER TABLE article ALTER embedding SET STORAGE plain")
    connection.execute("CREATE INDEX ix ON article USING hnsw (embedding vector_l2_ops)")
    declared, expected = EXCLUDED[what]
    project = Project(tmp_path / "alembic", database_url, **excluding(*what))
    assert [difference[0] for difference in project.difference(declared())] == expected


def test_an_invalid_index_is_rebuilt(project: Project, connection: psycopg.Connection):
    """What a killed build left is found, and the revision rebuilds it."""
    state = table(EMBEDDING, hnsw())
    project.revise(state())
    project.upgrade()
    connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_article_embedding_hnsw'::regclass"
    )
    written = project.revise(state())
    assert "op.rebuild_vector_index('ix_article_embedding_hnsw', 'article')" in written
    project.upgrade()
    assert not project.difference(state())
    project.downgrade("base")


def test_a_read_only_connection_compares_what_it_can(
    project: Project, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture
):
    """Where no temporary table may be made, indexes of the same name are taken for unchanged, and the log says so."""
    state = table(EMBEDDING, hnsw())
    project.revise(state())
    project.upgrade()
    connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on")
    assert not project.difference(table(EMBEDDING, hnsw(m=50, ef_construction=200))())
    assert "ix_article_embedding_hnsw cannot be compared" in caplog.text
    (added,) = project.difference(table(EMBEDDING, hnsw(), hnsw(name="another"))())
    assert added[0] == "add_vector_index"


def test_autocommit_connections_are_compared_too(tmp_path: Path, database_url: str, connection: psycopg.Connection):
    """On a connection in autocommit the comparison leaves nothing behind either."""
    migrate.up(database_url)
    connection.execute("CREATE TABLE article (id bigserial PRIMARY KEY, category text, embedding vector(3))")
    connection.execute("CREATE INDEX ix ON article USING hnsw (embedding vector_l2_ops)")
    project = Project(tmp_path / "alembic", database_url)
    removed, added = project.difference(table(EMBEDDING, hnsw(name="ix"))(), isolation_level="AUTOCOMMIT")
    assert (removed[0], added[0]) == ("remove_vector_index", "add_vector_index")
    declared = table(column(3, {"distance": "l2"}), hnsw(name="ix"))
    assert not project.difference(declared(), isolation_level="AUTOCOMMIT")


class Compressed(TypeDecorator[Any]):
    """An application's own type around an embedding."""

    impl = Embedding
    cache_ok = True


def test_decorated_types_and_own_hooks(tmp_path: Path, database_url: str):
    """Variants and decorators are compared by what they are in Postgres; the application's own ``render_item`` goes first."""

    def build() -> MetaData:
        metadata = MetaData()
        variant = LargeBinary().with_variant(Embedding(3), "postgresql")
        other = Embedding(3).with_variant(LargeBinary(), "sqlite")
        Table("article", metadata, Column("id", Integer, primary_key=True), Column("a", variant), Column("b", other),
              Column("c", Compressed(3)), Column("d", Text))  # fmt: skip
        return metadata

    def render(kind: str, item: object, context: Any) -> str | bool:
        if kind == "type" and isinstance(item, Text):
            return "sa.UnicodeText()"
        if kind == "type" and isinstance(item, Compressed):
            context.imports.add("from pgvec.orm import Embedding")
            return "Embedding(3)"
        return False

    project = Project(tmp_path / "alembic", database_url, render_item=render)
    assert "sa.UnicodeText()" in project.revise(build())
    project.upgrade()
    assert not project.difference(build())


def test_the_applications_compare_type_decides_first(tmp_path: Path, database_url: str, connection: psycopg.Connection):
    """``compare_type`` may say that a vector column has not changed."""
    migrate.up(database_url)
    connection.execute("CREATE TABLE article (id bigserial PRIMARY KEY, category text, embedding vector(3))")
    assert Project(tmp_path / "1", database_url).difference(table(column(4))())
    unchanged = Project(tmp_path / "2", database_url, compare_type=lambda *_: False)
    assert not unchanged.difference(table(column(4))())


def test_an_index_moves_to_another_column(project: Project):
    """An index that the table, as it is, could not have is dropped before the columns change, and built after."""
    project.revise(table(EMBEDDING, hnsw(name="ix"))())
    project.upgrade()
    state = table(plain(VECTOR(3), "other"), index("ix", "other", using="hnsw", ops={"other": "vector_cosine_ops"}))
    written = project.revise(state())
    steps = [written.index(f"op.{name}") for name in ("drop_vector_index", "add_column", "create_vector_index")]
    assert steps == sorted(steps)
    project.upgrade()
    assert not project.difference(state())


def test_several_metadata(tmp_path: Path, database_url: str):
    """Alembic's list of metadata is compared as one."""
    project = Project(tmp_path / "alembic", database_url)
    both = [table(EMBEDDING, hnsw(where=text("id > 0")))(), MetaData()]
    Table("other", both[1], Column("id", Integer, primary_key=True), Column("v", Embedding(2)), HnswIndex("v"))
    project.revise(both)
    project.upgrade()
    assert not project.difference(both)
