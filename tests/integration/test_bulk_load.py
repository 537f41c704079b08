"""Bulk loads, through the synchronous and the asynchronous connection."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_repository import World
from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec.errors import (
    ConfigurationError,
    DuplicateRecordError,
    InvalidInputError,
    InvalidOptionError,
    InvalidRowError,
    MappingMismatchError,
)
from pgvec.model import LoadProgress, LoadReport
from pgvec.orm import Embedding


class Base(DeclarativeBase):
    """Base of the models here."""


class Upper(TypeDecorator[str]):
    """Stores capitals."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return None if value is None else value.upper()


class Item(Base):
    """Something with a vector and constraints."""

    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(10), unique=True)
    price: Mapped[float | None] = mapped_column(CheckConstraint("price >= 0", name="price_positive"))
    embedding: Mapped[Any] = mapped_column(Embedding(3, distance="l2"), nullable=True)


class Rich(Base):
    """Whatever the mapping can add to a row."""

    __tablename__ = "rich"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    code: Mapped[str] = mapped_column("code_column", Upper(), unique=True)
    doubled: Mapped[str] = mapped_column(default=lambda context: context.get_current_parameters()["code"] * 2)
    kind: Mapped[str] = mapped_column(default="plain")
    number: Mapped[int] = mapped_column(Identity())
    length: Mapped[int] = mapped_column(Computed("length(code_column)"))
    state: Mapped[str] = mapped_column(server_default="new")
    changed: Mapped[str | None] = mapped_column(onupdate=lambda: "touched")
    embedding: Mapped[Any] = mapped_column(Embedding(3, distance="l2"))


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "sku": f"sku{number}", "price": 1.0, "embedding": [number, 0.0, 1.0], **changes}


async def load(world: World, model: Any, rows: Any, **options: Any) -> LoadReport:
    report: LoadReport = await world.repository(model).bulk_load(rows, **options)
    return report


@pytest.fixture
async def shop(world: World) -> World:
    """A world with the tables of this file."""
    await world.create_all(Base)
    return world


async def stored(world: World, *columns: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await world.execute(select(*columns).order_by(columns[0]))]


def counts(report: LoadReport) -> tuple[int, int, int, int]:
    return report.rows, report.inserted, report.updated, report.skipped


async def test_copy_loads_mappings(shop: World) -> None:
    """Mappings are copied straight into the table, and the report counts them."""
    report = await load(shop, Item, (item(n) for n in range(1, 1001)))
    assert counts(report) == (1000, 1000, 0, 0)
    assert report.method == "copy"
    rows = await stored(shop, Item.id, Item.sku, Item.price, Item.embedding)
    assert len(rows) == 1000
    assert rows[41][:3] == (42, "sku42", 1.0)
    np.testing.assert_array_equal(rows[41][3], [42, 0, 1])


async def test_every_kind_of_rows(shop: World) -> None:
    """Records, tuples, structured arrays and whole columns give the same rows as mappings do."""
    vectors = np.array([[n, 0, 1] for n in range(1, 101)], dtype=np.float32)
    numbers = np.arange(1, 101)
    names = [f"sku{n}" for n in numbers]
    tuples = list(zip(numbers.tolist(), names, vectors, strict=True))
    structured = np.zeros(100, dtype=[("id", ">i2"), ("sku", "U10"), ("embedding", "f8", 3)])
    structured["id"], structured["sku"], structured["embedding"] = numbers, names, vectors
    order = (Item.id, "sku", "embedding")
    for kind, rows, columns in (
        ("records", [Item(id=number, sku=name, embedding=value) for number, name, value in tuples], None),
        ("tuples", tuples, order),
        ("lists", map(list, tuples), order),
        ("structured array", structured, None),
        ("rows of one", iter(structured), None),
        ("arrays", {"id": numbers, "sku": np.array(names), "embedding": vectors}, None),
        ("lists of columns", {"id": numbers.tolist(), "sku": names, "embedding": list(vectors.astype(float))}, None),
    ):
        assert counts(await load(shop, Item, rows, columns=columns)) == (100, 100, 0, 0), kind
        got = await stored(shop, Item.id, Item.sku, Item.embedding)
        assert [row[:2] for row in got] == [row[:2] for row in tuples], kind
        np.testing.assert_array_equal(np.array([row[2] for row in got]), vectors)
        await shop.rollback()


