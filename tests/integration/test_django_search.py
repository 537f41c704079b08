"""Searching Django models: the queryset chooses the rows, one statement answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url

pytest.importorskip("django")

from asgiref.sync import sync_to_async
from django.db import connections, models

from pgvec import Repository
from pgvec.errors import InvalidOptionError, QueryTimeoutError, RecordNotFoundError
from pgvec.model import Strategy
from pgvec.orm import Embedding, HnswIndex

QUERY = [1, 0, 0, 0, 0, 0, 0, 0.1]


@pytest.fixture
def articles(library: None) -> Any:
    """The manager of two hundred articles, in a transaction."""
    from support.library.models import Article

    return Article.objects


@pytest.fixture
def committed(library_url: str) -> Any:
    """The manager of two hundred articles, outside of a transaction; for reading only."""
    from support.library.models import Article

    return Article.objects


def numbers(found: Any) -> list[int]:
    from support.library.rows import number

    return [number(article) for article in found]


def statements(using: str = "default") -> Any:
    from django.test.utils import CaptureQueriesContext

    return CaptureQueriesContext(connections[using])


def test_a_search_is_one_statement(articles):
    """Ten records come back, nearest first, as instances that know where they are from; nothing else is sent."""
    with statements() as captured:
        found = list(articles.search(QUERY))
    assert len(captured) == 1
    assert numbers(found) == list(range(10))
    assert not found[0]._state.adding
    assert found[0]._state.db == "default"


def test_records_are_as_django_loads_them(articles):
    """Every field is converted as in a query of Django's own."""
    found = articles.search(QUERY)[5]
    loaded = articles.get(pk=found.pk)
    assert (found.price, found.published, found.details) == (loaded.price, loaded.published, loaded.details)
    assert found.price == Decimal("1.25")
    assert found == loaded


def test_embeddings_are_deferred(articles):
    """An embedding is fetched when it is read, or with the record where that is asked for."""
    assert "embedding" in articles.search(QUERY)[0].get_deferred_fields()
    fetched = articles.search(QUERY, include_embedding=True)[0]
    assert fetched.get_deferred_fields() == set()
    assert np.allclose(fetched.embedding, QUERY)
    assert np.allclose(articles.search(QUERY)[0].embedding, QUERY)


def test_distances_come_along(articles):
    """A record has its distance, and the matches also rank and similarity."""
    found = articles.search(QUERY)[:3]
    assert [match.rank for match in found.get_matches()] == [1, 2, 3]
    for match in found.get_matches():
        assert match.record.distance == match.distance == pytest.approx(1 - match.similarity)


CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "one column": lambda q: q.filter(category="news"),
    "nothing": lambda q: q.all(),
    "negation": lambda q: q.exclude(category="news"),
    "or": lambda q: q.filter(models.Q(category="news") | models.Q(details__n__lt=5)),
    "list": lambda q: q.filter(pk__in=list(q.filter(details__n__gt=100).values_list("pk", flat=True))),
    "texts": lambda q: q.filter(title__in=["Article 3", "Article 7", "it's", "%s {,}"]),
    "moments": lambda q: q.filter(published__in=[datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 9, tzinfo=UTC)]),
    "numbers": lambda q: q.filter(price__in=[1, Decimal("2.25"), 3.5]),
    "records": lambda q: q.filter(
        author__in=list(q.model._meta.get_field("author").related_model.objects.filter(name="B"))
    ),
    "year": lambda q: q.filter(published__year=2026, details__n__lt=9),
    "range": lambda q: q.filter(price__range=(3, 5)),
    "date": lambda q: q.filter(published__day=3),
    "decimal": lambda q: q.filter(price__gte=Decimal("12.5")),
    "json": lambda q: q.filter(details__odd=True),
    "null": lambda q: q.filter(author=None),
    "text with percent and quotes": lambda q: q.filter(
        models.Q(title__contains="100%s ' \" :x") | models.Q(title__endswith="7")
    ),
    "regular expression": lambda q: q.filter(title__regex=r"^Article 1?\d$"),
    "forward join": lambda q: q.filter(author__country="DE"),
    "backward join that multiplies": lambda q: q.filter(tags__name__in=["hot", "long"]),
    "negated join": lambda q: q.exclude(tags__name="hot"),
    "aggregate": lambda q: q.alias(n=models.Count("tags")).filter(n=2, category="sport"),
    "expression": lambda q: q.alias(twice=models.F("price") * 2).filter(twice__lt=4),
    "subquery": lambda q: q.filter(models.Exists(q.model.tags.through.objects.filter(article=models.OuterRef("pk")))),
    "window": lambda q: q.alias(
        row=models.Window(models.functions.RowNumber(), partition_by="category", order_by="id")
    ).filter(row__lte=20),
    "raw where": lambda q: q.extra(where=["price > %s"], params=["30"]),
    "distinct": lambda q: q.filter(author__name="A").distinct(),
    "one row": lambda q: q.filter(title="Article 150"),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_any_condition_of_django_narrows_a_search(articles, name: str):
    """The search finds the nearest of exactly the rows that the queryset selects, each once."""
    queryset = CONDITIONS[name](articles.all())
    expected = sorted(set(numbers(queryset)))
    assert expected
    with statements() as captured:
        found = queryset.search(QUERY)
        assert numbers(found) == expected[:10]
    assert len(captured) == 1
    assert found.receipt.complete
    assert found.receipt.returned == min(10, len(expected))
    assert numbers(queryset.search(QUERY, exact=True)) == expected[:10]


