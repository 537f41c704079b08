"""Searches with a reranker: one statement, the model asked after it, its order and its scores, on both repositories."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import pytest
import sqlalchemy as sa
from fix_repository import World
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.rerank_server import RerankServer, word_score

from pgvec import errors
from pgvec.facets import facet
from pgvec.orm import Embedding, HnswIndex, KeywordIndex
from pgvec.rerankers import Rerank
from pgvec.scores import similarity

Stored: TypeAlias = dict[int, dict[str, Any]]


class Base(DeclarativeBase):
    pass


class Kind(Enum):
    NEWS = "news"
    SPORT = "sport"


class Page(Base):
    """Texts of several kinds beside a vector."""

    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    body: Mapped[str | None] = mapped_column(sa.Text, deferred=True)
    kind: Mapped[Kind | None]
    number: Mapped[int | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    embedding = mapped_column(Embedding(3, distance="cosine", source=("title", "body")))
    other = mapped_column(Embedding(3, distance="cosine"))
    __table_args__ = (HnswIndex("embedding"), KeywordIndex("title", "body", config="simple"))


WORDS = ["bank", "rates", "river", "money", "fishing", "central", "apple", "pie"]


def rows(count: int = 120) -> list[dict[str, Any]]:
    random = np.random.default_rng(5)
    return [
        {
            "id": number,
            "title": " ".join(random.choice(WORDS, 3)),
            "body": " ".join(random.choice(WORDS, 5)) if number % 7 else None,
            "kind": Kind.NEWS if number % 2 else Kind.SPORT,
            "number": number,
            "metadata_": {"note": str(random.choice(WORDS))},
            "embedding": random.standard_normal(3),
            "other": random.standard_normal(3),
        }
        for number in range(1, count + 1)
    ]


class WordReranker:
    """Scores by shares of words; remembers what it was asked, and in which thread and state of the transaction."""

    name = "words"

    def __init__(self, answer: Any = None) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.threads: list[threading.Thread] = []
        self.answer = answer

    def rerank(self, query: str, texts: Sequence[str]) -> Any:
        self.asked.append((query, list(texts)))
        self.threads.append(threading.current_thread())
        if self.answer is not None:
            return self.answer(len(texts))
        return np.array([word_score(query, text) for text in texts])


class AsyncWordReranker(WordReranker):
    """The same, asynchronously."""

    async def rerank(self, query: str, texts: Sequence[str]) -> Any:  # type: ignore[override]
        return WordReranker.rerank(self, query, texts)


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """Keyword searches need the schema ``pgvec``."""
    return migrated_url


@pytest.fixture
async def stored(world: World) -> Stored:
    """A hundred and twenty pages, by their ids."""
    await world.create_all(Base)
    made = rows()
    await world.repository(Page, column="embedding").insert(made)
    await world.commit()
    return {row["id"]: row for row in made}


def text_of(row: dict[str, Any]) -> str:
    """What the reranker reads of a row."""
    return "\n".join(row[name] for name in ("title", "body") if row[name])


def expected_order(found: Any, stored: Stored, query: str) -> list[int]:
    """The ids of matches by the score of the words; among equals the order of the search."""
    ids = [match.record.id for match in found]
    return sorted(ids, key=lambda key: -word_score(query, text_of(stored[key])))


QUERY = "central bank rates"
VECTOR = [1.0, 0.5, -0.2]
ASKED: dict[str, Any] = {
    "search": lambda r, **o: r.search(VECTOR, exact=True, **o),
    "keyword": lambda r, **o: r.keyword_search(QUERY, **o),
    "hybrid": lambda r, **o: r.hybrid_search(QUERY, vector=VECTOR, exact=True, **o),
    "diverse": lambda r, **o: r.search(VECTOR, diversity=0.3, exact=True, **o),
}


async def matches_come_in_the_order_of_the_model(world: World, stored: Stored) -> None:
    """The best candidates of the search, by the scores of the model, which become the scores of the matches."""
    for kind in ASKED:
        await order_of(world, stored, kind, is_async=False)
        if world.kind == "async":
            await order_of(world, stored, kind, is_async=True)


async def order_of(world: World, stored: Stored, kind: str, *, is_async: bool) -> None:
    """One kind of search, with a model that is or is not a coroutine."""
    model = AsyncWordReranker() if is_async else WordReranker()
    repository, where = world.repository(Page, column="embedding"), Page.number > 10
    pool = await ASKED[kind](repository, where=where, limit=30)
    order = expected_order(pool, stored, QUERY)
    for limit, offset in ((10, 0), (7, 5), (30, 0)):
        found = await ASKED[kind](
            repository, where=where, limit=limit, offset=offset, candidates=30, rerank=Rerank(model, query=QUERY)
        )
        assert [match.record.id for match in found] == order[offset : offset + limit]
        assert [match.score for match in found] == [word_score(QUERY, text_of(stored[m.record.id])) for m in found]
        assert [match.rank for match in found] == list(range(offset + 1, offset + 1 + len(found)))
        assert (found.receipt.statements, found.receipt.requested, found.receipt.returned) == (1, limit, len(found))
        assert found.receipt.complete
        assert not found.receipt.exact
        distances = {match.record.id: match.distance for match in pool}
        if kind != "keyword":
            assert all(match.distance == pytest.approx(distances[match.record.id]) for match in found)
    assert [(query, len(texts)) for query, texts in model.asked] == [(QUERY, 30)] * 3
    assert sorted(model.asked[0][1]) == sorted(text_of(stored[match.record.id]) for match in pool)
    in_main = [thread is threading.main_thread() for thread in model.threads]
    assert all(in_main) if world.kind == "sync" or is_async else not any(in_main)


async def fifty_candidates_by_default(world: World, stored: Stored) -> None:
    """Without a number fifty are read, and never fewer than are asked for."""
    model = WordReranker()
    repository = world.repository(Page, column="embedding")
    rerank = Rerank(model, query=QUERY)
    await repository.search(VECTOR, rerank=rerank)
    await repository.search(VECTOR, rerank=rerank, limit=60, offset=10)
    await repository.hybrid_search(QUERY, vector=VECTOR, rerank=rerank)
    assert [len(texts) for _, texts in model.asked] == [50, 70, 50]


async def everything_that_matches_was_read(world: World, stored: Stored) -> None:
    """Where fewer rows match than candidates are read, the answer is complete and exact; where none do, nothing is asked."""
    model = WordReranker()
    repository = world.repository(Page, column="embedding")
    rerank = Rerank(model, query=QUERY)
    found = await repository.search(VECTOR, where=Page.number <= 4, rerank=rerank)
    assert (len(found), found.receipt.complete, found.receipt.exact) == (4, True, True)
    assert (found.receipt.matching, found.receipt.matching_is_exact) == (4, True)
    none = await repository.search(VECTOR, where=Page.number < 0, rerank=rerank)
    assert (len(none), none.receipt.complete, none.receipt.matching) == (0, True, 0)
    beyond = await repository.search(VECTOR, where=Page.number <= 4, offset=10, rerank=rerank)
    assert (len(beyond), beyond.receipt.complete) == (0, True)
    assert len(model.asked) == 2


async def what_the_model_reads(world: World, stored: Stored) -> None:
    """Columns by name, attribute, path into JSON or expression, of any type; not more than these, and no lazy load."""
    repository = world.repository(Page, column="embedding")
    one, where = stored[8], {"id": 8}
    for columns, separator, expected in (
        ("title", "\n", one["title"]),
        (("title", Page.body), " | ", f"{one['title']} | {one['body']}"),
        (("kind", Page.number, "metadata.note"), ", ", f"SPORT, 8, {one['metadata_']['note']}"),
        (sa.func.upper(Page.title), "\n", one["title"].upper()),
        ((sa.func.concat(Page.title, "!"), "title"), "-", f"{one['title']}!-{one['title']}"),
        ("metadata_", "\n", f'{{"note": "{one["metadata_"]["note"]}"}}'),
    ):
        model = WordReranker()
        rerank = Rerank(model, columns, query="x", separator=separator)
        for options in ({}, {"columns": ("id",)}, {"columns": (Page.title, Page.id)}, {"include_embedding": True}):
            found = await repository.search(VECTOR, where=where, rerank=rerank, **options)
            assert found[0].record.id == 8
            if "columns" in options:
                assert found[0].record._fields == tuple(getattr(c, "key", c) for c in options["columns"])
        assert model.asked == [("x", [expected])] * 4


async def records_stay_as_they_would_be(world: World, stored: Stored) -> None:
    """What the model reads is not loaded into the records, and the same statement serves other texts."""
    model = WordReranker()
    repository = world.repository(Page, column="embedding")
    found = await repository.search(VECTOR, rerank=Rerank(model, query="x"), limit=3)
    assert all("body" not in vars(match.record) for match in found)
    plain = await repository.search(VECTOR, limit=3)
    assert all(match.score is None for match in plain)
    await repository.search(VECTOR, rerank=Rerank(model, Page.number + 1, query="x"), where={"id": 8})
    await repository.search(VECTOR, rerank=Rerank(model, Page.number + 2, query="x"), where={"id": 8})
    assert [texts for _, texts in model.asked[1:]] == [["9"], ["10"]]


async def rows_without_text_come_last(world: World, stored: Stored) -> None:
    """A record with nothing to read is not sent; it comes last, has no score, and the receipt says so."""
    model = WordReranker()
    repository = world.repository(Page, column="embedding")
    found = await repository.search(
        VECTOR, where=Page.number <= 14, limit=14, rerank=Rerank(model, "body", query="bank")
    )
    assert {match.record.id for match in found[-2:]} == {7, 14}
    assert all(math.isnan(match.score) for match in found[-2:])
    assert not any(math.isnan(match.score) for match in found[:-2])
    assert [warning for warning in found.receipt.warnings if "no text" in warning] == [
        "2 of the 14 candidates have no text for the reranker; they come last"
    ]
    assert len(model.asked[0][1]) == 12
    empty = await repository.search(VECTOR, where=Page.id == 7, rerank=Rerank(model, "body", query="bank"))
    assert math.isnan(empty[0].score)
    assert len(model.asked) == 1


async def facets_stand_beside(world: World, stored: Stored) -> None:
    """Facets count all rows that match, not the candidates."""
    repository = world.repository(Page, column="embedding")
    for search in ("search", "keyword_search", "hybrid_search"):
        options = {"vector": VECTOR} if search == "hybrid_search" else {}
        query = VECTOR if search == "search" else QUERY
        rerank = Rerank(WordReranker(), query=QUERY)
        found = await getattr(repository, search)(
            query, facets=facet("kind"), rerank=rerank, candidates=20, limit=5, **options
        )
        counted = await getattr(repository, search)(query, facets=facet("kind"), limit=1, **options)
        assert found.total == counted.total > 50
        assert found.facets == counted.facets
        scores = [match.score for match in found]
        assert scores == sorted(scores, reverse=True)
        assert len(found) == 5


async def the_text_of_the_search_is_the_query(world: World, stored: Stored) -> None:
    """An embedded text, and the text of a keyword or hybrid search, is what the model looks for; a plain reranker suffices."""

    class Embedder:
        name, revision, dimensions, kinds = "e", "1", 3, frozenset({"text"})

        def embed(self, inputs: Any, *, role: Any = None) -> Any:
            return np.array([VECTOR] * len(inputs), dtype=np.float32)

    model = WordReranker()
    repository = world.repository(Page, column="embedding", embedder=Embedder())
    await repository.search("a river", rerank=model)
    await repository.keyword_search("river bank", rerank=model)
    await repository.hybrid_search("money", rerank=model)
    record = await repository.get(3)
    await repository.search(record, rerank=Rerank(model, query="of a record"))
    assert [query for query, _ in model.asked] == ["a river", "river bank", "money", "of a record"]


async def no_connection_is_held_while_the_model_works(world: World, stored: Stored) -> None:
    """Given an engine, the search has ended its transaction and given its connection back before the model is asked."""
    pool = world.engine.pool if world.kind == "sync" else world.engine.sync_engine.pool
    await world.commit()
    held = []
    model = WordReranker(lambda count: held.append(pool.checkedout()) or np.zeros(count))
    repository = world.repository(Page, bind=world.engine, column="embedding")
    await repository.search(VECTOR, rerank=Rerank(model, query="x"))
    assert held == [0]


NONSENSE: list[tuple[Any, str]] = [
    (lambda count: np.zeros(count - 1), "shape"),
    (lambda count: np.zeros((count, 2)), "shape"),
    (lambda count: [math.nan] * count, "nan for text 1"),
    (lambda count: ["a"] * count, "not numbers"),
    (lambda count: [[1], [1, 2]] * count, "unequal length"),
    (lambda _: 3, "shape"),
]


async def a_model_that_answers_nonsense(world: World, stored: Stored) -> None:
    """What is not one finite number for each candidate raises, and the session stays usable."""
    repository = world.repository(Page, column="embedding")
    for answer, message in NONSENSE:
        with pytest.raises(errors.RerankerResponseError, match=message):
            await repository.search(VECTOR, rerank=Rerank(WordReranker(answer), query="x"))
    assert len(await repository.search(VECTOR)) == 10


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"rerank": "words"}, errors.ConfigurationError, "takes a reranker"),
    ({"rerank": WordReranker()}, errors.InvalidInputError, "query is no text"),
    ({"rerank": Rerank(WordReranker(), query=" ")}, errors.InvalidInputError, "empty"),
    ({"rerank": Rerank(WordReranker(), query="\ud800")}, errors.InvalidInputError, "surrogate"),
    ({"rerank": Rerank(WordReranker(), "nothing", query="x")}, errors.InvalidOptionError, "nothing"),
    ({"rerank": Rerank(WordReranker(), "embedding", query="x")}, errors.InvalidOptionError, "embeddings"),
    ({"rerank": Rerank(WordReranker(), 3, query="x")}, errors.InvalidOptionError, "takes columns"),
    ({"rerank": Rerank(WordReranker(), query="x", separator=3)}, errors.InvalidOptionError, "separator"),
    ({"score": similarity()}, errors.InvalidOptionError, "comes first"),
    ({"order_by": "id"}, errors.InvalidOptionError, "comes first"),
    ({"candidates": 5}, errors.InvalidOptionError, "candidates"),
    ({"candidates": 1_001}, errors.InvalidOptionError, "candidates"),
    ({"limit": 0}, errors.InvalidOptionError, "limit"),
    ({"limit": 1_001}, errors.InvalidOptionError, "limit"),
    ({"offset": 999}, errors.InvalidOptionError, "offset"),
    ({"where": {"nothing": 1}}, errors.InvalidFilterError, "nothing"),
]


async def what_cannot_be_asked(world: World, stored: Stored) -> None:
    """Options that make no sense, or do not go together, are refused before anything is asked."""
    repository = world.repository(Page, column="embedding")
    for options, error, message in WRONG:
        with pytest.raises(error, match=message):
            await repository.search(VECTOR, **({"rerank": Rerank(WordReranker(), query="x")} | options))


async def the_first_page_only(world: World, stored: Stored) -> None:
    """``after`` goes on by distance, and a column made from nothing says nothing of its texts."""
    repository = world.repository(Page, column="embedding")
    found = await repository.search(VECTOR)
    rerank = Rerank(WordReranker(), query="x")
    with pytest.raises(errors.InvalidOptionError, match="offset="):
        await repository.search(VECTOR, after=found[-1], rerank=rerank)
    with pytest.raises(errors.InvalidOptionError, match="Which texts"):
        await world.repository(Page, column="other").search(VECTOR, rerank=rerank)


async def a_coroutine_needs_the_other_repository(world: World, stored: Stored) -> None:
    """The synchronous repository cannot wait for a model that answers asynchronously, and says so."""
    if world.kind == "async":
        return
    with pytest.raises(errors.ConfigurationError, match="AsyncRepository"):
        await world.repository(Page, column="embedding").search(VECTOR, rerank=Rerank(AsyncWordReranker(), query="x"))


async def criteria_of_listeners_hold(world: World, stored: Stored) -> None:
    """Where a listener adds conditions, the statement goes through SQLAlchemy and the model reads the same texts."""

    def hide(state: Any) -> None:
        if state.is_select:
            state.statement = state.statement.options(
                sa.orm.with_loader_criteria(Page, Page.number > 100, include_aliases=True)
            )

    sa.event.listen(world.sync_session, "do_orm_execute", hide)
    model = WordReranker()
    found = await world.repository(Page, column="embedding").search(VECTOR, limit=20, rerank=Rerank(model, query=QUERY))
    sa.event.remove(world.sync_session, "do_orm_execute", hide)
    assert [match.record.id for match in found] == expected_order(found, stored, QUERY)
    assert {match.record.id for match in found} == set(range(101, 121))
    assert sorted(model.asked[0][1]) == sorted(text_of(stored[key]) for key in range(101, 121))


PARTS: dict[str, Any] = {
    "order": (
        matches_come_in_the_order_of_the_model,
        fifty_candidates_by_default,
        everything_that_matches_was_read,
        facets_stand_beside,
        the_text_of_the_search_is_the_query,
    ),
    "texts": (
        what_the_model_reads,
        records_stay_as_they_would_be,
        rows_without_text_come_last,
        criteria_of_listeners_hold,
    ),
    "refusals": (
        a_model_that_answers_nonsense,
        what_cannot_be_asked,
        the_first_page_only,
        a_coroutine_needs_the_other_repository,
        no_connection_is_held_while_the_model_works,
    ),
}


@pytest.mark.parametrize("part", PARTS)
async def test_searches_with_a_reranker(world: World, stored: Stored, part: str) -> None:
    """What each of these functions says holds, one after the other on one database."""
    for check in PARTS[part]:
        await check(world, stored)


async def test_an_endpoint(world: World, stored: Stored, rerank_server: RerankServer) -> None:
    """The whole way over a socket; what goes wrong there leaves the session usable."""
    pytest.importorskip("httpx2", reason="the extra remote is not installed")
    from pgvec.rerankers import AsyncHttpReranker, HttpReranker

    made = (HttpReranker if world.kind == "sync" else AsyncHttpReranker)(rerank_server.url, model="m", max_retries=0)
    repository = world.repository(Page, column="embedding")
    found = await repository.keyword_search(QUERY, rerank=made, limit=20)
    pool = await repository.keyword_search(QUERY, limit=50)
    assert [match.record.id for match in found] == expected_order(pool, stored, QUERY)[:20]
    rerank_server.fault = "500"
    with pytest.raises(errors.RerankerUnavailableError):
        await repository.keyword_search(QUERY, rerank=made)
    assert len(await repository.keyword_search(QUERY)) == 10