async def test_matrix(shop: World) -> None:
    """A matrix fills one vector column; the key comes from the server."""
    await shop.execute(text("ALTER TABLE item ALTER sku DROP NOT NULL"))
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    await load(shop, Item, vectors, columns="embedding")
    got = await stored(shop, Item.id, Item.embedding)
    np.testing.assert_array_equal(np.array([row[1] for row in got]), vectors)


async def test_async_iterable(shop: World) -> None:
    """An async iterable loads on an asynchronous connection, and is refused with a hint on a synchronous one."""

    async def rows() -> Any:
        for number in range(1, 501):
            yield item(number)

    if shop.kind == "sync":
        with pytest.raises(InvalidInputError, match="AsyncRepository"):
            await load(shop, Item, rows())
        return
    assert (await load(shop, Item, rows())).inserted == 500


async def test_no_rows(shop: World) -> None:
    """An empty input is no error."""
    for nothing in ([], iter(()), {"id": [], "sku": []}):
        assert counts(await load(shop, Item, nothing)) == (0, 0, 0, 0)


async def test_mapping_adds_to_rows(shop: World) -> None:
    """Defaults of the mapping and of the server, type decorators, identity and computed columns all take effect."""
    report = await load(shop, Rich, [{"code": "ab", "embedding": [1, 2, 3]}, {"code": "c", "embedding": [1, 2, 4]}])
    assert report.method == "copy"
    rows = await stored(shop, Rich.number, Rich.code, Rich.doubled, Rich.kind, Rich.length, Rich.state)
    assert rows == [(1, "AB", "abab", "plain", 2, "new"), (2, "C", "cc", "plain", 1, "new")]
    identifiers = [row[0] for row in await stored(shop, Rich.id)]
    assert len(set(identifiers)) == 2
    assert all(isinstance(identifier, uuid.UUID) for identifier in identifiers)


async def test_column_names_stand_for_attributes(shop: World) -> None:
    """Rows may use the name of a column instead of the attribute's."""
    await load(shop, Rich, [{"code_column": "x", "doubled": "y", "embedding": [1, 2, 3]}])
    assert await stored(shop, Rich.code, Rich.doubled) == [("X", "y")]


async def test_skip(shop: World) -> None:
    """``skip`` leaves existing rows as they are, and of equal keys in the input the first counts."""
    await load(shop, Item, [item(1), item(2)])
    rows = [item(2, price=9.0), item(3, price=3.0), item(3, sku="other", price=4.0), item(4)]
    report = await load(shop, Item, rows, on_conflict="skip")
    assert counts(report) == (4, 2, 0, 2)
    assert report.method == "merge"
    assert await stored(shop, Item.id, Item.price) == [(1, 1.0), (2, 1.0), (3, 3.0), (4, 1.0)]


async def test_update(shop: World) -> None:
    """``update`` sets what rows give, leaves other columns alone, and of equal keys in the input the last counts."""
    await load(shop, Item, [item(1), item(2), item(3)])
    rows = [
        {"id": 2, "sku": "new2", "price": 2.0},
        {"id": 4, "sku": "first", "price": 4.0},
        {"id": 4, "sku": "last", "price": 5.0},
        {"id": 1, "sku": "new1", "price": None},
    ]
    report = await load(shop, Item, rows, on_conflict="update")
    assert counts(report) == (4, 1, 2, 1)
    assert await stored(shop, Item.id, Item.sku, Item.price) == [
        (1, "new1", None),
        (2, "new2", 2.0),
        (3, "sku3", 1.0),
        (4, "last", 5.0),
    ]
    vectors = [row[1] for row in await stored(shop, Item.id, Item.embedding)]
    np.testing.assert_array_equal(vectors[0], [1, 0, 1])
    assert vectors[3] is None


async def test_update_by_another_key(shop: World) -> None:
    """``key`` names another unique constraint; defaults of the mapping do not overwrite, and ``onupdate`` does."""
    await load(shop, Rich, [{"code": "a", "kind": "mine", "embedding": [1, 2, 3]}])
    (before,) = await stored(shop, Rich.id, Rich.kind)
    rows = [{"code": "a", "embedding": [3, 2, 1]}, {"code": "b", "embedding": [3, 2, 1]}]
    report = await load(shop, Rich, rows, on_conflict="update", key=Rich.code)
    assert counts(report) == (2, 1, 1, 0)
    after = {row[0]: row[1:] for row in await stored(shop, Rich.code, Rich.id, Rich.kind, Rich.changed)}
    assert after["A"] == (before[0], "mine", "touched")
    assert after["B"][1:] == ("plain", None)


