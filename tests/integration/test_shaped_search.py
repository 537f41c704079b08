"""Scores, groups and facets are what plain Python computes on the same rows, in one statement, on both repositories."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_level import examples
from fix_repository import World
from sqlalchemy.orm import Session
from support.shaped_rows import (
    DIMENSIONS,
    NOW,
    Base,
    Maker,
    Ware,
    counted,
    decayed,
    distances,
    grouped,
    maker_rows,
    ware_rows,
)

from pgvec import Repository, Strategy, errors
from pgvec.facets import facet, histogram
from pgvec.scores import boost, decay, distance, fused_score, keyword_score, saturate, similarity

ROWS = 1_500
CASES = examples(dev=35, full=1_000)


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    session.execute(sa.insert(Maker), maker_rows())
    Repository(session, Ware).bulk_load(ware_rows(ROWS, np.random.default_rng(5)))
    session.execute(sa.text("ANALYZE ware"))


@pytest.fixture
def database_template(request: pytest.FixtureRequest, databases: Databases, template_database: str) -> str:
    """For the tests that ask for it, a database with fifteen hundred wares, some without embedding."""
    return databases.filled(template_database, _fill) if "stored" in request.fixturenames else template_database


@pytest.fixture
def stored() -> list[dict[str, Any]]:
    """The wares of the database."""
    return ware_rows(ROWS, np.random.default_rng(5))


def cases(world: World) -> int:
    """How many random cases: the other world shares nearly all code."""
    return CASES if world.kind == "sync" else 5


def of_cell(stored: list[dict[str, Any]], random: np.random.Generator) -> tuple[Any, list[dict[str, Any]]]:
    """A filter that a hundredth of the rows passes, in one language or the other, and those rows."""
    cell = int(random.integers(0, 100))
    where = {"cell": cell} if random.random() < 0.5 else Ware.cell == cell
    return where, [row for row in stored if row["cell"] == cell]


@pytest.mark.parametrize("kind", ["exp", "gauss", "linear"])
async def test_decay_is_that_of_the_formulas(world: World, stored: list[dict[str, Any]], kind: str) -> None:
    """Whatever scale, offset, midpoint and column, scores and order are those of the documented formulas."""
    random = np.random.default_rng(7)
    repository = world.repository(Ware)
    for _ in range(cases(world)):
        where, rows = of_cell(stored, random)
        query = random.standard_normal(DIMENSIONS)
        near = distances(rows, query)
        midpoint = float(random.uniform(0.05, 0.95))
        days, free = float(random.integers(1, 40)), float(random.integers(0, 10))
        by_time = random.random() < 0.5
        if by_time:
            value = decay(
                Ware.published,
                scale=f"{days:.0f} days",
                kind=kind,
                origin=NOW,
                offset=timedelta(days=free),
                midpoint=midpoint,
            )
            away = {r["id"]: r["published"] and (r["published"] - NOW).total_seconds() / 86_400 for r in rows}
        else:
            value = decay(Ware.price, scale=days, kind=kind, origin=5, offset=free, midpoint=midpoint)
            away = {r["id"]: None if r["price"] is None else float(r["price"]) - 5 for r in rows}
        expected = {key: decayed(away[key], days, kind, free, midpoint) - 0.25 * near[key] for key in near}
        found = await repository.search(query, score=value - 0.25 * distance(), where=where, limit=6)
        assert [m.score for m in found] == pytest.approx(sorted(expected.values(), reverse=True)[:6], abs=1e-6)
        for match in found:
            assert match.score == pytest.approx(expected[match.record.id], abs=1e-6)
            assert match.distance == pytest.approx(near[match.record.id], abs=1e-5)
        assert (found.receipt.complete, found.receipt.exact) == (True, True)


async def test_groups_are_the_best_with_their_best(world: World, stored: list[dict[str, Any]]) -> None:
    """Groups, their order and their rows are those of a plain program: by own columns, related ones, NULL and several."""
    random = np.random.default_rng(8)
    repository = world.repository(Ware)
    countries = {row["id"]: row["country"] for row in maker_rows()} | {None: None}
    keys: list[tuple[Any, Callable[[dict[str, Any]], Any]]] = [
        (Ware.maker_id, lambda row: (row["maker_id"],)),
        ("category", lambda row: (row["category"],)),
        ((Ware.category, Ware.maker_id), lambda row: (row["category"], row["maker_id"])),
        (Maker.country, lambda row: (countries[row["maker_id"]],)),
        (("id",), lambda row: (row["id"],)),
    ]
    # Each is a statement of its own, which is compiled once.
    shapes = [tuple(int(random.integers(*range_)) for range_ in ((1, 15), (1, 6), (0, 3), (17, 60))) for _ in range(31)]
    for number in range(cases(world)):
        where, rows = of_cell(stored, random) if random.random() < 0.8 else (None, stored)
        query = random.standard_normal(DIMENSIONS)
        group_by, key = keys[number % len(keys)]
        limit, per_group, offset, candidates = shapes[number % len(shapes)]
        expected = grouped(rows, distances(rows, query), key, limit + offset, per_group)[offset:]
        # With few candidates the statement has to fill groups from the table.
        found = await repository.search_groups(
            query,
            group_by=group_by,
            per_group=per_group,
            where=where,
            limit=limit,
            offset=offset,
            candidates=candidates,
            exact=where is None,
        )
        answer = [(tuple(group.key), [match.record.id for match in group.matches]) for group in found]
        assert answer == expected
        assert [group.rank for group in found] == list(range(offset + 1, offset + 1 + len(expected)))
        assert (found.receipt.complete, found.receipt.returned) == (True, len(expected))


async def test_groups_by_the_index_are_complete(world: World, stored: list[dict[str, Any]]) -> None:
    """Where the index gives the candidates, no group is missing that exists, and every group is full or whole."""
    repository = world.repository(Ware)
    members: dict[Any, int] = {}
    for row in stored:
        if row["embedding"] is not None:
            members[row["category"]] = members.get(row["category"], 0) + 1
    found = await repository.search_groups(
        [0.1] * DIMENSIONS, group_by=Ware.category, per_group=300, limit=9, candidates=9, ef_search=10
    )
    assert {group.key.category: len(group.matches) for group in found} == {
        key: min(count, 300) for key, count in members.items()
    }
    assert found.receipt.complete
    assert any("fewer groups" in warning for warning in found.receipt.warnings)


async def test_facets_are_exact(world: World, stored: list[dict[str, Any]]) -> None:
    """Values, other, rows without a value, bars and the total are those of a plain count over all rows that match."""
    random = np.random.default_rng(9)
    repository = world.repository(Ware)
    zone = ZoneInfo("Europe/Berlin")
    # Each is a statement of its own, which is compiled once.
    shapes = [tuple(int(random.integers(*range_)) for range_ in ((1, 5), (1, 40), (1, 5), (0, 3))) for _ in range(40)]
    for number in range(cases(world)):
        where, rows = of_cell(stored, random) if random.random() < 0.8 else (None, stored)
        query = random.standard_normal(DIMENSIONS)
        near = distances(rows, query)
        bound = float(random.choice([math.inf, 2.0]))
        rows = [row for row in rows if row["id"] in near and near[row["id"]] <= bound]
        limit, quarters, step, offset = shapes[number % len(shapes)]
        width = Decimal(quarters) / 4
        found = await repository.search(
            query,
            where=where,
            limit=3,
            offset=offset,
            max_distance=None if bound == math.inf else bound,
            facets=(
                facet(Ware.category, limit=limit),
                facet("tags", limit=limit),
                "maker_id",
                Maker.country,
                histogram(Ware.price, width=width),
                histogram("weight", width=float(width), limit=3),
                histogram(Ware.views, width=7, start=3),
                histogram(Ware.published, every=f"{step} months", timezone="Europe/Berlin", name="months"),
                histogram(Ware.published, every="1 day", timezone="Europe/Berlin", name="days"),
                histogram(Ware.day, every="week"),
            ),
        )
        assert found.total == len(rows) == found.receipt.matching

        def check(name: str, values: list[Any], most: int, *, bars: bool = False, found: Any = found) -> None:
            expected, other = counted(values, most, lowest=bars)
            answer = {value: count for value, count in found.facets[name] if value is not None}
            assert sorted(answer.values()) == sorted(expected.values())
            if bars:
                assert answer == expected
                assert list(answer) == sorted(answer)
            else:
                assert [count for value, count in found.facets[name] if value is not None] == sorted(
                    answer.values(), reverse=True
                )
            assert all(answer[value] == values.count(value) for value in answer)
            assert found.facets[name].other == other
            assert found.facets[name].counts().get(None, 0) == values.count(None)

        check("category", [row["category"] for row in rows], limit)
        check("tags", [tag for row in rows for tag in sorted(set(row["tags"] or [])) or [None]], limit)
        check("maker_id", [row["maker_id"] for row in rows], 10)
        check("country", [row["maker_id"] and maker_rows()[row["maker_id"] - 1]["country"] for row in rows], 10)
        check("price", [bar(row["price"], width) for row in rows], 1_000, bars=True)
        check("weight", [bar(row["weight"], float(width)) for row in rows], 3, bars=True)
        check(
            "views", [None if row["views"] is None else (row["views"] - 3) // 7 * 7 + 3 for row in rows], 99, bars=True
        )
        local = [row["published"] and row["published"].astimezone(zone) for row in rows]
        check("months", [moment and month(moment, step, zone) for moment in local], 99, bars=True)
        check("days", [m and datetime(m.year, m.month, m.day, tzinfo=zone) for m in local], 999, bars=True)
        check("day", [row["day"] and row["day"] - timedelta(days=row["day"].weekday()) for row in rows], 99, bars=True)


def bar(value: Any, width: Any) -> Any:
    """Where the bar of a number begins."""
    return None if value is None else math.floor(value / width) * width


def month(moment: datetime, step: int, zone: ZoneInfo) -> datetime:
    """The first of the months that a moment belongs to, counted from January of the year 1."""
    number = (moment.year * 12 + moment.month - 13) // step * step
    return datetime(number // 12 + 1, number % 12 + 1, 1, tzinfo=zone)


async def test_facets_of_json(world: World, stored: list[dict[str, Any]]) -> None:
    """A path into JSON counts values with their types, the elements of lists, and missing and null as no value."""
    found = await world.repository(Ware).search([0] * DIMENSIONS, facets="metadata.source")
    expected: dict[Any, int] = {}
    for row in stored:
        if row["embedding"] is not None:
            value = (row["metadata_"] or {}).get("source")
            for item in value if isinstance(value, list) else [value]:
                expected[str(item)] = expected.get(str(item), 0) + 1
    assert {str(value): count for value, count in found.facets["metadata.source"]} == expected


async def test_boost_and_saturate(world: World, stored: list[dict[str, Any]]) -> None:
    """A condition multiplies, a count saturates; NULL counts as not, and as nothing."""
    value = boost(Ware.category == "book", 3) * saturate(Ware.views, 20) - 0.1 * distance()
    found = await world.repository(Ware).search([0.5] * DIMENSIONS, score=value, where={"cell": 7}, limit=15)
    rows = {row["id"]: row for row in stored}
    near = distances([row for row in stored if row["cell"] == 7], np.full(DIMENSIONS, 0.5))
    assert len(found) == len(near)
    for match in found:
        row = rows[match.record.id]
        views = row["views"] or 0
        expected = (3 if row["category"] == "book" else 1) * views / (views + 20) - 0.1 * near[row["id"]]
        assert match.score == pytest.approx(expected, abs=1e-6)


async def test_numbers_that_postgres_refuses(world: World) -> None:
    """Neither huge, tiny nor special numbers, nor infinity, raise an error of the server; NULL and NaN scores come last."""
    await world.create_all(Base)
    weights = [0.0, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan, None]
    await world.repository(Ware).insert(
        [{"id": n, "cell": 0, "weight": w, "embedding": [n, 1, 1, 1]} for n, w in enumerate(weights)]
    )
    await world.execute(sa.text("UPDATE ware SET published = 'infinity', day = '-infinity'"))
    repository = world.repository(Ware)
    columns = (Ware.id,)
    for kind in ("exp", "gauss", "linear"):
        for scale in (1e-15, 1, 1e15):
            score = decay(Ware.weight, scale=scale, kind=kind) * decay(Ware.published, scale="1 second", kind=kind)
            found = await repository.search(
                [0] * 4, score=score + decay(Ware.day, scale="1 d", kind=kind), columns=columns
            )
            assert len(found) == len(weights)
    found = await repository.search([0] * 4, score=saturate(Ware.weight, 1e-15), columns=columns)
    assert [match.score for match in found][-1] == 0
    found = await repository.search([0] * 4, score=Ware.weight, columns=columns)
    assert [match.record.id for match in found][:2] == [4, 1]
    assert [math.isnan(match.score) for match in found] == [False] * 6 + [True] * 2
    found = await repository.search(
        [0] * 4,
        facets=(
            histogram(Ware.weight, width=1e-15),
            histogram(Ware.published, every="year"),
            histogram(Ware.day, every="day"),
        ),
        columns=columns,
    )
    assert found.facets["published"].counts() == {None: len(weights)}
    assert found.facets["day"].counts() == {None: len(weights)}


async def test_order_by_a_column(world: World, stored: list[dict[str, Any]]) -> None:
    """The nearest are put into another order; with candidates, the first of more rows are chosen so."""
    repository = world.repository(Ware)
    query = [0.3] * DIMENSIONS
    nearest = {match.record.id for match in await repository.search(query, exact=True)}
    found = await repository.search(query, order_by="-price", exact=True)
    prices = [match.record.price for match in found]
    assert {match.record.id for match in found} == nearest
    assert prices == sorted([p for p in prices if p is not None], reverse=True) + [None] * prices.count(None)
    assert found[0].score is None
    pool = await repository.search(query, limit=40, exact=True)
    cheapest = sorted((match.record.price, match.record.id) for match in pool if match.record.price is not None)
    found = await repository.search(query, order_by=(Ware.price.asc(), distance()), candidates=40, limit=5, exact=True)
    assert [match.record.price for match in found] == [price for price, _ in cheapest[:5]]
    page = await repository.search(query, order_by=Ware.price, candidates=40, limit=2, offset=3, exact=True)
    assert [match.record.price for match in page] == [price for price, _ in cheapest[3:5]]
    assert [match.rank for match in page] == [4, 5]


async def test_nothing_matches(world: World, stored: list[dict[str, Any]]) -> None:
    """An empty answer is an answer: no rows, a total of 0, empty facets, no groups."""
    repository = world.repository(Ware)
    found = await repository.search([0] * 4, where={"cell": 1000}, facets=(Ware.category, "tags"), score=distance())
    assert (len(found), found.total, found.receipt.complete) == (0, 0, True)
    assert {name: (len(f), f.other) for name, f in found.facets.items()} == {"category": (0, 0), "tags": (0, 0)}
    groups = await repository.search_groups([0] * 4, group_by="category", where={"cell": 1000})
    assert (len(groups), groups.receipt.complete, groups.receipt.matching) == (0, True, 0)
    behind = await repository.search([0] * 4, where={"cell": 1}, facets=(), offset=500)
    assert (len(behind), behind.total) == (0, sum(r["cell"] == 1 and r["embedding"] is not None for r in stored))


async def test_a_record_is_the_query(world: World, stored: list[dict[str, Any]]) -> None:
    """A stored record is left out of its own groups and counts; one without an embedding is told apart from nothing."""
    repository = world.repository(Ware)
    with_vector = next(row["id"] for row in stored if row["embedding"] is not None)
    without = next(row["id"] for row in stored if row["embedding"] is None)
    record = await repository.get(with_vector)
    found = await repository.search(record, facets=(), score=-distance())
    assert found.total == len(distances(stored, np.zeros(4))) - 1
    groups = await repository.search_groups(record, group_by=Ware.id, limit=3, per_group=1)
    assert [group.key.id for group in groups] == [match.record.id for match in found[:3]]
    empty = await repository.get(without)
    with pytest.raises(errors.RecordNotFoundError):
        await repository.search(empty, facets=())
    with pytest.raises(errors.RecordNotFoundError):
        await repository.search_groups(empty, group_by=Ware.id)


async def test_uncommitted_rows_count(world: World, stored: list[dict[str, Any]]) -> None:
    """A search takes part in the transaction of the session: what is not yet committed is counted and grouped, then gone."""
    repository = world.repository(Ware)
    await repository.insert({"id": 99_999, "cell": 777, "category": "new", "embedding": [9] * 4})
    found = await repository.search([9] * 4, where={"cell": 777}, facets="category")
    assert (found.total, found.facets["category"].counts()) == (1, {"new": 1})
    await world.rollback()
    assert (await repository.search([9] * 4, where={"cell": 777}, facets=())).total == 0


async def test_a_listener_restricts_counts_too(world: World, stored: list[dict[str, Any]]) -> None:
    """A session whose listeners add criteria counts and groups what they let through."""

    def restrict(state: Any) -> None:
        state.statement = state.statement.options(sa.orm.with_loader_criteria(Ware, Ware.cell == 3))

    sa.event.listen(world.sync_session, "do_orm_execute", restrict)
    found = await world.repository(Ware).search([0] * 4, limit=100, facets=("category", "tags"), score=-distance())
    passing = [row for row in stored if row["cell"] == 3 and row["embedding"] is not None]
    assert {match.record.id for match in found} == {row["id"] for row in passing}
    assert found.total == len(passing)
    assert sum(found.facets["category"].counts().values()) == len(passing)
    groups = await world.repository(Ware).search_groups([0] * 4, group_by=Ware.cell, limit=5)
    assert [group.key.cell for group in groups] == [3]
    sa.event.remove(world.sync_session, "do_orm_execute", restrict)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"score": "price"}, "takes an expression"),
    ({"score": Ware.category}, "is a number"),
    ({"score": Ware.category == "x"}, "boost"),
    ({"score": similarity()}, "similarity"),
    ({"score": keyword_score()}, "keyword_score"),
    ({"score": fused_score()}, "fused_score"),
    ({"score": Maker.id}, "scalar subquery"),
    ({"score": distance(), "order_by": "price"}, "give one"),
    ({"score": distance(), "candidates": 5}, "candidates=5"),
    ({"candidates": 50}, "belongs to"),
    ({"facets": (), "candidates": 50}, "belongs to"),
    ({"order_by": ()}, "empty"),
    ({"order_by": "nonsense"}, "nonsense"),
    ({"order_by": Ware.maker}, "columns"),
    ({"order_by": "embedding"}, "embeddings"),
    ({"facets": ("category", Ware.category)}, "two of the facets"),
    ({"facets": Ware.embedding}, "embeddings"),
    ({"facets": (Ware.price + 1,)}, "needs a name"),
    ({"facets": facet(distance(), name="d")}, "nearest rows"),
    ({"facets": histogram(Ware.category, width=1)}, "numbers"),
    ({"facets": histogram(Ware.price, every="1 day")}, "dates"),
    ({"facets": histogram(Ware.day, every="1 hour")}, "whole days"),
    ({"facets": [facet("id", name=str(n)) for n in range(21)]}, "more than"),
]


@pytest.mark.parametrize(("options", "told"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
async def test_what_cannot_be_is_told(world: World, options: dict[str, Any], told: str) -> None:
    """Arguments that make no sense are refused before anything is sent, and the message says what to do."""
    with pytest.raises(errors.InvalidOptionError, match=told):
        await world.repository(Ware).search([0] * 4, **options)


async def test_groups_that_cannot_be(world: World) -> None:
    """What cannot be grouped by is refused."""
    repository = world.repository(Ware)
    for group_by in ((), "nonsense", Ware.maker, "embedding", distance(), tuple([Ware.id] * 9)):
        with pytest.raises(errors.InvalidOptionError):
            await repository.search_groups([0] * 4, group_by=group_by)
    for options in ({"per_group": 0}, {"limit": 0}, {"candidates": 1, "limit": 5}):
        with pytest.raises(errors.InvalidOptionError):
            await repository.search_groups([0] * 4, group_by="id", **options)


async def test_strategy_is_that_of_the_candidates(world: World, stored: list[dict[str, Any]]) -> None:
    """The receipt tells how the candidates were found, and of how many rows the answer is."""
    repository = world.repository(Ware)
    found = await repository.search([0.1] * 4, score=-distance(), exact=True, limit=4)
    assert (found.receipt.strategy, found.receipt.requested, found.receipt.returned) == (Strategy.EXACT, 4, 4)
    assert (found.receipt.complete, found.receipt.exact, found.receipt.matching_is_exact) == (True, True, False)
    await repository.search([0.1] * 4)
    found = await repository.search([0.1] * 4, score=-distance(), where={"cell": 1}, limit=4)
    assert (found.receipt.complete, found.receipt.matching_is_exact, found.receipt.statements) == (True, True, 1)
    assert found.receipt.matching == sum(row["cell"] == 1 and row["embedding"] is not None for row in stored)