def test_a_condition_that_nothing_can_meet_asks_nobody(articles):
    """Where Django knows that no row passes, the answer is empty and complete, without a statement."""
    with statements() as captured:
        for queryset in (articles.none(), articles.filter(pk__in=[])):
            found = queryset.search(QUERY)
            assert list(found) == []
            assert (found.receipt.complete, found.receipt.statements) == (True, 0)
    assert len(captured) == 0


def test_one_shape_of_condition_is_compiled_once(articles):
    """Values change from call to call while the compiled statement stays the same."""
    from pgvec.execution import prepared

    def ask(category: str, above: int) -> list[int]:
        return numbers(articles.filter(category=category, details__n__gte=above).search(QUERY)[:2])

    assert ask("news", 10) == [10, 12]
    ids = list(articles.values_list("pk", flat=True))
    assert articles.filter(pk__in=ids[:5]).search(QUERY).receipt.returned == 5
    known = len(prepared._cache)
    assert articles.filter(pk__in=ids[:7]).search(QUERY).receipt.returned == 7
    assert ask("sport", 20) == [21, 23]
    assert ask("it's", 0) == []
    assert len(prepared._cache) == known


def test_slices_set_the_window(articles):
    """A slice is the limit, a slice of a slice a part of it, an index one record; nothing is sent before it is needed."""
    with statements() as captured:
        window = articles.search(QUERY)[5:50][10:13]
    assert len(captured) == 0
    assert numbers(window) == [15, 16, 17]
    assert numbers(articles.search(QUERY)[:25]) == list(range(25))
    assert numbers(articles.search(QUERY)[195:]) == [195, 196, 197, 198, 199]
    assert numbers([articles.search(QUERY)[7]]) == [7]
    assert numbers(articles.search(QUERY)[:9:4]) == [0, 4, 8]
    assert list(articles.search(QUERY)[3:3]) == []
    assert list(articles.search(QUERY)[:5][7:9]) == []
    with pytest.raises(IndexError):
        articles.search(QUERY)[500]
    with pytest.raises(ValueError, match="Negative"):
        articles.search(QUERY)[-1]
    with pytest.raises(TypeError):
        articles.search(QUERY)["one"]


def test_an_answer_is_asked_for_once(articles):
    """What was found is kept: iterating, counting, slicing and the receipt send nothing more."""
    found = articles.search(QUERY)[:5]
    with statements() as captured:
        assert len(found) == 5
        assert found
        assert numbers(found[1:3]) == [1, 2]
        assert numbers([found[4], found.first()]) == [4, 0]
        assert found.receipt.requested == 5
    assert len(captured) == 1
    assert articles.search(QUERY).first() == found[0]
    assert articles.none().search(QUERY).first() is None