@pytest.mark.parametrize("on_conflict", ["skip", "update"])
async def test_partitioned_table(shop: World, on_conflict: str) -> None:
    """Partitioned tables load and merge with exact counts."""
    await shop.execute(text("DROP TABLE item CASCADE"))
    await shop.execute(
        text(
            "CREATE TABLE item (id int PRIMARY KEY, sku text, price float, embedding vector(3)) PARTITION BY HASH (id)"
        )
    )
    for n in range(2):
        await shop.execute(text(f"CREATE TABLE item_{n} PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER {n})"))
    assert (await load(shop, Item, [item(1), item(2)])).method == "copy"
    report = await load(shop, Item, [item(2), item(3), item(3), item(4)], on_conflict=on_conflict)
    expected = (4, 2, 0, 2) if on_conflict == "skip" else (4, 2, 1, 1)
    assert counts(report) == expected


async def test_view(shop: World) -> None:
    """A view that takes INSERT is loaded through a staging table."""
    await shop.execute(text("ALTER TABLE item RENAME TO item_table"))
    await shop.execute(text("CREATE VIEW item AS SELECT * FROM item_table"))
    report = await load(shop, Item, [item(1), item(2)])
    assert (counts(report), report.method) == ((2, 2, 0, 0), "merge")
    report = await load(shop, Item, [item(2), item(3)], on_conflict="update")
    assert counts(report) == (2, 1, 1, 0)


async def test_rows_dropped_by_a_trigger_count_as_skipped(shop: World) -> None:
    """What a trigger of the table leaves out is not reported as inserted."""
    await shop.execute(text("CREATE FUNCTION nope() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"))
    await shop.execute(
        text("CREATE TRIGGER nope BEFORE INSERT ON item FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION nope()")
    )
    assert counts(await load(shop, Item, [item(1), item(2), item(3)])) == (3, 2, 0, 1)


class Logged(Base):
    """A table that COPY alone cannot fill: a default that is SQL, and a type that pgvec writes as text."""

    __tablename__ = "logged"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str | None] = mapped_column(INET)
    at: Mapped[datetime] = mapped_column(default=func.now())
    embedding: Mapped[Any] = mapped_column(Embedding(2, distance="l2"))


async def test_sql_defaults_and_other_types_are_merged(shop: World) -> None:
    """SQL defaults of the mapping and types without a binary form go through an INSERT."""
    rows = [{"id": 1, "address": "10.0.0.1", "embedding": [1, 2]}, {"id": 2, "address": None, "embedding": [1, 3]}]
    report = await load(shop, Logged, rows)
    assert (counts(report), report.method) == ((2, 2, 0, 0), "merge")
    (first, second) = await stored(shop, Logged.id, func.host(Logged.address), Logged.at)
    assert first[1] == "10.0.0.1"
    assert second[1] is None
    assert first[2] == second[2] is not None
    with pytest.raises(InvalidRowError, match=r"Row 2\b.*nonsense") as caught:
        await load(
            shop, Logged, [{**rows[0], "id": 3}, {**rows[0], "id": 4, "address": "nonsense"}, {**rows[0], "id": 5}]
        )
    assert caught.value.position == 2


BAD_ROWS = {
    "dimension": ({"embedding": [1, 2]}, InvalidRowError, "2 dimensions"),
    "nan": ({"embedding": [1, float("nan"), 2]}, InvalidRowError, "nan"),
    "infinite": ({"embedding": np.array([1, np.inf, 2])}, InvalidRowError, "inf"),
    "no vector": ({"embedding": "abc"}, InvalidRowError, "embedding"),
    "wrong type": ({"id": "seven"}, InvalidRowError, "'seven'"),
    "fraction": ({"id": 1.5}, InvalidRowError, "whole number"),
    "range": ({"id": 2**40}, InvalidRowError, "not between"),
    "text": ({"sku": 7}, InvalidRowError, "not a text"),
    "nul": ({"sku": "a\0b"}, InvalidRowError, "NUL"),
    "surrogate": ({"sku": "\ud800"}, InvalidRowError, "sku"),
    "too long": ({"sku": "x" * 11}, InvalidRowError, "character varying"),
    "missing key": ({"sku": ...}, InvalidRowError, "has no 'sku'"),
    "unknown key": ({"colour": "red"}, InvalidRowError, "'colour'"),
    "null": ({"sku": None}, InvalidRowError, "null value"),
    "check": ({"price": -1.0}, InvalidRowError, "price_positive"),
    "duplicate": ({"id": 3}, DuplicateRecordError, r"\(id\)=\(3\)"),
    "other duplicate": ({"sku": "sku3"}, DuplicateRecordError, "sku3"),
}


