"""``explain`` tells what ``search`` does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sqlalchemy as sa
from fix_repository import World
from support.models import Article, Author, Base, article_rows

from pgvec import Explanation

QUERY = np.ones(8, dtype=np.float32)


async def filled(world: World, count: int = 400, *, analyzed: bool = True) -> None:
    await world.create_all(Base)
    await world.execute(sa.insert(Article), article_rows(count))
    if analyzed:
        await world.execute(sa.text("ANALYZE article"))
    await world.commit()


async def test_strategy_reasons_and_figures(world: World) -> None:
    """Statistics, the filter's share and the reasons of the plan are told, in words and as data."""
    await filled(world)
    explanation = await world.repository(Article).explain(QUERY, where={"category": "news"}, limit=5)
    assert isinstance(explanation, Explanation)
    assert (explanation.strategy, explanation.rows, explanation.matching) == ("exact", 400, (100, 100))
    assert (explanation.requested, explanation.index, explanation.ef_search) == (5, None, None)
    assert explanation.plan["Plan"]["Node Type"]
    assert not explanation.analyzed
    text = str(explanation)
    for part in (
        "article.embedding by cosine distance, 5 wanted",
        "exact: compares every row",
        "about 400 rows",
        "filter passes: about 100 rows",
        "at most 100 matching rows",
        "Index Scan by ix_article_category on article",
        "SELECT",
    ):
        assert part in text, text
    assert json.loads(json.dumps(explanation.to_dict()))["matching"] == [100, 100]


async def test_explain_and_search_agree(world: World) -> None:
    """What the explanation announces is what the receipt of the same search tells."""
    await filled(world)
    repository = world.repository(Article)
    for options, strategy, branch in (
        ({"where": {"category": "news"}}, "exact", "exact"),
        ({"exact": True}, "exact", "exact"),
        ({"where": Article.author.has(Author.country == "DE"), "limit": 3}, "exact", "exact"),
        ({"ef_search": 77, "limit": 3}, "counted", "exact"),
        ({"where": {"category": "news"}, "max_distance": 0.5, "offset": 1}, "exact", "exact"),
    ):
        explanation = await repository.explain(QUERY, **options)
        receipt = (await repository.search(QUERY, **options)).receipt
        assert (explanation.strategy, receipt.strategy) == (strategy, branch), options
        assert (explanation.ef_search, explanation.requested) == (receipt.ef_search, receipt.requested)


async def test_analyze_tells_what_happened(world: World) -> None:
    """With ``analyze`` the plan has times and rows, and shows the branch that was not taken."""
    await filled(world)
    explanation = await world.repository(Article).explain(QUERY, limit=3, analyze=True)
    assert explanation.analyzed
    assert explanation.plan["Execution Time"] > 0
    text = str(explanation)
    assert "never executed" in text
    assert "what Postgres did:" in text
    assert "execution time:" in text


@pytest.mark.parametrize(
    "options",
    [
        {"where": {"category": {"$in": ["news", "sport"]}}},
        {"where": Article.category.in_(["news", "sport"])},
        {"where": Article.published.is_(None) & (Article.price < 10), "offset": 2, "max_distance": 1.5},
        {"columns": (Article.id, sa.func.upper(Article.title)), "recall": 0.9},
        {"include_embedding": True, "ef_search": 200},
    ],
)
async def test_whatever_search_takes_is_explained(world: World, options: dict) -> None:
    """Lists, ranges, columns, bounds and settings are explained, with their values inside of the plan."""
    await filled(world, 40)
    explanation = await world.repository(Article).explain(QUERY, analyze=True, **options)
    assert explanation.plan["Plan"]["Actual Loops"] == 1


async def test_a_stored_record_is_explained(world: World) -> None:
    """The query may be a record."""
    await filled(world, 40)
    repository = world.repository(Article)
    explanation = await repository.explain(await repository.get(1), analyze=True)
    assert explanation.plan["Plan"]["Actual Rows"] == 10


async def test_an_unknown_table_size_is_said(world: World) -> None:
    """Before the first ANALYZE nothing is pretended to be known."""
    await filled(world, 40, analyzed=False)
    explanation = await world.repository(Article).explain(QUERY, where=Article.price < 10)
    assert (explanation.rows, explanation.matching) == (None, None)
    assert "never analysed" in str(explanation)
    assert "an unknown number of rows" in str(explanation)


async def test_a_smaller_form_is_named(world: World) -> None:
    """An index of another type is told with the candidates that are taken from it."""
    await filled(world)
    await world.execute(sa.text("DROP INDEX ix_article_embedding_hnsw"))
    await world.execute(
        sa.text("CREATE INDEX small ON article USING hnsw ((embedding::halfvec(8)) halfvec_cosine_ops)")
    )
    await world.commit()
    explanation = await world.repository(Article).explain(QUERY, limit=10)
    assert explanation.index == "small (hnsw, of halfvec)"
    assert explanation.candidates == 20
    assert "candidates 20" in str(explanation)
