"""Searching Django models by words, by both, and by examples; keyword indexes that migrations make."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("django")

import sqlalchemy as sa
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from fix_database import sqlalchemy_url
from support.injection import PAYLOADS

from pgvec import Repository
from pgvec.errors import (
    ConfigurationError,
    IndexNotFoundError,
    InvalidInputError,
    InvalidOptionError,
    PgvecError,
    RecordNotFoundError,
)
from pgvec.model import RecommendStrategy
from pgvec.orm import Embedding

TEXTS = {
    "The bank raised interest rates": "A quarter of a point.",
    "Inflation and money": "Prices rose; so did wages.",
    "Storm and rain tonight": "The kingfisher weather service warns.",
    "The team won the match": "A late goal.",
    "A kingfisher at the pond": "It dived twice.",
}


@pytest.fixture
def essays(django_url: str) -> Any:
    """The manager of five essays by two authors; the one about a bird has no embedding."""
    from support.library.models import Author, Essay
    from support.library.words import counter

    authors = Author.objects.bulk_create([Author(name="A", country="DE"), Author(name="B", country="FR")])
    vectors = [*counter.embed(list(TEXTS))[:4], None]
    Essay.objects.bulk_create(
        Essay(title=title, body=body, author=authors[n % 2], embedding=vector)
        for n, ((title, body), vector) in enumerate(zip(TEXTS.items(), vectors, strict=True))
    )
    return Essay.objects


def titles(found: Any) -> list[str]:
    return [essay.title for essay in found]


def test_words_and_meaning_together(essays):
    """One statement finds what is near and what has the words, also a record that has no embedding yet."""
    with CaptureQueriesContext(connection) as captured:
        found = essays.hybrid_search("kingfisher rain")
        assert set(titles(found)[:2]) == {"Storm and rain tonight", "A kingfisher at the pond"}
    assert len(captured) == 1
    best, bird = (next(e for e in found if e.title.startswith(start)) for start in ("Storm", "A king"))
    assert best.score > bird.score > 0
    assert not math.isnan(best.distance)
    assert math.isnan(bird.distance)
    assert bird.embedding is None
    assert found.receipt.returned == 5


QUERY = [0.1, 0, 1, 0, 0, 0, 0, 0]
WAYS: list[dict[str, Any]] = [
    {"fusion": "auto"},
    {"fusion": "convex"},
    {"fusion": "rrf", "rrf_k": 1},
    {"fusion": "dbsf", "candidates": 20},
    {"weights": (1, 3), "exact": True, "index": "essay_words"},
]


@pytest.fixture
def repository(django_url: str) -> Iterator[Repository[Any]]:
    """The table of the essays, as SQLAlchemy sees it."""
    columns = sa.Column("title", sa.Text), sa.Column("author_id", sa.BigInteger), sa.Column("embedding", Embedding(8))
    table = sa.Table("library_essay", sa.MetaData(), sa.Column("id", sa.Uuid, primary_key=True), *columns)
    engine = sa.create_engine(sqlalchemy_url(django_url))
    yield Repository(engine, table)
    engine.dispose()


def facts(found: Any) -> list[Any]:
    """What there is to compare of an answer."""
    return [
        (
            match.record["id"] if isinstance(match.record, dict) else match.record.id,
            match.rank,
            match.score and round(match.score, 6),
            None if math.isnan(match.distance) else round(match.distance, 6),
        )
        for match in found
    ]


@pytest.mark.parametrize("way", WAYS, ids=repr)
def test_the_repository_fuses_the_same(essays, repository, way: dict[str, Any]):
    """Rows, order, scores and distances are those of ``Repository``, with a condition and a slice too."""
    expected = repository.hybrid_search("rain kingfisher", vector=QUERY, **way)
    assert facts(essays.hybrid_search("rain kingfisher", vector=QUERY, **way).get_matches()) == facts(expected)
    by_a = essays.filter(author__country="DE")
    author = by_a[0].author_id
    where = repository.target.entity.c.author_id == author
    expected = repository.hybrid_search("rain kingfisher", vector=QUERY, where=where, limit=2, offset=1, **way)
    assert facts(by_a.hybrid_search("rain kingfisher", vector=QUERY, **way)[1:3].get_matches()) == facts(expected)


def test_the_repository_scores_words_the_same(essays, repository):
    """A keyword search gives the rows and scores of ``Repository``: phrases, beginnings of words, conditions."""
    for text in ("kingfisher", '"kingfisher weather"', "kingf* goal", "the", "nothingoftheKind"):
        found = essays.keyword_search(text)
        assert facts(found.get_matches()) == facts(repository.keyword_search(text))
        assert found.receipt.exact
    assert titles(essays.exclude(title__startswith="Storm").keyword_search("kingfisher")[:5]) == [
        "A kingfisher at the pond"
    ]
    (bird,) = essays.keyword_search("kingfisher dived")[:1]
    assert bird.score > 0
    assert math.isnan(bird.distance)


@pytest.mark.parametrize("strategy", RecommendStrategy)
def test_the_repository_recommends_the_same(essays, repository, strategy: RecommendStrategy):
    """Records, keys, vectors and texts are examples; the answer is the repository's, without the examples."""
    from support.library.words import counter

    rain, team = essays.get(title__startswith="Storm"), essays.get(title__startswith="The team")
    with CaptureQueriesContext(connection) as captured:
        mine = essays.recommend([rain, QUERY, "rain"], [team.pk], strategy=strategy).get_matches()
    assert len(captured) == 1
    examples = [{"id": rain.pk}, QUERY, counter.embed(["rain"])[0]]
    theirs = repository.recommend(examples, [{"id": team.pk}], strategy=strategy)
    assert facts(mine) == facts(theirs)
    assert {rain, team}.isdisjoint(mine.records)
    assert len(mine) == 2
    assert (mine[0].score is None) is (strategy is RecommendStrategy.AVERAGE)


