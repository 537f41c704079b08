"""What a search returns, on both repositories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_repository import World
from sqlalchemy.orm import Session
from support.models import Article, Author, Base, article_rows, cosine_order, vectors

from pgvec import Strategy, errors

QUERY = vectors(1, seed=99)[0]


def _rows() -> list[dict[str, Any]]:
    return [row | {"author_id": 1 + row["id"] % 2} for row in article_rows(200)]


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    authors = [{"id": 1, "name": "A", "country": "DE"}, {"id": 2, "name": "B", "country": "FR"}]
    session.execute(sa.insert(Author), authors)
    session.execute(sa.insert(Article), _rows())


@pytest.fixture
def database_template(request: pytest.FixtureRequest, databases: Databases, template_database: str) -> str:
    """For the tests that ask for it, a database with two hundred articles."""
    return databases.filled(template_database, _fill) if "stored" in request.fixturenames else template_database


@pytest.fixture
def stored() -> list[dict[str, Any]]:
    """The articles of the database."""
    return _rows()


async def test_nearest_records_come_first(world: World, stored: list[dict[str, Any]]) -> None:
    """The matches are the true nearest records, ranked, with distance and cosine similarity."""
    found = await world.repository(Article).search(QUERY, limit=5)
    assert [match.record.id for match in found] == cosine_order(stored, QUERY)[:5]
    assert [match.rank for match in found] == [1, 2, 3, 4, 5]
    assert found[0].similarity == pytest.approx(1 - found[0].distance)
    assert found[0].score is None
    assert found.records == [match.record for match in found]
    assert found.receipt.strategy is Strategy.INDEX
    assert (found.receipt.requested, found.receipt.returned, found.receipt.complete) == (5, 5, True)


async def test_exact_is_known_to_be_exact(world: World, stored: list[dict[str, Any]]) -> None:
    """With exact=True every row is compared, and the receipt says so."""
    found = await world.repository(Article).search(QUERY, limit=7, exact=True)
    assert [match.record.id for match in found] == cosine_order(stored, QUERY)[:7]
    assert found.receipt.strategy is Strategy.EXACT
    assert found.receipt.exact
    assert found.receipt.complete


@pytest.mark.parametrize(
    "where",
    [
        {"category": "news"},
        {"category": "news", "price": {"$lt": 100}},
        {"price": {"$gt": 197}},
        {"metadata.source": "s1"},
        {"tags": {"$contains": "t2"}},
        {"price": {"$lt": 0}},
    ],
)
async def test_filtered_search_returns_every_row_it_can(
    world: World, stored: list[dict[str, Any]], where: dict[str, Any]
) -> None:
    """A filtered search returns min(limit, matching) rows, all of which match, and says that it is complete."""
    repository = world.repository(Article)
    matching = await repository.count(where)
    found = await repository.search(QUERY, where=where, limit=20)
    assert len(found) == min(20, matching)
    assert found.receipt.complete
    exact = await repository.search(QUERY, where=where, limit=20, exact=True)
    assert [m.record.id for m in found] == [m.record.id for m in exact]


async def test_limit_beyond_the_table_returns_all_rows(world: World, stored: list[dict[str, Any]]) -> None:
    """Asked for more rows than there are, the search returns all of them and knows it."""
    found = await world.repository(Article).search(QUERY, limit=1000)
    assert len(found) == 200
    assert found.receipt.complete
    assert found.receipt.strategy is Strategy.COMPLETED


async def test_conditions_of_sqlalchemy(world: World, stored: list[dict[str, Any]]) -> None:
    """Any boolean expression filters, with new values each time it is used."""
    repository = world.repository(Article)
    for low, high in ((0, 50), (50, 100), (150, 160)):
        found = await repository.search(QUERY, where=(Article.price > low) & (Article.price <= high), limit=100)
        assert {m.record.id for m in found} == set(range(low + 1, high + 1))


async def test_in_lists_of_any_length(world: World, stored: list[dict[str, Any]]) -> None:
    """An IN list has its own length on each call."""
    repository = world.repository(Article)
    for ids in ([3], [4, 5, 6], list(range(1, 60))):
        found = await repository.search(QUERY, where=Article.id.in_(ids), limit=100, columns=(Article.id,))
        assert sorted(m.record.id for m in found) == ids


async def test_conditions_on_related_models(world: World, stored: list[dict[str, Any]]) -> None:
    """A condition on a related model keeps the rows whose relative passes it, each once."""
    repository = world.repository(Article)
    for where in (Author.country == "DE", Article.author.has(country="DE")):
        found = await repository.search(QUERY, where=where, limit=200)
        assert sorted(m.record.id for m in found) == [row["id"] for row in stored if row["author_id"] == 1]


async def test_offset_continues_the_ranking(world: World, stored: list[dict[str, Any]]) -> None:
    """With an offset the ranking goes on where the page before ended."""
    found = await world.repository(Article).search(QUERY, limit=5, offset=5)
    assert [m.record.id for m in found] == cosine_order(stored, QUERY)[5:10]
    assert found[0].rank == 6


async def test_max_distance_cuts_the_tail(world: World, stored: list[dict[str, Any]]) -> None:
    """Nothing farther than max_distance is returned."""
    repository = world.repository(Article)
    near = await repository.search(QUERY, limit=50)
    bound = near[9].distance
    found = await repository.search(QUERY, limit=50, max_distance=bound)
    assert [m.record.id for m in found] == [m.record.id for m in near[:10]]
    nothing = await repository.search(QUERY, max_distance=-1.0)
    assert len(nothing) == 0


async def test_columns_give_rows(world: World, stored: list[dict[str, Any]]) -> None:
    """With columns= the matches carry rows with the names of the columns, expressions included."""
    found = await world.repository(Article).search(
        QUERY, limit=3, columns=(Article.id, Article.title, sa.func.upper(Article.title).label("shout"))
    )
    first = found[0].record
    assert first.id == cosine_order(stored, QUERY)[0]
    assert first.shout == first.title.upper()
    named = await world.repository(Article).search(QUERY, limit=3, columns=("id", "metadata_"))
    assert named[0].record.metadata_ == {"source": f"s{named[0].record.id % 5}"}


async def test_embeddings_are_fetched_only_when_asked_for(world: World, stored: list[dict[str, Any]]) -> None:
    """Reading an embedding that was not fetched raises an error that says how to fetch it."""
    repository = world.repository(Article)
    found = await repository.search(QUERY, limit=2)
    with pytest.raises(errors.EmbeddingNotLoadedError, match="include_embedding=True"):
        _ = found[0].record.embedding
    world.sync_session.expunge_all()
    found = await repository.search(QUERY, limit=2, include_embedding=True)
    record = found[0].record
    assert record.embedding.dtype == np.float32
    np.testing.assert_allclose(record.embedding, stored[record.id - 1]["embedding"], rtol=1e-6)


async def test_a_held_record_gets_its_embedding_when_asked_for(world: World, stored: list[dict[str, Any]]) -> None:
    """include_embedding fills a record that an earlier search brought without, and keeps its unsaved changes."""
    repository = world.repository(Article)
    record = (await repository.search(QUERY, limit=1))[0].record
    record.title = "changed here"
    with world.sync_session.no_autoflush:
        again = (await repository.search(QUERY, limit=1, include_embedding=True))[0].record
    assert again is record
    assert record.title == "changed here"
    np.testing.assert_allclose(record.embedding, stored[record.id - 1]["embedding"], rtol=1e-6)


async def test_refresh_loads_an_embedding_after_all(world: World, stored: list[dict[str, Any]]) -> None:
    """session.refresh brings an embedding that the search left out."""
    record = (await world.repository(Article).search(QUERY, limit=1))[0].record
    await world.run(world.session.refresh, record, ["embedding"])
    np.testing.assert_allclose(record.embedding, stored[record.id - 1]["embedding"], rtol=1e-6)


async def test_a_stored_record_is_a_query_and_not_its_own_match(world: World, stored: list[dict[str, Any]]) -> None:
    """Searching by a record finds its neighbours and leaves the record out."""
    repository = world.repository(Article)
    record = await repository.get(17)
    found = await repository.search(record, limit=5)
    assert [m.record.id for m in found] == cosine_order(stored, stored[16]["embedding"])[1:6]


async def test_a_record_without_an_embedding_cannot_be_a_query(world: World, stored: list[dict[str, Any]]) -> None:
    """A record whose embedding is missing, or which is not stored, is refused instead of finding nothing."""
    repository = world.repository(Article)
    await repository.update({"id": 3, "embedding": None})
    record = await repository.get(3)
    with pytest.raises(errors.RecordNotFoundError, match="has no embedding"):
        await repository.search(record)
    with pytest.raises(errors.RecordNotFoundError, match="no key yet"):
        await repository.search(Article(title="new"))
    with pytest.raises(errors.RecordNotFoundError, match="nothing can be searched"):
        await repository.search(Article(id=9999, title="gone"))


async def test_rows_without_embedding_are_no_matches(world: World, stored: list[dict[str, Any]]) -> None:
    """A row whose embedding is NULL is never returned, and does not count as matching."""
    repository = world.repository(Article)
    await world.execute(sa.update(Article).where(Article.id <= 150).values(embedding=None))
    found = await repository.search(QUERY, limit=100)
    assert len(found) == 50
    assert found.receipt.complete


async def test_uncommitted_rows_of_the_same_transaction_are_seen(world: World, stored: list[dict[str, Any]]) -> None:
    """A search sees what its transaction wrote, objects not yet flushed included; a rollback leaves nothing."""
    repository = world.repository(Article)
    world.session.add(Article(id=1000, title="fresh", embedding=QUERY))
    found = await repository.search(QUERY, limit=1)
    assert found[0].record.title == "fresh"
    await world.rollback()
    found = await repository.search(QUERY, limit=1)
    assert found[0].record.id == cosine_order(stored, QUERY)[0]


async def test_records_are_those_of_the_session(world: World, stored: list[dict[str, Any]]) -> None:
    """A record that the session holds already is the one returned, with its unsaved changes."""
    held = await world.run(world.session.get, Article, cosine_order(stored, QUERY)[0])
    held.title = "changed here"
    found = await world.repository(Article).search(QUERY, limit=1)
    assert found[0].record is held
    assert held.title == "changed here"


async def test_expired_records_are_filled_from_the_answer(world: World, stored: list[dict[str, Any]]) -> None:
    """A record that a commit expired is filled by the search, so that reading it needs no further query."""
    repository = world.repository(Article)
    record = (await repository.search(QUERY, limit=1))[0].record
    await world.commit()
    found = await repository.search(QUERY, limit=1)
    assert found[0].record is record
    assert record.title == f"Article {record.id}"


async def test_changes_to_found_records_are_saved(world: World, stored: list[dict[str, Any]]) -> None:
    """A found record belongs to the session: changing it and committing updates its row."""
    repository = world.repository(Article)
    record = (await repository.search(QUERY, limit=1))[0].record
    identity = record.id
    record.title = "edited"
    await world.commit()
    title = (await world.execute(sa.select(Article.title).where(Article.id == identity))).scalar_one()
    assert title == "edited"


async def test_engine_and_connection_binds(world: World, stored: list[dict[str, Any]]) -> None:
    """Given an engine, a search is a transaction of its own and its records are detached but readable."""
    repository = world.repository(Article, bind=world.engine)
    found = await repository.search(QUERY, limit=3)
    assert [m.record.id for m in found] == cosine_order(stored, QUERY)[:3]
    assert sa.inspect(found[0].record).detached
    assert found[0].record.title
    connection = await world.run(world.session.connection)
    on_connection = await world.repository(Article, bind=connection).search(QUERY, limit=3)
    assert [m.record.id for m in on_connection] == [m.record.id for m in found]


async def test_tables_give_mappings(world: World, stored: list[dict[str, Any]]) -> None:
    """A repository on a Core table returns mappings without the embedding."""
    found = await world.repository(Article.__table__).search(QUERY, limit=2, where={"category": "news"})
    assert found[0].record["category"] == "news"
    assert "embedding" not in found[0].record


async def test_statement_listeners_see_searches(world: World, stored: list[dict[str, Any]]) -> None:
    """Where somebody listens to statements, the search runs through SQLAlchemy, with the same answer."""
    seen: list[str] = []
    engine = world.engine if world.kind == "sync" else world.engine.sync_engine
    plain = await world.repository(Article).search(QUERY, where=Article.price > 50, limit=4)

    def listener(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", listener)
    try:
        found = await world.repository(Article).search(QUERY, where=Article.price > 100, limit=4)
    finally:
        sa.event.remove(engine, "before_cursor_execute", listener)
    assert len(seen) == 1
    assert all(m.record.price > 100 for m in found)
    assert len(plain) == len(found) == 4


async def test_session_wide_criteria_apply(world: World, stored: list[dict[str, Any]]) -> None:
    """Criteria that an application adds to every statement of its session (tenants, soft deletion) hold for searches."""

    def only_news(state: Any) -> None:
        if state.is_select:
            state.statement = state.statement.options(
                sa.orm.with_loader_criteria(Article, Article.category == "news", include_aliases=True)
            )

    sa.event.listen(world.sync_session, "do_orm_execute", only_news)
    found = await world.repository(Article).search(QUERY, limit=100)
    rows = await world.repository(Article).search(QUERY, limit=100, columns=(Article.id,))
    news = {row["id"] for row in stored if row["category"] == "news"}
    assert {m.record.id for m in found} == {m.record.id for m in rows} == news


async def test_ef_search_is_set_for_the_search_alone(world: World, stored: list[dict[str, Any]]) -> None:
    """Settings of a search end with it: later statements of the same transaction see what was set before."""
    repository = world.repository(Article)
    await world.execute(sa.text("LOAD 'vector'"))
    await world.execute(sa.text("SET LOCAL hnsw.ef_search = 77"))
    names = ("hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples")

    async def settings() -> list[str]:
        return [(await world.execute(sa.text(f"SHOW {name}"))).scalar_one() for name in names]

    before = await settings()
    found = await repository.search(QUERY, ef_search=200, where=Article.price > 10)
    assert found.receipt.ef_search == 200
    assert await settings() == before
    await world.rollback()


async def test_settings_of_a_fresh_connection_are_the_defaults_afterwards(
    world: World, stored: list[dict[str, Any]]
) -> None:
    """Also where the extension's library was not loaded yet, a search leaves the defaults behind."""
    await world.run(world.engine.dispose)
    await world.repository(Article).search(QUERY, ef_search=200, where=Article.price > 10)
    assert (await world.execute(sa.text("SHOW hnsw.ef_search"))).scalar_one() == "40"
    assert (await world.execute(sa.text("SHOW hnsw.iterative_scan"))).scalar_one() == "off"