@pytest.mark.parametrize("way", ["copy", "update", "view"])
async def test_bad_row_names_its_position(shop: World, way: str) -> None:
    """A row that cannot be stored is named by its position, whoever finds it, and leaves nothing of the load behind."""
    if way == "view":
        await shop.execute(text("ALTER TABLE item RENAME TO item_table"))
        await shop.execute(text("CREATE VIEW item AS SELECT * FROM item_table"))
    await shop.execute(text("INSERT INTO item VALUES (3, 'sku3', 1, NULL)"))
    for problem, (changes, kind, message) in BAD_ROWS.items():
        if way == "update" and problem == "duplicate":
            continue  # there it is none
        rows = [item(number) for number in range(1001, 1201)]
        rows[149] = {name: value for name, value in {**rows[149], **changes}.items() if value is not ...}
        # The first row decides which keys there are.
        positions = [150] if problem.endswith(" key") else [150, 1]
        for position in positions:
            given = rows if position == 150 else rows[149:]
            with pytest.raises(kind, match=message) as caught:
                await load(shop, Item, iter(given), on_conflict="update" if way == "update" else "error")
            assert caught.value.position == position, problem
            assert f"Row {position}" in str(caught.value), problem
            assert await stored(shop, Item.id) == [(3,)], problem
    assert (await load(shop, Item, [item(1)])).inserted == 1


async def test_duplicate_names_the_constraint(shop: World) -> None:
    """The error for an existing key carries the name of the constraint."""
    with pytest.raises(DuplicateRecordError) as caught:
        await load(shop, Item, [item(1), item(2), item(1, sku="x")])
    assert (caught.value.position, caught.value.constraint) == (3, "item_pkey")
    assert isinstance(caught.value.__cause__, psycopg.errors.UniqueViolation)


class Child(Base):
    """A row that points at an item."""

    __tablename__ = "child7, line 5"

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    embedding: Mapped[Any] = mapped_column(Embedding(2, distance="l2"))


async def test_foreign_key(shop: World) -> None:
    """A foreign key without its row is the row's fault; COPY cannot tell which row, a merge can."""
    await load(shop, Item, [item(1)])
    rows = [{"id": n, "item_id": 1 if n != 3 else 77, "embedding": [1, 2]} for n in range(1, 6)]
    with pytest.raises(InvalidRowError, match=r"\(item_id\)=\(77\)") as caught:
        await load(shop, Child, rows)
    assert caught.value.position is None
    with pytest.raises(InvalidRowError, match=r"Row 3: .*\(item_id\)=\(77\)") as caught:
        await load(shop, Child, rows, on_conflict="skip")
    assert caught.value.position == 3
    assert await stored(shop, Child.id) == []


async def test_position_is_found_behind_a_confusing_table_name(shop: World) -> None:
    """Digits in the name of the table are not taken for the row."""
    await load(shop, Item, [item(1)])
    with pytest.raises(DuplicateRecordError) as caught:
        await load(shop, Child, [{"id": n, "item_id": 1, "embedding": [1, 2]} for n in (1, 2, 3, 2)])
    assert caught.value.position == 4


async def test_error_of_the_rows_passes_through(shop: World) -> None:
    """What the caller's iterable raises arrives unchanged, nothing stays, and the connection is usable."""

    class BrokenError(Exception):
        pass

    def rows() -> Any:
        for number in range(1, 2000):
            yield item(number)
        raise BrokenError

    for on_conflict in ("error", "skip"):
        with pytest.raises(BrokenError):
            await load(shop, Item, rows(), on_conflict=on_conflict)
        assert await stored(shop, Item.id) == []


