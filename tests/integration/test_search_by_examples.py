"""Searches by examples and diverse searches: what examples may be, what is refused, and what is left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_repository import World
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.content_embedder import ContentEmbedder
from support.models import DIMENSIONS, Article, article_rows, vectors
from support.models import Base as Shared

from pgvec import RecommendStrategy, Repository, Strategy
from pgvec.errors import (
    ConfigurationError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidOptionError,
    RecordNotFoundError,
)
from pgvec.orm import Embedding

QUERY = vectors(1, seed=99)[0]


class Base(DeclarativeBase):
    pass


class Place(Base):
    """A key of two parts, and embeddings of several types."""

    __tablename__ = "place"
    country: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    dense: Mapped[Any | None] = mapped_column(Embedding(3, distance="cosine"))
    half: Mapped[Any | None] = mapped_column(Embedding(3, distance="l2", type="halfvec"))
    sparse: Mapped[Any | None] = mapped_column(Embedding(3, distance="inner_product", type="sparsevec"))
    bits: Mapped[Any | None] = mapped_column(Embedding(4, distance="hamming", type="bit"))


def _place(country: str, number: int, vector: list[float]) -> dict[str, Any]:
    signs = "".join("1" if element > 0 else "0" for element in [*vector, 1])
    sparse = dict(enumerate(vector))
    return {"country": country, "number": number, "dense": vector, "half": vector, "sparse": sparse, "bits": signs}


def _fill(session: Session) -> None:
    connection = session.connection()
    Shared.metadata.create_all(connection)
    Base.metadata.create_all(connection)
    Repository(session, Article).insert(article_rows(200))
    rows = [_place("DE", 1, [1, 0, 0]), _place("DE", 2, [0.9, 0.1, 0]), _place("FR", 1, [0, 1, 0])]
    Repository(session, Place, column="dense").insert(rows)


@pytest.fixture
def database_template(databases: Databases, template_database: str) -> str:
    """A database with two hundred articles and three places."""
    return databases.filled(template_database, _fill)


@pytest.fixture
def articles(world: World) -> Any:
    """A repository of two hundred articles."""
    return world.repository(Article)


@pytest.fixture
def places(world: World) -> World:
    """A world with three places."""
    return world


def ids(found: Any) -> list[int]:
    return [match.record.id for match in found]


@pytest.mark.parametrize("strategy", RecommendStrategy)
async def test_an_example_is_a_record_a_key_or_its_vector(articles: Any, strategy: RecommendStrategy) -> None:
    """What an example is given as makes no difference but that a vector may be that of a row in the answer."""
    record = await articles.get(5)
    vector = article_rows(200)[4]["embedding"]
    by_key = await articles.recommend([5], [7], strategy=strategy, exact=True)
    assert by_key.receipt.statements == 1
    for example in (record, {"id": 5}, np.int64(5)):
        found = await articles.recommend([example], [{"id": 7}], strategy=strategy, exact=True)
        assert ids(found) == ids(by_key)
    by_vector = await articles.recommend([vector], [7], strategy=strategy, exact=True)
    assert 5 in ids(by_vector)
    assert [key for key in ids(by_vector) if key != 5] == ids(by_key)[:-1]


async def test_what_a_strategy_tells(articles: Any) -> None:
    """An average is a search, with distances; the others have scores and no distance."""
    average = await articles.recommend([1], [2])
    assert average[0].score is None
    assert average[0].similarity == pytest.approx(1 - average[0].distance)
    scored = await articles.recommend([1], [2], strategy="best_score")
    assert math.isnan(scored[0].distance)
    assert scored[0].similarity is None
    assert -1 < scored[0].score < 1


async def test_texts_are_embedded(world: World, articles: Any) -> None:
    """Texts among the examples need an embedder, and are embedded together."""
    with pytest.raises(ConfigurationError, match="embedder"):
        await articles.recommend(["something"])
    embedder = ContentEmbedder(DIMENSIONS)
    repository = world.repository(Article, embedder=embedder)
    found = await repository.recommend(["one", 3], ["two"], strategy="sum_scores")
    assert len(found) == 10
    assert len(await repository.discover("one", [("two", 3)])) == 10


async def test_an_example_that_is_missing_is_named(world: World, articles: Any) -> None:
    """A key that is not stored is an error that names it, and so is a row without an embedding or with zeros."""
    await articles.insert([{"id": 900, "title": "none"}, {"id": 901, "title": "zero", "embedding": None}])
    zeros = "[" + ",".join("0" * DIMENSIONS) + "]"
    await world.execute(
        sa.text("UPDATE article SET embedding = CAST(:zeros AS vector) WHERE id = 901"), {"zeros": zeros}
    )
    for call in (
        lambda key: articles.recommend([1, key]),
        lambda key: articles.recommend([1], [key], strategy="best_score"),
        lambda key: articles.recommend([key], strategy="sum_scores"),
        lambda key: articles.discover(key, [(1, 2)]),
        lambda key: articles.discover(context=[(1, key)]),
        lambda key: articles.refine(QUERY, relevant=[key]),
        lambda key: articles.feedback(QUERY, [(key, 1.0), (1, 0.5)]),
    ):
        with pytest.raises(RecordNotFoundError, match=r"no row with the key 12345\b"):
            await call(12345)
        for key in (900, 901):
            with pytest.raises(RecordNotFoundError, match=rf"embedding of article {key} is NULL or zero"):
                await call(key)
    with pytest.raises(RecordNotFoundError, match="12345"):
        await articles.similar(12345)


async def test_nothing_matches(articles: Any) -> None:
    """A filter that no row passes gives an empty answer, not an error."""
    nothing = {"where": {"title": "there is none"}}
    for found in (
        await articles.recommend([1], **nothing),
        await articles.recommend([1], [2], strategy="best_score", **nothing),
        await articles.discover(1, [(2, 3)], **nothing),
        await articles.discover(context=[(2, 3)], **nothing),
        await articles.search(QUERY, diversity=0.5, **nothing),
        await articles.similar(1, **nothing),
    ):
        assert len(found) == 0
        assert found.receipt.complete


async def test_examples_are_left_out(articles: Any) -> None:
    """Stored examples are not in the answer, whichever side they are on; twice the same counts twice."""
    for strategy in RecommendStrategy:
        found = await articles.recommend([1, 1, 2], [3], strategy=strategy, limit=200)
        assert len(found) == 197
        assert not {1, 2, 3} & set(ids(found))
    twice = await articles.recommend([1, 1, 2], exact=True)
    weighed = await articles.recommend([1, 2], positive_weights=[2, 1], exact=True)
    assert ids(twice) == ids(weighed)
    assert not {1, 2, 3, 4} & set(ids(await articles.discover(1, [(2, 3), (4, 3)], limit=200)))


async def test_examples_that_cancel_each_other_out(articles: Any) -> None:
    """An average that is zero has no cosine distance: an error says so."""
    with pytest.raises(InvalidInputError, match="cancel each other out"):
        await articles.recommend([QUERY, -QUERY])


async def test_only_negative_examples(articles: Any) -> None:
    """The scores work without positive examples; the average does not."""
    for strategy in ("best_score", "sum_scores"):
        found = await articles.recommend(negative=[1, 2], strategy=strategy)
        assert found[0].score > found[-1].score
    with pytest.raises(InvalidInputError, match="positive= is empty"):
        await articles.recommend(negative=[1])


async def test_pages_and_columns(articles: Any) -> None:
    """Limit and offset cut one order, and columns come as rows."""
    options = {"exact": True, "columns": (Article.id, Article.title)}
    whole = await articles.discover(1, [(2, 3)], limit=20, **options)
    parts = [await articles.discover(1, [(2, 3)], limit=5, offset=offset, **options) for offset in range(0, 20, 5)]
    assert [match for part in parts for match in part] == list(whole)
    assert whole[0].record.title == f"Article {whole[0].record.id}"


@pytest.mark.parametrize("column", ["dense", "half", "sparse", "bits"])
async def test_keys_of_two_parts_and_all_vector_types(places: World, column: str) -> None:
    """Composite keys are mappings, and every type of vector can be scored; bits have no average."""
    repository = places.repository(Place, column=column)
    key = {"country": "DE", "number": 1}
    for strategy in ("best_score", "sum_scores"):
        found = await repository.recommend([key], [{"country": "FR", "number": 1}], strategy=strategy)
        assert [(match.record.country, match.record.number) for match in found] == [("DE", 2)]
    assert len(await repository.discover(key, [(key, key)])) == 2
    similar = await repository.similar(("DE", 1))
    assert len(similar) == 2
    diverse = await repository.search(_place("DE", 1, [1, 0, 0])[column], diversity=0.9)
    assert len(diverse) == 3
    if column == "bits":
        with pytest.raises(InvalidOptionError, match="no average"):
            await repository.recommend([key])
    else:
        assert (await repository.recommend([key]))[0].record.number == 2
        assert len(await repository.refine(key, relevant=[key])) == 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.recommend(), InvalidInputError, "positive= is empty"),
        (lambda r: r.recommend([0.1, 0.2]), InvalidInputError, "0.1 is no example"),
        (lambda r: r.recommend([True]), InvalidInputError, "True is no example"),
        (lambda r: r.recommend([None]), InvalidInputError, "None is no example"),
        (lambda r: r.recommend("text"), InvalidInputError, "takes a list of examples"),
        (lambda r: r.recommend({"id": 1}), InvalidInputError, "takes a list of examples"),
        (lambda r: r.recommend(5), InvalidInputError, "takes a list of examples"),
        (lambda r: r.recommend([[1.0, 2.0]]), DimensionMismatchError, "example 1 has 2 dimensions"),
        (lambda r: r.recommend([{"nr": 1}]), InvalidInputError, "The key of article is"),
        (lambda r: r.recommend([1], strategy="mean"), InvalidOptionError, "strategy='mean'"),
        (lambda r: r.recommend([1], positive_weights=[1, 2]), InvalidOptionError, "2 weights for 1 examples"),
        (lambda r: r.recommend([1], positive_weights=[0]), InvalidOptionError, "above 0"),
        (lambda r: r.recommend([1], positive_weights=[-1]), InvalidOptionError, "between 0 and"),
        (lambda r: r.recommend([1], candidates=5), InvalidOptionError, "candidates= belongs to"),
        (lambda r: r.recommend([1] * 1_001), InvalidOptionError, "1,001 examples"),
        (lambda r: r.discover(), InvalidInputError, "target="),
        (lambda r: r.discover(1, [1]), InvalidInputError, "pairs"),
        (lambda r: r.discover(1, [(1, 2, 3)]), InvalidInputError, "pairs"),
        (lambda r: r.refine(1), InvalidInputError, "both empty"),
        (lambda r: r.refine(1, relevant=[2], beta=-1), InvalidOptionError, "beta"),
        (lambda r: r.feedback(1, [2]), InvalidInputError, "pairs of an example and its score"),
        (lambda r: r.feedback(1, [(2, math.inf)]), InvalidInputError, "finite"),
        (lambda r: r.search(QUERY, diversity=1.5), InvalidOptionError, "diversity has to be between 0 and 1"),
        (lambda r: r.search(QUERY, candidates=50), InvalidOptionError, "which choose among them"),
        (lambda r: r.search(QUERY, diversity=0.5, candidates=5), InvalidOptionError, "candidates has to be between 10"),
        (
            lambda r: r.search(QUERY, diversity=0.5, limit=1_001),
            InvalidOptionError,
            "limit has to be between 1 and 1000",
        ),
    ],
)
async def test_what_is_refused(articles: Any, call: Any, error: type[Exception], message: str) -> None:
    """Arguments that make no sense are errors that say what to do."""
    with pytest.raises(error, match=message.replace("(", r"\(")):
        await call(articles)


async def test_a_page_of_a_diverse_search_is_part_of_one_choice(articles: Any) -> None:
    """An offset passes over the first picks; after= is refused, because the choice is one."""
    options = {"diversity": 0.4, "exact": True}
    whole = await articles.search(QUERY, limit=12, **options)
    part = await articles.search(QUERY, limit=7, offset=5, **options)
    assert ids(part) == ids(whole)[5:]
    assert [match.rank for match in part] == list(range(6, 13))
    with pytest.raises(InvalidOptionError, match="after="):
        await articles.search(QUERY, diversity=0.4, after=whole[0])


async def test_diversity_of_nothing_is_the_search(articles: Any) -> None:
    """Without diversity the order is that of the distances; max_distance and a record as query work as ever."""
    near = await articles.search(QUERY, limit=8, exact=True)
    assert ids(await articles.search(QUERY, limit=8, diversity=0.0, exact=True)) == ids(near)
    bound = near[3].distance
    found = await articles.search(QUERY, limit=8, diversity=0.9, max_distance=bound + 1e-9, exact=True)
    assert sorted(ids(found)) == sorted(ids(near)[:4])
    record = await articles.get(1)
    assert 1 not in ids(await articles.search(record, diversity=0.5, limit=20))


async def test_rows_equal_to_each_other_are_not_picked_together(articles: Any) -> None:
    """Of copies of one row a diverse search takes one early and the others late."""
    copies = [{"id": number, "title": "copy", "embedding": QUERY} for number in range(500, 520)]
    await articles.insert(copies)
    assert sum(match.record.title == "copy" for match in await articles.search(QUERY, limit=10)) == 10
    found = await articles.search(QUERY, limit=10, diversity=0.7)
    assert sum(match.record.title == "copy" for match in found) == 1


async def test_receipts(articles: Any) -> None:
    """A receipt tells the same as for a search: by index or exact, complete, how many match."""
    few = {"where": {"id": {"$lte": 20}}}
    found = await articles.recommend([1], [2], strategy="best_score", limit=50, **few)
    assert (len(found), found.receipt.matching, found.receipt.matching_is_exact) == (18, 18, True)
    assert found.receipt.exact
    diverse = await articles.search(QUERY, diversity=0.5, limit=15, **few)
    assert (diverse.receipt.requested, diverse.receipt.returned, diverse.receipt.matching) == (15, 15, 20)
    assert diverse.receipt.complete
    assert diverse.receipt.strategy is Strategy.EXACT
    fewer = await articles.search(QUERY, diversity=0.5, limit=50, **few)
    assert (len(fewer), fewer.receipt.complete, fewer.receipt.matching_is_exact) == (20, True, True)


async def test_rows_without_a_direction_come_last(world: World, articles: Any) -> None:
    """A zero vector has no cosine: its rows have no score, come after all others, and stop no search."""
    zeros = "[" + ",".join("0" * DIMENSIONS) + "]"
    await world.execute(
        sa.text("UPDATE article SET embedding = CAST(:zeros AS vector) WHERE id > 195"), {"zeros": zeros}
    )
    where = {"id": {"$gt": 180}}
    last = {196, 197, 198, 199, 200}
    for found in (
        await articles.search(QUERY, diversity=0.5, limit=50, where=where),
        await articles.recommend([1], [2], strategy="best_score", limit=50, where=where),
        await articles.recommend([1], [2], strategy="sum_scores", limit=50, where=where),
        await articles.discover(1, [(2, 3)], limit=50, where=where),
        await articles.discover(context=[(2, 3)], limit=50, where=where),
    ):
        assert len(found) == 20
        assert set(ids(found)[15:]) == last
        assert all(math.isnan(match.score) for match in found[15:])