@pytest.mark.parametrize(
    "method",
    [
        "filter",
        "exclude",
        "annotate",
        "alias",
        "order_by",
        "distinct",
        "values",
        "values_list",
        "select_related",
        "prefetch_related",
        "only",
        "defer",
        "using",
        "update",
        "delete",
    ],
)
def test_conditions_come_before_the_search(articles, method: str):
    """A method that would choose other rows, or shape them, says that its place is before."""
    with pytest.raises(InvalidOptionError, match=f"objects.{method}"):
        getattr(articles.search(QUERY), method)(category="news")


def with_every_relation(queryset: Any) -> Any:
    queryset = queryset.all()
    queryset.query.select_related = True  # what select_related() without names does, which Django 6.1 deprecates
    return queryset


@pytest.mark.parametrize(
    ("what", "begin"),
    [
        ("a slice", lambda q: q.all()[:5]),
        ("order_by", lambda q: q.order_by("title")),
        ("union", lambda q: q.filter(pk=1).union(q.filter(pk=2))),
        ("values", lambda q: q.values("title")),
        ("distinct", lambda q: q.distinct("author")),
        ("select_for_update", lambda q: q.select_for_update()),
        ("select_related", with_every_relation),
        ("alias", lambda q: q.annotate_distance(QUERY)),
    ],
)
def test_what_a_search_cannot_keep_is_refused(articles, what: str, begin: Callable[[Any], Any]):
    """A queryset that is ordered, sliced or shaped already is refused instead of being followed in part."""
    with pytest.raises(InvalidOptionError, match=what):
        begin(articles.all()).search(QUERY)


def test_the_receipt_tells_how(articles):
    """The strategy is the repository's: by index, exact, or completed where the index alone would have come back short."""
    assert articles.search(QUERY, exact=True).receipt.strategy is Strategy.EXACT
    assert articles.search(QUERY)[:200].receipt.returned == 200
    assert articles.filter(details__n__gte=195).search(QUERY).receipt.exact
    assert articles.search(QUERY, ef_search=200).receipt.ef_search in (200, None)
    near = articles.search(QUERY, max_distance=0.005)
    assert 0 < len(near) < 200
    assert all(record.distance <= 0.005 for record in near)


def test_the_repository_answers_the_same(articles, library_url: str):
    """Random conditions give the rows, the order and the receipt that ``Repository`` gives on the same table."""
    engine = sa.create_engine(sqlalchemy_url(library_url))
    table = sa.Table(
        "library_article",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("category", sa.Text),
        sa.Column("price", sa.Numeric),
        sa.Column("embedding", Embedding(8)),
        HnswIndex("embedding"),
    )
    repository = Repository(engine, table, distance="cosine")
    chance = random.Random(5)
    for _ in range(25):
        least, category = chance.randrange(0, 220), chance.choice(["news", "sport"])
        limit, query = chance.randint(1, 30), [chance.random() for _ in range(8)]
        mine = articles.filter(category=category, price__gte=least / 4).search(query)[:limit].get_matches()
        where = (table.c.category == category) & (table.c.price >= least / 4)
        theirs = repository.search(query, where=where, limit=limit)
        assert [match.record.pk for match in mine] == [match.record["id"] for match in theirs]
        assert [match.distance for match in mine] == pytest.approx([match.distance for match in theirs])
        assert (mine.receipt.complete, mine.receipt.returned) == (theirs.receipt.complete, theirs.receipt.returned)
    engine.dispose()


def test_similar_leaves_the_record_out(articles):
    """A stored record, or its key, finds its neighbours and not itself, without its embedding leaving the database."""
    first = articles.get(title="Article 5")
    with statements() as captured:
        assert set(numbers(articles.similar(first)[:2])) == {4, 6}
    assert len(captured) == 1
    assert "[1" not in captured[0]["sql"]
    assert set(numbers(articles.filter(category="sport").similar(first.pk)[:2])) == {3, 7}
    assert set(numbers(articles.search(first)[:2])) == {4, 6}


def test_similar_needs_a_stored_record(articles):
    """A record that is not stored, or has no embedding, is named instead of finding nothing."""
    with pytest.raises(RecordNotFoundError, match="save it first"):
        articles.similar(articles.model(title="new"))
    with pytest.raises(RecordNotFoundError, match="No row"):
        list(articles.similar(10**9))
    bare = articles.create(title="bare", category="news")
    with pytest.raises(RecordNotFoundError, match="no embedding"):
        list(articles.similar(bare))


