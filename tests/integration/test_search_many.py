"""Many queries in one statement, and pages of one query."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_repository import World
from sqlalchemy.orm import Session
from support.models import Article, Base, article_rows, vectors

from pgvec import Repository, Strategy
from pgvec.errors import DimensionMismatchError, InvalidInputError, InvalidOptionError

ROWS = 400
QUERIES = vectors(7, seed=5)


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    Repository(session, Article).insert(article_rows(ROWS))


@pytest.fixture
def database_template(request: pytest.FixtureRequest, databases: Databases, template_database: str) -> str:
    """For the tests that ask for it, a database with articles."""
    return databases.filled(template_database, _fill) if "articles" in request.fixturenames else template_database


@pytest.fixture
def articles(world: World) -> Any:
    """A repository of the articles."""
    return world.repository(Article)


CONDITIONS = [None, {"category": "news"}, {"price": {"$lt": 9}}, {"category": "nothing"}, Article.price > 350]


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"limit": 30}, {"max_distance": 0.6}, {"ef_search": 200}])
async def test_many_answers_are_those_of_single_searches(articles: Any, options: dict[str, Any]) -> None:
    """Each answer is what a search for its query alone returns, with a receipt that claims as much."""
    for where in CONDITIONS:
        answers = await articles.search_many(QUERIES, where=where, **options)
        assert len(answers) == len(QUERIES)
        for query, found in zip(QUERIES, answers, strict=True):
            alone = await articles.search(query, where=where, **options)
            assert [match.record.id for match in found] == [match.record.id for match in alone]
            np.testing.assert_allclose([m.distance for m in found], [m.distance for m in alone], rtol=1e-6)
            assert [match.rank for match in found] == [match.rank for match in alone]
            assert found.receipt.complete or not alone.receipt.complete


async def test_columns_and_no_queries(articles: Any) -> None:
    """Rows of columns come as they do from one search; no queries are no statement."""
    (found,) = await articles.search_many([QUERIES[0]], columns=("id", "title"), limit=2)
    assert [row.title for row in found.records] == [f"Article {row.id}" for row in found.records]
    assert await articles.search_many([]) == []


async def test_a_filter_that_passes_little_is_answered_exactly(world: World, articles: Any) -> None:
    """Few rows that pass are all compared, for every query."""
    await world.execute(sa.text("ANALYZE article"))
    answers = await articles.search_many(QUERIES, where=Article.id.in_([3, 5]) & (Article.price > 0))
    assert all(sorted(match.record.id for match in found) == [3, 5] for found in answers)
    assert all(found.receipt.exact and found.receipt.strategy is not Strategy.INDEX for found in answers)


async def test_bad_queries_are_named(articles: Any) -> None:
    """The position of a query that cannot be used is in the message; a text alone is no list."""
    with pytest.raises(DimensionMismatchError, match="query 2"):
        await articles.search_many([QUERIES[0], [1.0, 2.0]])
    with pytest.raises(InvalidInputError, match="list of vectors"):
        await articles.search_many("one text")


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"columns": ("id", "title")}])
async def test_pages_are_the_whole_answer_in_parts(articles: Any, options: dict[str, Any]) -> None:
    """Page after page nothing is repeated, nothing is left out, and the order and ranks go on."""
    whole = await articles.search(QUERIES[0], limit=ROWS, exact=True)
    pages, after = [], None
    while True:
        page = await articles.search(QUERIES[0], limit=75, after=after, **(options | {"exact": True}))
        pages += list(page)
        if len(page) < 75:
            break
        after = page[-1]
    assert [match.record.id for match in pages] == [match.record.id for match in whole]
    assert [match.rank for match in pages] == list(range(1, len(whole) + 1))


async def test_equal_distances_are_told_apart_by_the_key(world: World, articles: Any) -> None:
    """Copies of one vector are on one page each, however they were inserted."""
    same = vectors(1, seed=77)[0]
    await articles.insert({"id": 1000 + n, "title": "copy", "embedding": same} for n in range(9))
    first = await articles.search(same, limit=4)
    second = await articles.search(same, limit=4, after=first[-1])
    third = await articles.search(same, limit=4, after=second[-1])
    found = [match.record.id for page in (first, second, third) for match in page]
    assert found[:9] == list(range(1000, 1009))
    assert len(set(found)) == 12


async def test_rows_inserted_meanwhile_repeat_nothing(articles: Any) -> None:
    """A row that is inserted before the place of the page changes nothing of what comes after it."""
    first = await articles.search(QUERIES[1], limit=20, exact=True)
    expected = await articles.search(QUERIES[1], limit=20, after=first[-1], exact=True)
    await articles.insert({"id": 2000, "title": "nearest of all", "embedding": QUERIES[1]})
    second = await articles.search(QUERIES[1], limit=20, after=first[-1], exact=True)
    assert [match.record.id for match in second] == [match.record.id for match in expected]
    assert second.receipt.complete


async def test_a_page_by_the_index_is_filled(articles: Any) -> None:
    """Without exact=True a page comes from the index or is completed; it is never short and repeats nothing."""
    first = await articles.search(QUERIES[2], limit=50)
    second = await articles.search(QUERIES[2], limit=50, after=first[-1])
    assert len(second) == 50
    assert not {match.record.id for match in first} & {match.record.id for match in second}
    assert second[0].distance >= first[-1].distance


async def test_what_is_no_place(world: World, articles: Any) -> None:
    """Something else than a match, an offset beside it, and rows without their key are refused."""
    first = await articles.search(QUERIES[0], limit=2, columns=("title",))
    for options, message in (
        ({"after": 5}, "last match"),
        ({"after": first[-1]}, "name it among columns"),
        ({"after": (await articles.search(QUERIES[0]))[-1], "offset": 3}, "offset"),
    ):
        with pytest.raises(InvalidOptionError, match=message):
            await articles.search(QUERIES[0], **options)


async def test_it_is_one_statement(world: World, articles: Any) -> None:
    """However many queries are asked, one statement is sent, and the settings of the transaction stay as they were."""
    await articles.search_many(QUERIES)
    sent: list[str] = []
    engine = world.engine if world.kind == "sync" else world.engine.sync_engine
    before = (await world.execute(sa.text("SELECT current_setting('hnsw.iterative_scan', true)"))).scalar_one()
    sa.event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    answers = await articles.search_many(vectors(40, seed=2), where={"category": "sport"})
    assert len(sent) == 1
    assert len(answers) == 40
    assert answers[0].receipt.statements == 1
    assert (await world.execute(sa.text("SELECT current_setting('hnsw.iterative_scan', true)"))).scalar_one() == before