def test_a_queryset_gives_its_records_as_examples(essays):
    """What a queryset selects is what is wanted; conditions and slices choose among the rest."""
    liked = essays.filter(title__startswith="Inflation")
    assert titles(essays.recommend(liked)[:1]) == ["The bank raised interest rates"]
    assert titles(essays.filter(author__country="FR").recommend(liked)) == ["The team won the match"]
    assert titles(essays.recommend(negative=liked, strategy="best_score"))[-1] == "The bank raised interest rates"


def test_what_is_no_example_is_refused(essays):
    """A record of another model, one that is not stored, one without embedding, and no examples at all."""
    from support.library.models import Author

    with pytest.raises(InvalidInputError, match="is no Essay"):
        essays.recommend([Author.objects.first()])
    with pytest.raises(InvalidInputError, match="is no Essay"):
        essays.similar(Author.objects.first())
    with pytest.raises(RecordNotFoundError, match="save it first"):
        essays.recommend([essays.model(id=None)])
    with pytest.raises(RecordNotFoundError, match="NULL or zero"):
        list(essays.recommend([essays.get(title__contains="pond")]))
    with pytest.raises(InvalidInputError, match="positive= is empty"):
        essays.recommend()
    with pytest.raises(InvalidInputError, match="list of examples"):
        essays.recommend("rain")


async def test_asynchronously(essays):
    """What can be awaited of a search can be of these."""
    found = essays.hybrid_search("kingfisher rain")
    assert [essay.title async for essay in found] == titles((await found.aget_matches()).records)
    assert (await essays.keyword_search("dived").afirst()).title == "A kingfisher at the pond"
    assert "library_essay" in (await essays.search("rain").aexplain()).sql
    await sync_to_async(connections.close_all)()


def test_a_search_explains_itself(essays):
    """The plan tells the strategy and Postgres' own plan; other kinds of search say that they cannot."""
    told = essays.filter(author__country="DE").search("rain")[:3].explain(analyze=True)
    assert told.requested == 3
    assert told.analyzed
    assert "library_essay" in told.sql
    assert "what Postgres did" in str(told)
    assert not essays.similar(essays.first()).explain().analyzed
    for search in (essays.hybrid_search("rain"), essays.keyword_search("rain"), essays.recommend(["rain"])):
        with pytest.raises(InvalidOptionError, match="explain"):
            search.explain()
    with pytest.raises(InvalidOptionError, match="not be asked"):
        essays.none().search("rain").explain()


def test_what_is_missing_is_named(essays):
    """No keyword index, no embedder, an empty text: each is told as pgvec tells it everywhere."""
    from support.library.models import Article

    Article.objects.create(title="rain", embedding=QUERY)
    with pytest.raises(IndexNotFoundError, match="no keyword index"):
        list(Article.objects.hybrid_search("rain"))
    with pytest.raises(IndexNotFoundError, match="'other'"):
        list(essays.keyword_search("rain", index="other"))
    with override_settings(PGVEC={}), pytest.raises(ConfigurationError, match="no embedder"):
        list(essays.hybrid_search("rain"))
    with override_settings(PGVEC={}), pytest.raises(ConfigurationError, match="no embedder"):
        list(essays.recommend(["rain"]))
    with pytest.raises(InvalidInputError, match="empty text"):
        list(essays.hybrid_search(" "))
    with pytest.raises(InvalidOptionError, match="order_by"):
        essays.order_by("title").hybrid_search("rain")
    assert list(essays.hybrid_search("rain")[:0]) == list(essays.none().keyword_search("rain")) == []


def test_hostile_texts_are_data(essays):
    """A text in any parameter is asked for, or refused by pgvec; no statement of the server fails because of it."""
    before = essays.count()
    for text in PAYLOADS:
        for search in (
            lambda text=text: essays.hybrid_search(text),
            lambda text=text: essays.hybrid_search("rain", index=text),
            lambda text=text: essays.hybrid_search("rain", fusion=text),
            lambda text=text: essays.keyword_search(text, index=text),
            lambda text=text: essays.recommend([text]),
            lambda text=text: essays.recommend([{text: text}], strategy="sum_scores"),
            lambda text=text: essays.filter(title=text).hybrid_search("rain"),
        ):
            with suppress(PgvecError, ValueError):
                list(search())
    assert essays.count() == before


def test_the_admin_searches_by_words_and_meaning(essays):
    """The box of a model with a keyword index finds by both, and shows scores, the best first."""
    from django.contrib.auth.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    page = client.get("/admin/library/essay/", {"q": "kingfisher rain"})
    listed = titles(page.context["cl"].result_list)
    assert listed == titles(essays.hybrid_search("kingfisher rain")[:50])
    shown = [float(text) for text in re.findall(r'class="field-_score[^>]*>([\d.]+)', page.content.decode())]
    assert len(shown) == len(listed) == 5
    assert shown == sorted(shown, reverse=True)
    with override_settings(PGVEC={}):
        page = client.get("/admin/library/essay/", {"q": "pond"})
        assert titles(page.context["cl"].result_list) == ["A kingfisher at the pond"]