BAD_QUERIES = [
    ([1.0] * 7, errors.DimensionMismatchError),
    ([float("nan")] * 8, errors.InvalidInputError),
    ([float("inf")] * 8, errors.InvalidInputError),
    ([0.0] * 8, errors.InvalidInputError),
    ("", errors.InvalidInputError),
    ("   ", errors.InvalidInputError),
    ("no embedder here", errors.ConfigurationError),
    (None, errors.InvalidInputError),
    ([], errors.InvalidInputError),
    (object(), errors.InvalidInputError),
]
BAD_OPTIONS: list[dict[str, Any]] = [
    {"limit": 0},
    {"limit": -1},
    {"limit": 10**9},
    {"limit": "10"},
    {"limit": True},
    {"limit": 2.5},
    {"offset": -1},
    {"ef_search": 0},
    {"ef_search": 1001},
    {"max_distance": "near"},
    {"max_distance": float("nan")},
    {"columns": ()},
    {"columns": "id"},
    {"columns": ("nothing",)},
    {"columns": (Article.author,)},
    {"columns": (Article.id, Author.country)},
    {"columns": (Article.id, sa.func.upper(Author.country))},
    {"columns": (Article.id,), "include_embedding": True},
]


async def test_bad_queries_are_refused(world: World) -> None:
    """A query that is no vector of the column's kind is refused before anything is sent."""
    for query, error in BAD_QUERIES:
        with pytest.raises(error):
            await world.repository(Article).search(query)


async def test_bad_options_are_refused(world: World) -> None:
    """An option beyond its range or of the wrong type raises InvalidOptionError before anything is sent."""
    for options in BAD_OPTIONS:
        with pytest.raises(errors.InvalidOptionError):
            await world.repository(Article).search(QUERY, **options)