async def test_interrupt(shop: World) -> None:
    """An interrupt ends the COPY, undoes the load and leaves the transaction usable."""

    def rows() -> Any:
        for number in range(1, 2000):
            yield item(number)
        raise KeyboardInterrupt

    await shop.execute(text("INSERT INTO item VALUES (5000, 'before', 1, NULL)"))
    with pytest.raises(KeyboardInterrupt):
        await load(shop, Item, rows())
    assert await stored(shop, Item.id) == [(5000,)]


async def test_takes_part_in_the_transaction(shop: World) -> None:
    """A load is seen by its transaction at once, and a rollback undoes it."""
    await load(shop, Item, [item(1)])
    assert await stored(shop, Item.id) == [(1,)]
    await shop.rollback()
    assert await stored(shop, Item.id) == []


async def test_leaves_the_connection_as_it_was(shop: World) -> None:
    """A load registers no adapter, leaves no table, no prepared statement and no setting."""
    connection = await shop.run(shop.session.connection)
    if shop.kind == "sync":
        driver = connection.connection.driver_connection
    else:
        driver = (await connection.get_raw_connection()).driver_connection
    query = text(
        "SELECT (SELECT count(*) FROM pg_prepared_statements),"
        " (SELECT count(*) FROM pg_class WHERE relpersistence = 't'),"
        " (SELECT md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings)"
    )
    before = (await shop.execute(query)).one()
    dumpers = [dict(mapping) for mapping in driver.adapters._dumpers.values()]
    await load(shop, Item, [item(1)])
    await load(shop, Item, [item(1), item(2)], on_conflict="update")
    assert (await shop.execute(query)).one() == before
    assert [dict(mapping) for mapping in driver.adapters._dumpers.values()] == dumpers


async def test_progress(shop: World) -> None:
    """The callback learns of the end, and of the total where the input tells it."""
    seen: list[LoadProgress] = []
    await load(shop, Item, [item(n) for n in range(1, 301)], progress=seen.append)
    assert (seen[-1].rows, seen[-1].total) == (300, 300)
    assert [progress.rows for progress in seen] == sorted(progress.rows for progress in seen)


async def test_autocommit_is_refused(shop: World) -> None:
    """In autocommit mode a failed load could not be undone, so it does not begin."""
    engine = shop.engine.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(ConfigurationError, match="autocommit"):
        await shop.repository(Item, bind=engine).bulk_load([item(1)])
    assert await stored(shop, Item.id) == []


async def test_engine_commits_its_own_load(shop: World) -> None:
    """Given an engine, a load is a unit of work of its own: committed, or nothing of it."""
    repository = shop.repository(Item, bind=shop.engine)
    await repository.bulk_load([item(1), item(2)])
    with pytest.raises(DuplicateRecordError):
        await repository.bulk_load([item(3), item(2)])
    assert await stored(shop, Item.id) == [(1,), (2,)]


async def test_options_are_checked(shop: World) -> None:
    """An option that cannot be used is refused, and the error says what would do."""
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ([item(1)], {"on_conflict": "ignore"}, "'error', 'skip', 'update'"),
        ([item(1)], {"key": "id"}, "on_conflict='skip' or 'update'"),
        ([item(1)], {"on_conflict": "skip", "key": "colour"}, "'colour'"),
        ([item(1)], {"on_conflict": "skip", "key": []}, "empty"),
        ([item(1)], {"on_conflict": "skip", "key": "price"}, "unique constraint"),
        ([{"sku": "x"}], {"on_conflict": "update"}, "rows do not have 'id'"),
        ([(1, "x")], {}, "columns="),
        ([item(1)], {"columns": []}, "empty"),
        ([item(1)], {"columns": [7]}, "7"),
        ({"id": [1]}, {"columns": ["sku"]}, "columns="),
    ]
    for rows, options, message in cases:
        with pytest.raises(InvalidOptionError, match=message):
            await load(shop, Item, rows, **options)