def test_only_and_defer_hold(articles):
    """Fields that the queryset leaves out stay out, and the key comes in any case."""
    found = articles.only("title").search(QUERY)[0]
    assert {"id", "title"} == set(found.__dict__) - {"_state", "distance"}
    assert "body" not in articles.defer("body").search(QUERY)[0].__dict__


def test_related_records_are_fetched_together(articles):
    """select_related and prefetch_related cost one statement for each relation, however many records there are."""
    with statements() as captured:
        found = list(articles.select_related("author").prefetch_related("tags").search(QUERY))
        assert {article.author and article.author.country for article in found} == {"DE", "FR", None}
        assert all(len(article.tags.all()) == 2 for article in found)
    assert len(captured) == 3


def test_related_managers_search_too(articles):
    """The articles of an author are searched through the author."""
    from support.library.models import Author

    author = Author.objects.get(name="B")
    assert numbers(author.articles.filter(category="sport").search(QUERY)[:3]) == [1, 7, 13]


def test_simple_comparisons_are_left_to_the_planner(articles):
    """What Django compares a column with is told to the planner, which weighs it by the statistics of the table."""
    from pgvec.integrations.django.conditions import condition_of
    from pgvec.integrations.django.reading import read_model
    from pgvec.statements.conditions import conjuncts, read_leaf

    queryset = articles.filter(category="news", price__gte=1, author=None).exclude(title="x").filter(pk__in=[1, 2])
    condition = condition_of(queryset, read_model(articles.model), "default").condition
    leaves = [leaf and (leaf.column, leaf.operator, leaf.values) for leaf in map(read_leaf, conjuncts(condition))]
    assert leaves == [
        ("author_id", "is null", ()),
        ("category", "=", ("news",)),
        ("price", ">=", (Decimal(1),)),
        None,
        ("id", "in", (1, 2)),
    ]
    between = condition_of(articles.filter(price__range=(1, 2)), read_model(articles.model), "default").condition
    assert len(list(conjuncts(between))) == 2


def test_a_proxy_shares_what_is_known_of_its_table(articles):
    """Whichever of them is asked first, the types of the columns are those of the table: a proxy has no fields of its own."""
    from support.library.models import News

    from pgvec.integrations.django import reading

    reading._plain.clear()
    assert "id" in reading.plain_types(News, "default")


def test_the_plan_of_a_search_can_be_asked_for(articles):
    """The driver explains the statement that it would send, on Django's connection."""
    from pgvec.integrations.django.driver import DjangoDriver
    from pgvec.integrations.django.reading import read_model
    from pgvec.operations.search import planned
    from pgvec.repository import arguments
    from pgvec.statements.requests import Explain

    target = read_model(articles.model)
    unset = dict.fromkeys(("where", "max_distance", "ef_search", "recall"))
    options = arguments.SearchOptions(**unset, limit=3, exact=True, columns=("id",), include_embedding=False)
    question = arguments.question(target, QUERY, options)

    def recipe(*, analyze: bool) -> Any:
        find, _ = yield from planned(target, question)
        return (yield Explain(find, analyze))

    sql, plan = DjangoDriver("default").run(recipe(analyze=False))
    assert "library_article" in sql
    assert "Actual Rows" not in plan["Plan"]
    assert "Actual Rows" in DjangoDriver("default").run(recipe(analyze=True))[1]["Plan"]


def test_what_is_known_of_a_table_is_asked_once(committed):
    """The first search of a table tells in its receipt that it asked about the table, and the next ones need not."""
    from pgvec.integrations.django import driver

    driver._surveys.clear()
    with statements() as captured:
        first, second = committed.search(QUERY), committed.filter(category="news").search(QUERY)
        assert first.receipt.statements > second.receipt.statements == 1
    assert len(captured) == 2


async def test_asynchronously(committed):
    """The asynchronous variants carry Django's names and give the same."""
    found = committed.filter(category="news").search(QUERY)[:3]
    assert numbers([match.record for match in await found.aget_matches()]) == [0, 2, 4]
    assert numbers([article async for article in found]) == [0, 2, 4]
    assert numbers([await committed.search(QUERY).afirst()]) == [0]
    assert found.receipt.returned == 3
    await sync_to_async(connections.close_all)()


