"""Keyword search answers by BM25 over the rows as they are, on both repositories."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from fix_repository import World
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.bm25 import WEIGHTS, Base, Page, Reference, page_rows

from pgvec import Repository, Strategy, errors
from pgvec.orm import Embedding, KeywordIndex

FIELDS = dict(zip(("title", "body"), WEIGHTS, strict=True))


def _rows() -> list[dict[str, Any]]:
    return page_rows(200, np.random.default_rng(5))


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    Repository(session, Page).bulk_load(_rows())


@pytest.fixture
def database_template(request: pytest.FixtureRequest, databases: Databases, migrated_template: str) -> str:
    """For the tests that ask for it, a database with the schema ``pgvec`` and two hundred pages."""
    return databases.filled(migrated_template, _fill) if "stored" in request.fixturenames else migrated_template


@pytest.fixture
def stored() -> list[dict[str, Any]]:
    """The pages of the database."""
    return _rows()


def agrees(found: Any, scores: dict[Any, float], limit: int) -> None:
    """Assert that matches have the scores of the reference, the best first, ties by key."""
    expected = sorted(scores.items(), key=lambda item: (-round(item[1], 6), item[0]))[:limit]
    assert [match.score for match in found] == pytest.approx([score for _, score in expected], rel=1e-5)
    assert {match.record.id: match.score for match in found} == pytest.approx(
        {match.record.id: scores[match.record.id] for match in found}, rel=1e-5
    )


@pytest.mark.parametrize(
    "text", ["bank", "interest rates", "river river banks of money", "the fishing boats' loan", "x"]
)
async def test_scores_are_those_of_the_definition(
    world: World, stored: list[dict[str, Any]], connection: psycopg.Connection, text: str
) -> None:
    """Scores are BM25 with weighted fields, to the fifth digit."""
    reference = Reference(connection, stored, FIELDS)
    found = await world.repository(Page).keyword_search(text, limit=25)
    agrees(found, reference.scores(text), 25)
    assert [match.rank for match in found] == list(range(1, len(found) + 1))
    assert all(math.isnan(match.distance) for match in found)
    assert found.receipt.strategy is Strategy.EXACT
    assert (found.receipt.complete, found.receipt.statements) == (True, 1)


async def test_a_condition_leaves_scores_alone(
    world: World, stored: list[dict[str, Any]], connection: psycopg.Connection
) -> None:
    """A filter chooses among the matches; there are min(limit, matching rows) of them, with the scores that they had."""
    scores = Reference(connection, stored, FIELDS).scores("bank water")
    tenants = {row["id"]: row["tenant"] for row in stored}
    repository = world.repository(Page)
    for where in ({"tenant": 3}, Page.tenant == 3, {"tenant": {"$in": [3]}}):
        found = await repository.keyword_search("bank water", where=where, limit=100)
        agrees(found, {key: score for key, score in scores.items() if tenants[key] == 3}, 100)
    assert len(await repository.keyword_search("bank water", where={"tenant": 77})) == 0


async def test_pages_of_an_answer_fit_together(world: World, stored: list[dict[str, Any]]) -> None:
    """Limit and offset cut pieces out of one order, for records and for columns."""
    repository = world.repository(Page)
    whole = [match.record.id for match in await repository.keyword_search("money credit", limit=60)]
    pieces = []
    for offset in (0, 20, 40):
        part = await repository.keyword_search("money credit", limit=20, offset=offset, columns=("id", Page.title))
        assert [match.rank for match in part] == list(range(offset + 1, offset + 1 + len(part)))
        pieces += [match.record.id for match in part]
    assert pieces == whole


async def test_a_phrase_is_required(world: World) -> None:
    """Words in quotation marks have to stand together; others stay optional."""
    await world.create_all(Base)
    repository = world.repository(Page)
    await repository.insert(
        [
            {"id": 1, "title": "Central bank", "body": "money"},
            {"id": 2, "title": "Bank", "body": "central heating and money money money"},
            {"id": 3, "title": "The central banks", "body": None},
        ]
    )
    assert {match.record.id for match in await repository.keyword_search("central bank")} == {1, 2, 3}
    assert {match.record.id for match in await repository.keyword_search('"central bank"')} == {1, 3}
    assert [match.record.id for match in await repository.keyword_search('money "central bank"')] == [1, 3]
    assert {match.record.id for match in await repository.keyword_search('"central bank')} == {1, 2, 3}
    assert not await repository.keyword_search('"central bank" "heating money"')


async def test_a_beginning_of_a_word(world: World) -> None:
    """word* stands for all words that begin so, those of which the beginning would be a stop word included."""
    await world.create_all(Base)
    repository = world.repository(Page)
    await repository.insert(
        [
            {"id": 1, "title": "Theology"},
            {"id": 2, "title": "Theory theories"},
            {"id": 3, "title": "Thermal"},
            {"id": 4},
        ]
    )
    assert {match.record.id for match in await repository.keyword_search("theo*")} == {1, 2}
    assert {match.record.id for match in await repository.keyword_search("the*")} == {1, 2, 3}
    assert [match.record.id for match in await repository.keyword_search("theo* thermal", limit=1)] == [3]


async def test_texts_without_words_find_nothing(world: World, stored: list[dict[str, Any]]) -> None:
    """Stop words and signs match nothing; an empty text is refused, as is what is no text or too long."""
    repository = world.repository(Page)
    for text in ("the of and", '"the"', "!?", '"', "*", "'", "& | ! <->", "the*"):
        assert len(await repository.keyword_search(text)) == 0, text
    for nothing in ("", "  \n"):
        with pytest.raises(errors.InvalidInputError, match="empty text"):
            await repository.keyword_search(nothing)
    with pytest.raises(errors.InvalidInputError, match="takes a text, not int"):
        await repository.keyword_search(5)
    with pytest.raises(errors.InvalidInputError, match=r"10,001 characters"):
        await repository.keyword_search("x" * 10_001)


async def test_many_words_at_once(world: World, stored: list[dict[str, Any]]) -> None:
    """Five hundred different words can be asked for; beyond that the error says so."""
    repository = world.repository(Page)
    assert await repository.keyword_search("bank " + " ".join(f"w{number}" for number in range(499)), limit=1)
    with pytest.raises(errors.QueryError, match="501 different words"):
        await repository.keyword_search("bank " + " ".join(f"w{number}" for number in range(500)))


async def test_what_a_transaction_wrote_is_found_in_it(world: World, stored: list[dict[str, Any]]) -> None:
    """Inserts, updates, upserts, deletes and rollbacks show at once, in the same transaction."""
    repository = world.repository(Page)

    async def zebras() -> list[int]:
        return sorted(match.record.id for match in await repository.keyword_search("zebra"))

    await repository.insert({"id": 1000, "title": "Zebras", "body": None})
    assert await zebras() == [1000]
    await repository.update({"id": 5, "body": "zebra"})
    await repository.upsert([{"id": 6, "title": "zebra"}, {"id": 1001, "title": "a zebra"}])
    assert await zebras() == [5, 6, 1000, 1001]
    await repository.update({"id": 1000, "title": "Horses"})
    await repository.delete(Page.id == 5)
    assert await zebras() == [6, 1001]
    await world.rollback()
    assert await zebras() == []


async def test_which_index(world: World) -> None:
    """Of several keyword indexes one has to be named; each has its own language."""
    await world.create_all(Base)
    with pytest.raises(errors.IndexNotFoundError, match="no keyword index 'german'"):
        await world.repository(Page).keyword_search("bank", index="german")
    await world.rollback()
    await world.execute(
        sa.text("SELECT pgvec.create_keyword_index('page', '{body}', config => 'german', name => 'german')")
    )
    repository = world.repository(Page)
    await repository.insert({"id": 1, "body": "Die Häuser der Banken"})
    assert len(await repository.keyword_search("Haus", index="german")) == 1
    assert len(await repository.keyword_search("Haus", index="keywords")) == 0
    with pytest.raises(errors.IndexNotFoundError, match="2 keyword indexes"):
        await repository.keyword_search("Haus")


async def test_without_the_migrations(world: World) -> None:
    """A database without pgvec's functions says which command makes them, when searching and when creating."""
    await world.execute(sa.text("DROP SCHEMA pgvec CASCADE"))
    await world.commit()
    with pytest.raises(errors.MigrationPendingError, match="pgvec migrate up"):
        await world.create_all(Base)
    await world.rollback()
    await world.execute(sa.text("CREATE TABLE page (id int PRIMARY KEY)"))
    with pytest.raises(errors.MigrationPendingError, match="pgvec migrate up"):
        await world.repository(Page).keyword_search("bank")


