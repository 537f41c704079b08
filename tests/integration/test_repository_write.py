"""What writes do, on both repositories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_repository import World
from support.models import Article, Base, article_rows, vectors

from pgvec import errors


@pytest.fixture
async def empty(world: World) -> Any:
    """A repository on an empty table."""
    await world.create_all(Base)
    return world.repository(Article)


async def test_insert_returns_keys_in_order(world: World, empty: Any) -> None:
    """Keys come back in the order of the rows, whatever attributes each row names."""
    keys = await empty.insert(
        [{"id": 50, "title": "five"}, {"id": 30, "title": "three", "category": "news"}, {"id": 40, "title": "four"}]
    )
    assert keys == [50, 30, 40]
    generated = await empty.insert([{"title": f"t{n}"} for n in range(3)])
    records = [await empty.get(key) for key in generated]
    assert [record.title for record in records] == ["t0", "t1", "t2"]


async def test_insert_takes_one_row_or_instances(world: World, empty: Any) -> None:
    """One mapping, or instances of the model, are rows too; the instances stay out of the session."""
    vector = vectors(1)[0]
    article = Article(id=1, title="object", embedding=vector)
    assert await empty.insert(article) == [1]
    assert await empty.insert({"id": 2, "title": "mapping"}) == [2]
    assert article not in world.sync_session
    stored = await empty.get(1, include_embedding=True)
    np.testing.assert_allclose(stored.embedding, vector, rtol=1e-6)


async def test_insert_refuses_a_known_key_and_keeps_the_transaction(world: World, empty: Any) -> None:
    """A duplicate key raises, inserts nothing, and leaves the caller's transaction usable."""
    await empty.insert({"id": 1, "title": "first"})
    with pytest.raises(errors.DuplicateRecordError) as caught:
        await empty.insert([{"id": 2, "title": "second"}, {"id": 1, "title": "again"}])
    assert caught.value.sqlstate == "23505"
    assert caught.value.constraint == "article_pkey"
    assert await empty.count() == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 2, "title": "x", "embedding": [1.0]}, "Row 2: .*8"),
        ({"id": 2, "title": "x", "embedding": [float("nan")] * 8}, "Row 2"),
        ({"id": 2, "nothing": 1}, "Row 2 names 'nothing'"),
        (["not", "a", "row"], "Row 2 is of type list"),
    ],
)
async def test_a_bad_row_names_its_position(world: World, empty: Any, row: Any, message: str) -> None:
    """A row that cannot be stored is named by its position, and nothing is written."""
    with pytest.raises(errors.InvalidRowError, match=message) as caught:
        await empty.insert([{"id": 1, "title": "fine"}, row])
    assert caught.value.position == 2
    assert await empty.count() == 0


async def test_upsert_replaces_what_rows_name(world: World, empty: Any) -> None:
    """An upsert inserts new keys, replaces named attributes of known ones, and leaves the others as they are."""
    await empty.insert({"id": 1, "title": "old", "category": "news"})
    held = await empty.get(1)
    assert await empty.upsert([{"id": 1, "title": "new"}, {"id": 2, "title": "two"}]) == [1, 2]
    await world.run(world.session.refresh, held)
    assert (held.title, held.category) == ("new", "news")
    assert await empty.count() == 2


async def test_upsert_last_of_equal_keys_counts(world: World, empty: Any) -> None:
    """Of several rows with one key the last is stored."""
    assert await empty.upsert([{"id": 1, "title": "a"}, {"id": 1, "title": "b"}]) == [1]
    assert (await empty.get(1)).title == "b"


async def test_upsert_by_another_key(world: World, empty: Any) -> None:
    """Any unique column can tell which rows are the same."""
    await world.execute(sa.text("CREATE UNIQUE INDEX ON article (title)"))
    first = await empty.upsert({"title": "a", "price": 1.0}, key="title")
    second = await empty.upsert([{"title": "b", "price": 1.0}, {"title": "a", "price": 2.0}], key=(Article.title,))
    assert second[1] == first[0]
    assert (await empty.get(first[0])).price == 2.0
    with pytest.raises(errors.InvalidOptionError, match="'nothing'"):
        await empty.upsert({"title": "a"}, key="nothing")
    with pytest.raises(errors.InvalidRowError, match="'title'"):
        await empty.upsert({"price": 2.0}, key="title")


