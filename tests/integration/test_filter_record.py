"""Shapes of filters are counted beside searches, stored when asked, and used by advice and doctor."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from fix_repository import World
from support.models import Article, Author, Base, article_rows

from pgvec import FilterRecord, Repository, diagnose
from pgvec.errors import AccessDeniedError, ConfigurationError, MigrationPendingError

QUERY = [1.0] * 8
STORED = sa.text("SELECT relation_schema, relation_name, shape, searches FROM pgvec.filter_shape ORDER BY shape")


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The table of the schema ``pgvec`` is there."""
    return migrated_url


async def test_shapes_of_all_searches(world: World) -> None:
    """Every kind of search counts, by the columns and operators of its filter, and nothing is sent for it."""
    await world.create_all(Base)
    record = FilterRecord()
    articles = world.repository(Article, record_filters=record)
    await articles.insert(article_rows(8))
    sent: list[str] = []
    bind = world.engine if world.kind == "sync" else world.engine.sync_engine
    sa.event.listen(bind, "before_cursor_execute", lambda _c, _u, text, *_: sent.append(text))
    for value in (3, 4):
        await articles.search(QUERY, where=(Article.category == "secret") & (Article.price < value))
    await articles.search(QUERY, where={"tags": {"$contains": "secret"}})
    await articles.search_many([QUERY, QUERY], where=Article.price.in_([1, 2]))
    await articles.search(QUERY, where=sa.or_(Article.category.is_(None), Article.price > 1))
    await articles.search(QUERY, where=Article.author.has(Author.country == "secret"))
    await articles.search(await articles.get(1), where=Article.category.is_(None))
    await articles.search(await articles.get(1))
    await articles.search(QUERY)
    assert not [text for text in sent if "filter_shape" in text]
    assert record.counts == {
        ('"article"', "category = AND price <"): 2,
        ('"article"', "tags other"): 1,
        ('"article"', "price in"): 1,
        ('"article"', "category other AND price other"): 1,
        ('"article"', "category is null"): 1,
    }
    assert "secret" not in repr(record.counts)


def _filled(engine: sa.Engine, **options: Any) -> Repository[Article]:
    Base.metadata.create_all(engine)
    articles = Repository[Article](engine, Article, **options)
    articles.insert(article_rows(1_200))
    with engine.begin() as connection:
        connection.execute(sa.text("ANALYZE article"))
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
    return articles


def test_counts_are_stored_and_used(engine: sa.Engine) -> None:
    """Flushes add up; the doctor names the filter that no index serves, and advice proposes the index."""
    record = FilterRecord()
    articles = _filled(engine, record_filters=record)
    articles.search(QUERY, where=Article.title == "Article 5")
    assert record.flush(engine) == 1
    assert record.flush(engine) == 0
    articles.search(QUERY, where=Article.title == "Article 6")
    articles.search(QUERY, where=Article.category == "news")
    with engine.begin() as connection:
        record.flush(connection)
        assert connection.execute(STORED).all() == [
            ("public", "article", "category =", 1),
            ("public", "article", "title =", 2),
        ]
    found = [f for f in diagnose(engine).findings if f.check == "filter.unindexed"]
    assert [f.subject for f in found] == ["public.article (title)"]
    assert found[0].evidence.startswith("2 searches")
    assert any("title" in advice.title for advice in articles.advise())


async def test_an_asynchronous_engine(world: World) -> None:
    """A connection of any kind stores them."""
    await world.create_all(Base)
    record = FilterRecord()
    await world.repository(Article, record_filters=record).search(QUERY, where=Article.price < 2)
    connection = await world.run(world.session.connection)
    await world.run(connection.run_sync, record.flush) if world.kind == "async" else record.flush(connection)
    assert (await world.execute(STORED)).all() == [("public", "article", "price <", 1)]


def test_where_they_cannot_be_stored_they_are_kept(engine: sa.Engine, database_url: str, login_role: str) -> None:
    """A role without the right, and a database without the table, say so; nothing that was counted is lost."""
    record = FilterRecord()
    _filled(engine, record_filters=record).search(QUERY, where=Article.price < 2)
    other = sa.create_engine(sa.make_url(sqlalchemy_url(database_url)).set(username=login_role, password=login_role))
    with pytest.raises(AccessDeniedError):
        record.flush(other)
    other.dispose()
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE pgvec.filter_shape RENAME TO gone"))
    with pytest.raises(MigrationPendingError):
        record.flush(engine)
    with pytest.raises(ConfigurationError, match="Engine"):
        record.flush("engine")  # type: ignore[arg-type]
    assert len(record) == 1
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE pgvec.gone RENAME TO filter_shape"))
    assert record.flush(engine) == 1


def test_a_search_never_fails_for_it(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in counting, the search has its answer; something else than a record is refused at once."""
    record = FilterRecord()
    articles = _filled(engine, record_filters=record)
    monkeypatch.setattr(FilterRecord, "_entry", lambda *_: 1 / 0)
    assert len(articles.search(QUERY, where=Article.price < 5)) == 4
    assert len(record) == 0
    with pytest.raises(ConfigurationError, match="FilterRecord"):
        Repository(engine, Article, record_filters=True)  # type: ignore[arg-type]