def test_a_limit_counts_records_of_the_class(engine: sa.Engine) -> None:
    """Rows of other classes in the same table take no place in the limit."""

    class Own(DeclarativeBase):
        pass

    class Animal(Own):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        text: Mapped[str]
        embedding: Mapped[Any | None] = mapped_column(Embedding(3, distance="l2"))
        __table_args__ = (KeywordIndex("text"),)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    class Dog(Animal):
        __mapper_args__ = {"polymorphic_identity": "dog"}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            [Animal(id=1, text="bark bark bark"), Animal(id=2, text="bark bark"), Dog(id=3, text="bark at a tree")]
        )
        session.flush()
        assert [m.record.id for m in Repository(session, Dog).keyword_search("bark", limit=1)] == [3]
        assert [m.record.id for m in Repository(session, Animal).keyword_search("bark", limit=2)] == [1, 2]


def test_keys_of_several_columns_and_odd_names(engine: sa.Engine) -> None:
    """Keys of any built-in types, names that need quoting and other schemas work, through a schema_translate_map too."""
    table = sa.Table(
        'the "page"; --',
        sa.MetaData(),
        sa.Column("day's", sa.DateTime(timezone=True), primary_key=True, key="day"),
        sa.Column('n"o', sa.Text(collation="C"), primary_key=True, key="number"),
        sa.Column("te'xt %s", sa.String(200), key="text"),
        sa.Column("embedding", Embedding(3, distance="l2")),
        KeywordIndex("text", name="in'dex"),
        schema="placeholder",
    )
    with engine.connect() as opened:
        opened.execute(sa.text('CREATE SCHEMA "odd schema"'))
        translated = opened.execution_options(schema_translate_map={"placeholder": "odd schema"})
        table.create(translated)
        repository = Repository(translated, table)
        day = sa.func.now()
        translated.execute(sa.insert(table).values(day=day, number="a'b", text="bank of rates"))
        translated.execute(sa.insert(table).values(day=day, number='"{},\\', text="rate"))
        found = repository.keyword_search("rates", index="in'dex")
        assert [match.record["number"] for match in found] == ['"{},\\', "a'b"]
        table.drop(translated)
        assert opened.scalar(sa.text("SELECT count(*) FROM pgvec.keyword_index")) == 0


def test_a_search_is_one_statement(engine: sa.Engine, database_url: str) -> None:
    """The server counts one statement for each search."""
    with psycopg.connect(database_url, autocommit=True) as observer:
        preloaded = observer.execute("SHOW shared_preload_libraries").fetchone()
        if preloaded is None or "pg_stat_statements" not in preloaded[0]:
            pytest.skip("the server does not preload pg_stat_statements")
        observer.execute("CREATE EXTENSION pg_stat_statements")
        Base.metadata.create_all(engine)
        own = sa.create_engine(sqlalchemy_url(database_url))
        with Session(own) as session:
            repository = Repository(session, Page)
            repository.insert({"id": 1, "title": "bank"})
            repository.keyword_search("bank")
            # On the same connection: the server counts a statement when the next one takes its place.
            session.execute(
                sa.text(
                    "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()"
                )
            )
            for _ in range(5):
                repository.keyword_search("bank", where={"tenant": 0})
        calls = observer.execute(
            "SELECT sum(calls)::int FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid"
            " WHERE d.datname = current_database() AND query LIKE '%pgvec_details%' AND query NOT LIKE '%pg_stat%'"
        ).fetchone()
        own.dispose()
    assert calls == (5,)