async def test_update_changes_only_what_rows_name(world: World, empty: Any) -> None:
    """An update by key changes named attributes, vectors included, and refreshes records of the session."""
    await empty.insert(article_rows(3))
    held = await empty.get(2)
    vector = vectors(1, seed=5)[0]
    assert await empty.update([{"id": 1, "title": "one"}, {"id": 2, "embedding": vector, "category": None}]) == 2
    assert held.category is None
    assert held.title == "Article 2"
    np.testing.assert_allclose((await empty.get(2, include_embedding=True)).embedding, vector, rtol=1e-6)
    assert (await empty.get(1)).title == "one"


async def test_update_of_a_missing_row_changes_nothing(world: World, empty: Any) -> None:
    """When one of the rows does not exist, none is updated."""
    await empty.insert({"id": 1, "title": "one"})
    with pytest.raises(errors.RecordNotFoundError, match="key 7"):
        await empty.update([{"id": 1, "title": "changed"}, {"id": 7, "title": "none"}])
    assert (await empty.get(1)).title == "one"
    with pytest.raises(errors.InvalidInputError, match="same key"):
        await empty.update([{"id": 1, "title": "a"}, {"id": 1, "title": "b"}])
    assert await empty.update([]) == 0


async def test_delete_needs_a_condition(world: World, empty: Any) -> None:
    """Deleting by condition returns how many rows went; an empty condition is refused."""
    await empty.insert(article_rows(8))
    assert await empty.delete({"category": "news"}) == 2
    assert await empty.delete(Article.price > 6) == 1
    for nothing in (None, {}):
        with pytest.raises(errors.InvalidOptionError, match="every row"):
            await empty.delete(nothing)
    assert await empty.delete(sa.true()) == 5


async def test_get_and_count(world: World, empty: Any) -> None:
    """A record is found by its key in any form; a missing one raises; count takes any condition."""
    await empty.insert(article_rows(8))
    assert (await empty.get({"id": 3})).title == "Article 3"
    assert (await empty.get((3,))).id == 3
    assert await empty.count() == 8
    assert await empty.count({"price": {"$lte": 3}}) == 3
    with pytest.raises(errors.RecordNotFoundError, match="key 99"):
        await empty.get(99)
    for bad in (None, (1, 2), {"name": 1}, sa.text("1")):
        with pytest.raises(errors.InvalidInputError):
            await empty.get(bad)


async def test_nothing_is_committed_on_a_session(world: World, empty: Any) -> None:
    """On a session every write waits for the caller's commit; on an engine each call commits itself."""
    await empty.insert({"id": 1, "title": "one"})
    await empty.upsert({"id": 2, "title": "two"})
    await empty.update({"id": 1, "title": "uno"})
    await world.rollback()
    assert await empty.count() == 0
    await world.rollback()
    by_engine = world.repository(Article, bind=world.engine)
    await by_engine.insert({"id": 1, "title": "one"})
    assert await by_engine.count() == 1
    assert (await by_engine.get(1)).title == "one"
    with pytest.raises(errors.DuplicateRecordError):
        await by_engine.insert([{"id": 2, "title": "x"}, {"id": 1, "title": "y"}])
    assert await by_engine.count() == 1


async def test_tables_are_written_too(world: World, empty: Any) -> None:
    """A repository on a Core table inserts, upserts, updates, reads and deletes mappings."""
    table = world.repository(Article.__table__)
    rows = [{"id": 1, "title": "a", "metadata": {"k": 1}, "embedding": [1.0] * 8}, {"id": 2, "title": "b"}]
    assert await table.insert(rows) == [1, 2]
    assert await table.upsert([{"id": 2, "title": "c"}]) == [2]
    assert await table.update({"id": 1, "title": "z"}) == 1
    record = await table.get(1)
    assert (record["title"], record["metadata"]) == ("z", {"k": 1})
    assert "embedding" not in record
    assert await table.delete({"title": "c"}) == 1
