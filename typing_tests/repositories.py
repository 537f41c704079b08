"""What type checkers know of the public API; checked by mypy, never run."""

from __future__ import annotations

from typing import Any, assert_type

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import AsyncRepository, FusionReport, Groups, LoadReport, Match, Matches, MatchGroup, Receipt, Repository
from pgvec.facets import histogram
from pgvec.orm import Embedding
from pgvec.scores import distance


class Base(DeclarativeBase):
    """Base of the model."""


class Article(Base):
    """A model."""

    __tablename__ = "article"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[Any] = mapped_column(Embedding(3))


def sync(session: Session, engine: sa.Engine) -> None:
    """A repository is generic in its model."""
    articles = Repository(session, Article)
    assert_type(articles, Repository[Article])
    found = articles.search([1.0, 2.0, 3.0], where=Article.id > 3)
    assert_type(found, Matches[Article])
    assert_type(found[0], Match[Article])
    assert_type(found[0].record, Article)
    assert_type(found[0].similarity, float | None)
    assert_type(found[:2], tuple[Match[Article], ...])
    assert_type(found.records, list[Article])
    assert_type(found.receipt, Receipt)
    assert_type(articles.search("text", columns=(Article.id,)), Matches[Any])
    assert_type(articles.keyword_search("text"), Matches[Article])
    assert_type(articles.hybrid_search("text", vector=[1.0], fusion="rrf", weights=(1, 2)), Matches[Article])
    assert_type(articles.hybrid_search("text", columns=("id",)), Matches[Any])
    assert_type(
        articles.search([1.0], score=distance(), facets=("id", histogram(Article.id, width=10))), Matches[Article]
    )
    assert_type(articles.search_groups([1.0], group_by=Article.id), Groups[Article])
    assert_type(articles.search_groups([1.0], group_by="id", columns=("id",)), Groups[Any])
    assert_type(articles.search_groups([1.0], group_by="id")[0], MatchGroup[Article])
    assert_type(articles.tune_fusion(["text"], [{1}]), FusionReport)
    assert_type(articles.get(1), Article)
    assert_type(articles.count({"id": 1}), int)
    assert_type(articles.bulk_load([]), LoadReport)
    Repository(engine, Article.__table__)  # type: ignore[arg-type]
    Repository(object(), Article)  # type: ignore[arg-type]


async def asynchronous(session: AsyncSession) -> None:
    """The asynchronous repository has the same types, awaited."""
    articles = AsyncRepository(session, Article)
    assert_type(articles, AsyncRepository[Article])
    assert_type(await articles.search([1.0, 2.0, 3.0]), Matches[Article])
    assert_type(await articles.keyword_search("text"), Matches[Article])
    assert_type(await articles.hybrid_search("text"), Matches[Article])
    assert_type(await articles.get(1), Article)
    assert_type(await articles.insert([{"id": 1}]), list[Any])