async def test_rows_are_checked(shop: World) -> None:
    """What is no row is refused by name."""
    for rows, message in (
        ("items.csv", "read_csv"),
        (7, "iterable"),
        ([7], "Row 1 is 7"),
        ([{}], "Row 1 is empty"),
        ({"id": 1}, "one row as"),
        ({"id": [1, 2], "sku": ["a"]}, "differ in length"),
        (np.ma.masked_array(np.zeros((2, 3))), "mask"),
        ([{"id": 1, "skuu": "a"}], "did you mean 'sku'"),
        ([item(1), (2, "x")], "Row 2 has 2 values"),
        ([{"code": "a", "code_column": "b"}], "not a column"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            await load(shop, Item, rows)
    with pytest.raises(InvalidInputError, match="twice"):
        await load(shop, Rich, [{"code": "a", "code_column": "b", "embedding": [1, 2, 3]}])


async def test_generated_columns_are_refused(shop: World) -> None:
    """A value for a column that the server computes is refused, as is GENERATED ALWAYS in a merge."""
    with pytest.raises(InvalidRowError, match="computes"):
        await load(shop, Rich, [{"code": "a", "length": 1, "embedding": [1, 2, 3]}])
    await shop.execute(text("ALTER TABLE item ALTER id DROP DEFAULT, ALTER id ADD GENERATED ALWAYS AS IDENTITY"))
    assert (await load(shop, Item, [item(1)])).inserted == 1
    with pytest.raises(InvalidOptionError, match="GENERATED ALWAYS"):
        await load(shop, Item, [item(1)], on_conflict="update")


async def test_record_of_a_session_is_refused(shop: World) -> None:
    """A record that a session is about to insert would arrive twice."""
    record = Item(id=1, sku="a")
    shop.sync_session.add(record)
    with shop.sync_session.no_autoflush, pytest.raises(InvalidRowError, match="session"):
        await load(shop, Item, [record])
    shop.sync_session.expunge(record)


async def test_mapping_that_the_database_does_not_have(shop: World) -> None:
    """A missing table or column is said to be a matter of migrations."""
    await shop.execute(text("ALTER TABLE item DROP price"))
    with pytest.raises(MappingMismatchError, match="price"):
        await load(shop, Item, [item(1)])
    await shop.execute(text("DROP TABLE item CASCADE"))
    with pytest.raises(MappingMismatchError):
        await load(shop, Item, [item(1)])


async def test_schemas_and_odd_names(world: World) -> None:
    """Quoted names, a schema, an extension elsewhere and SQLAlchemy's translation of schemas all work."""
    await world.execute(text('CREATE SCHEMA "odd ""schema"'))
    await world.execute(text("CREATE SCHEMA extensions"))
    await world.execute(text("ALTER EXTENSION vector SET SCHEMA extensions"))
    await world.execute(text("SET LOCAL search_path = pg_catalog"))
    await world.execute(
        text(
            'CREATE TABLE "odd ""schema"."T %s" ("position" int PRIMARY KEY, "column_1" text COLLATE "C",'
            ' "em bed" extensions.vector(2))'
        )
    )

    class Odd(DeclarativeBase):
        metadata = MetaData(schema="tenant")

    class Row(Odd):
        __tablename__ = "T %s"
        position: Mapped[int] = mapped_column(primary_key=True)
        column_1: Mapped[str]
        vector: Mapped[Any] = mapped_column("em bed", Embedding(2, distance="l2"))

    connection = await world.run(world.session.connection)
    options = {"schema_translate_map": {"tenant": 'odd "schema'}}
    await world.run(connection.execution_options, **options)
    rows = [{"position": n, "column_1": "x", "vector": [1, n]} for n in range(1, 4)]
    assert (await load(world, Row, rows)).inserted == 3
    assert counts(await load(world, Row, rows * 2, on_conflict="update")) == (6, 0, 3, 3)
    got = (await world.execute(text('SELECT "position", "em bed"::text FROM "odd ""schema"."T %s" ORDER BY 1'))).all()
    assert [tuple(row) for row in got] == [(1, "[1,1]"), (2, "[1,2]"), (3, "[1,3]")]


async def test_row_level_security(shop: World) -> None:
    """Under row-level security a load goes through a staging table, and a row that a policy refuses is named."""
    for statement in (
        "ALTER TABLE item ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY cheap ON item USING (price < 10) WITH CHECK (price < 10)",
        "CREATE ROLE pgvec_tenant_of_loads",
        "GRANT ALL ON item TO pgvec_tenant_of_loads",
        "SET LOCAL ROLE pgvec_tenant_of_loads",
    ):
        await shop.execute(text(statement))
    report = await load(shop, Item, [item(n) for n in range(1, 101)])
    assert (counts(report), report.method) == ((100, 100, 0, 0), "merge")
    assert counts(await load(shop, Item, [item(100), item(101)], on_conflict="update")) == (2, 1, 1, 0)
    with pytest.raises(InvalidRowError, match=r"Row 60: .*row-level security") as caught:
        await load(shop, Item, [item(n, price=99.0 if n == 259 else 1.0) for n in range(200, 300)])
    assert caught.value.position == 60
    with pytest.raises(DuplicateRecordError) as duplicate:
        await load(shop, Item, [item(500), item(7), item(501)])
    assert duplicate.value.position == 2
    await shop.rollback()


async def test_missing_privilege_is_not_blamed_on_a_row(shop: World) -> None:
    """A role that may not insert gets the error for a privilege."""
    from pgvec.errors import AccessDeniedError

    for statement in (
        "ALTER TABLE item ENABLE ROW LEVEL SECURITY",
        "CREATE ROLE pgvec_reader_of_loads",
        "GRANT SELECT ON item TO pgvec_reader_of_loads",
        "SET LOCAL ROLE pgvec_reader_of_loads",
    ):
        await shop.execute(text(statement))
    with pytest.raises(AccessDeniedError):
        await load(shop, Item, [item(1)])
    await shop.rollback()


async def test_merge_sees_other_unique_constraints(shop: World) -> None:
    """A conflict on another constraint than the key is an error also with ``skip``, named by position."""
    await load(shop, Item, [item(1)])
    with pytest.raises(DuplicateRecordError) as caught:
        await load(shop, Item, [item(2), item(3, sku="sku1")], on_conflict="skip")
    assert caught.value.position == 2


async def test_update_with_a_key_of_two(world: World) -> None:
    """A key may have several columns."""

    class Other(DeclarativeBase):
        pass

    class Pair(Other):
        __tablename__ = "pair"
        __table_args__ = (UniqueConstraint("a", "b"),)
        id: Mapped[int] = mapped_column(Identity(), primary_key=True)
        a: Mapped[int]
        b: Mapped[str]
        embedding: Mapped[Any] = mapped_column(Embedding(1, distance="l2"))

    await world.create_all(Other)
    rows = [{"a": a, "b": b, "embedding": [a + 1]} for a in range(3) for b in "xy"]
    await load(world, Pair, rows[:3])
    assert counts(await load(world, Pair, rows, on_conflict="update", key=("a", Pair.b))) == (6, 3, 3, 0)


async def test_copy_statements(shop: World) -> None:
    """A plain load needs the catalog once, and SQLAlchemy's events see that query."""
    seen: list[str] = []
    engine = shop.engine if shop.kind == "sync" else shop.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    await load(shop, Item, [item(1)])
    assert len([statement for statement in seen if "pg_attribute" in statement]) == 1


async def test_times_without_a_zone(world: World) -> None:
    """A time without a zone means the zone of the connection, as in an INSERT."""

    class Other(DeclarativeBase):
        pass

    class Moment(Other):
        __tablename__ = "moment"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[datetime]
        embedding: Mapped[Any] = mapped_column(Embedding(1, distance="l2"))

    await world.create_all(Other)
    await world.execute(text("ALTER TABLE moment ALTER at TYPE timestamptz"))
    await world.execute(text("SET LOCAL timezone = 'Asia/Tokyo'"))
    naive, aware = datetime(2024, 5, 1, 12), datetime(2024, 5, 1, 3, tzinfo=UTC)  # noqa: DTZ001
    await load(world, Moment, [{"id": 1, "at": naive, "embedding": [1]}, {"id": 2, "at": aware, "embedding": [1]}])
    (first, second) = await stored(world, Moment.id, Moment.at)
    assert first[1] == second[1] == aware


@pytest.mark.parametrize("kind", ["engine", "session"])
def test_errors_of_the_callers_rows_stay_as_they_are(kind: str, engine: sa.Engine) -> None:
    """What the iterable raises, a driver's error of another database included, arrives unchanged."""
    from support.models import Article, Base

    from pgvec import Repository

    Base.metadata.create_all(engine)

    def rows():
        yield {"id": 1, "title": "one"}
        raise psycopg.OperationalError("the other database")

    with sa.orm.Session(engine) as session:
        repository = Repository(engine if kind == "engine" else session, Article)
        with pytest.raises(psycopg.OperationalError, match="the other database"):
            repository.bulk_load(rows())
        assert repository.count() == 0