def test_a_search_runs_in_the_callers_transaction(articles):
    """It sees what the transaction has written, ends with it, and leaves no setting behind."""
    from django.db import connection, transaction

    with transaction.atomic():
        made = articles.create(title="new", category="news", details={"n": -1}, embedding=QUERY)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL hnsw.ef_search = 77")
            assert {-1, 0} == set(numbers(articles.search(QUERY, ef_search=300)[:2]))
            cursor.execute("SHOW hnsw.ef_search")
            assert cursor.fetchone() == ("77",)
        assert connection.in_atomic_block
        transaction.set_rollback(True)
    assert made.pk not in [article.pk for article in articles.search(QUERY)]


def test_errors_are_pgvecs(committed):
    """An error of the server arrives as pgvec's own, from Django's, and Django knows that the transaction is broken."""
    from django.db import DatabaseError, connection, transaction

    slow = committed.extra(where=["pg_sleep(0.2) IS NOT NULL"]).search(QUERY)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1ms'")
        with pytest.raises(QueryTimeoutError) as told, transaction.atomic():
            list(slow)
    assert isinstance(told.value.__cause__, DatabaseError)
    assert len(committed.search(QUERY)) == 10


def test_another_database(committed):
    """``using`` decides which connection answers, and the records know it."""
    with statements("other") as captured, statements() as untouched:
        found = committed.using("other").filter(author__country="DE").search(QUERY)
        assert found[0]._state.db == found.db == "other"
    assert (len(captured), len(untouched)) == (1, 0)


def test_binding_on_the_server(committed):
    """Where a project lets the server bind parameters, conditions and vectors arrive as well."""
    from django.db import connection

    connection.close()
    connection.settings_dict["OPTIONS"]["server_side_binding"] = True
    try:
        queryset = committed.filter(category="news", author__country="DE", price__gt=1, details__n__gt=5)
        assert numbers(queryset.search(QUERY)[:3]) == [6, 12, 18]
        lists = committed.filter(
            title__in=["Article 3", "Article 7", "x"], price__in=[Decimal("0.75")], published__day__in=[3, 4]
        )
        assert numbers(lists.filter(pk__in=list(committed.values_list("pk", flat=True))).search(QUERY)) == [3]
        assert numbers(committed.similar(committed.get(title="Article 0"))[:1]) == [1]
        assert numbers(committed.annotate_distance(QUERY).order_by("distance")[:2]) == [0, 1]
    finally:
        connection.settings_dict["OPTIONS"].pop("server_side_binding")
        connection.close()


def test_annotated_distances_compose(articles):
    """The annotation is a plain expression: filtered, ordered, aggregated, with any vector or field on the other side."""
    from django.db.models import F, Max

    near = articles.annotate_distance(QUERY).filter(distance__lt=0.005, category="news").order_by("-distance")
    assert numbers(near)[-1] == 0
    assert all(article.distance < 0.005 for article in near)
    by_l2 = articles.annotate_distance(QUERY, distance="l2", alias="far").order_by("far")
    assert numbers(by_l2[:3]) == [0, 1, 2]
    assert by_l2[0].far == pytest.approx(0)
    itself = articles.annotate_distance(F("embedding"), alias="zero").aggregate(most=Max("zero"))
    assert itself["most"] == pytest.approx(0, abs=1e-6)


def test_a_list_of_records_is_what_django_takes_a_search_for(articles):
    """In a lookup, a search stands for the records that it found, never for the rows it chose from."""
    from support.library.models import Author

    nearest = articles.filter(author__country="DE").search(QUERY)[:1]
    assert [author.country for author in Author.objects.filter(articles__in=nearest)] == ["DE"]


def test_a_search_pages(articles):
    """Django's paginator shows the parts of a search that was given a limit."""
    from django.core.paginator import Paginator

    pages = Paginator(articles.search(QUERY)[:25], 10)
    assert (pages.count, pages.num_pages) == (25, 3)
    assert numbers(pages.page(3)) == [20, 21, 22, 23, 24]
