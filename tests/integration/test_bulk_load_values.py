"""What a bulk load stores is what an INSERT through SQLAlchemy stores; and how much memory it takes."""

from __future__ import annotations

import enum
import gc
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pytest
from fix_database import sqlalchemy_url
from fix_level import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
    Time,
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import CIDR, INT4RANGE, JSON, JSONB, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pgvec import LoadProgress, Repository, read_csv, read_jsonl
from pgvec.orm import Embedding

MODES: tuple[Literal["error", "skip", "update"], ...] = ("error", "skip", "update")


class Base(DeclarativeBase):
    """Base of the models here."""


class Mood(enum.Enum):
    """An enumeration of Python and of Postgres."""

    GOOD = "g"
    BAD = "b"


class Everything(Base):
    """A column of every type that is written in binary."""

    __tablename__ = "everything"

    id: Mapped[int] = mapped_column(primary_key=True)
    small: Mapped[int | None] = mapped_column(SmallInteger)
    big: Mapped[int | None] = mapped_column(BigInteger)
    single: Mapped[float | None] = mapped_column(REAL)
    double: Mapped[float | None] = mapped_column(Double)
    exact: Mapped[Decimal | None] = mapped_column(Numeric)
    rounded: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    yes: Mapped[bool | None] = mapped_column(Boolean)
    words: Mapped[str | None] = mapped_column(Text)
    short: Mapped[str | None] = mapped_column(String(20))
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    identifier: Mapped[uuid.UUID | None]
    day: Mapped[date | None] = mapped_column(Date)
    clock: Mapped[time | None] = mapped_column(Time)
    moment: Mapped[datetime | None] = mapped_column(DateTime)
    instant: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    span: Mapped[timedelta | None] = mapped_column(Interval)
    document: Mapped[Any] = mapped_column(JSON, nullable=True)
    binary_document: Mapped[Any] = mapped_column(JSONB(none_as_null=True), nullable=True)
    mood: Mapped[Mood | None] = mapped_column(Enum(Mood, name="mood"))
    numbers: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    texts: Mapped[list[str | None] | None] = mapped_column(ARRAY(Text))
    dense: Mapped[Any] = mapped_column(Embedding(4, distance="l2"), nullable=True)
    half: Mapped[Any] = mapped_column(Embedding(4, distance="l2", type="halfvec"), nullable=True)
    sparse: Mapped[Any] = mapped_column(Embedding(4, distance="l2", type="sparsevec"), nullable=True)
    bits: Mapped[Any] = mapped_column(Embedding(9, type="bit"), nullable=True)


class Odd(Base):
    """Types that travel as text."""

    __tablename__ = "odd"

    id: Mapped[int] = mapped_column(primary_key=True)
    net: Mapped[str | None] = mapped_column(CIDR)
    span: Mapped[Range[int] | None] = mapped_column(INT4RANGE)
    elapsed: Mapped[timedelta | None] = mapped_column(Interval)
    embedding: Mapped[Any] = mapped_column(Embedding(2, distance="l2"), nullable=True)


def _times(zone: bool) -> st.SearchStrategy[datetime]:
    zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))])
    # Away from the ends of the calendar, which another time zone would leave.
    return st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones if zone else st.none())  # noqa: DTZ001


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | TEXTS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXTS, children, max_size=3),
    max_leaves=5,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "small": st.integers(-(2**15), 2**15 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "single": st.floats(width=32),
    "double": st.floats(),
    "exact": st.just(Decimal("NaN")) | st.decimals(allow_nan=False, allow_infinity=False),
    "rounded": st.decimals(-(10**9), 10**9, places=4),
    "yes": st.booleans(),
    "words": TEXTS,
    "short": TEXTS,
    "data": st.binary(max_size=20),
    "identifier": st.uuids(),
    "day": st.dates(),
    "clock": st.times(),
    "moment": _times(zone=False),
    "instant": _times(zone=True),
    "span": st.timedeltas(timedelta(-(10**6)), timedelta(10**6)),
    "document": JSONS,
    "binary_document": JSONS,
    "mood": st.sampled_from(Mood),
    "numbers": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=4),
    "texts": st.lists(st.none() | TEXTS, max_size=4),
    "dense": st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4),
    "half": st.lists(st.floats(-60_000, 60_000, width=16), min_size=4, max_size=4),
    "sparse": st.dictionaries(st.integers(0, 3), st.floats(-100, 100, width=16), max_size=4),
    "bits": st.text("01", min_size=9, max_size=9),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), min_size=1, max_size=4
)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """An engine on a database with the tables of this file."""
    Base.metadata.create_all(engine)
    return engine


def as_text(connection: Any, model: Any) -> list[tuple[Any, ...]]:
    """The rows as Postgres writes them: no type of Python in between."""
    columns = [column.cast(Text) for column in model.__table__.c]
    return [tuple(row) for row in connection.execute(select(*columns).order_by(model.id))]


@settings(
    max_examples=examples(dev=30, full=200),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=ROWS)
def test_stores_what_insert_stores(filled: Engine, rows: list[dict[str, Any]]) -> None:
    """Random rows of every type arrive as an INSERT through SQLAlchemy writes them, by COPY and by merge."""
    rows = [{"id": number, **row} for number, row in enumerate(rows)]
    with filled.connect() as connection:
        transaction = connection.begin_nested()
        for row in rows:
            connection.execute(insert(Everything.__table__), row)
        expected = as_text(connection, Everything)
        transaction.rollback()
        for on_conflict in MODES[::2]:
            transaction = connection.begin_nested()
            Repository(connection, Everything, column="dense").bulk_load(rows, on_conflict=on_conflict)
            assert as_text(connection, Everything) == expected
            transaction.rollback()


def test_types_that_travel_as_text(filled: Engine) -> None:
    """Types without a binary form arrive as an INSERT writes them."""
    rows = [
        {"id": 1, "net": "10.0.0.0/8", "span": Range(1, 5), "elapsed": timedelta(1.5), "embedding": [1, 2]},
        {"id": 2, "net": None, "span": None, "elapsed": None, "embedding": None},
    ]
    with filled.connect() as connection:
        connection.execute(insert(Odd.__table__), rows)
        expected = as_text(connection, Odd)
        connection.rollback()
        report = Repository(connection, Odd).bulk_load(rows)
        assert report.method == "merge"
        assert as_text(connection, Odd) == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_files(filled: Engine, tmp_path: Path, kind: str) -> None:
    """A CSV and a JSON Lines file give the values of their columns' types."""
    texts = {
        "id": "1",
        "small": "7",
        "single": "0.5",
        "exact": "12345678901234567890.5",
        "yes": "true",
        "words": "",
        "data": r"\x00ff",
        "identifier": "00000000-0000-0000-0000-000000000001",
        "day": "2024-05-01",
        "clock": "12:30:00",
        "moment": "2024-05-01 12:00:00",
        "instant": "2024-05-01T12:00:00+02:00",
        "span": "1 day 02:00:00",
        "mood": "GOOD",
        "numbers": "[1, null, 3]",
        "texts": '["a", "b,c"]',
        "document": '{"a": [1, "x"]}',
        "dense": "[1, 2, 3, 4.5]",
        "sparse": "{1:0.5}/4",
        "bits": "010101010",
    }
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        with path.open("w", encoding="utf-8") as file:
            file.write(",".join(texts) + "\n")
            file.write(",".join('"' + value.replace('"', '""') + '"' for value in texts.values()) + "\n")
            file.write("2" + "," * (len(texts) - 1) + "\n")
        rows: Any = read_csv(path)
    else:
        parsed = {"id": 1, "small": 7, "single": 0.5, "yes": True}
        parsed |= {name: json.loads(texts[name]) for name in ("numbers", "texts", "document", "dense")}
        path.write_text(
            "\n".join(json.dumps(row) for row in (texts | parsed, dict.fromkeys(texts) | {"id": 2, "words": ""}))
        )
        rows = read_jsonl(path)
    seen: list[LoadProgress] = []
    with filled.connect() as connection:
        Repository(connection, Everything, column="dense").bulk_load(rows, progress=seen.append)
        first, second = connection.execute(select(Everything.__table__).order_by(Everything.id)).mappings()
        document = connection.scalar(text("SELECT document::text FROM everything WHERE id = 2"))
    assert first["exact"] == Decimal("12345678901234567890.5")
    assert (first["small"], first["single"], first["yes"], first["words"]) == (7, 0.5, True, "")
    assert (first["data"], first["identifier"]) == (b"\x00\xff", uuid.UUID(int=1))
    assert (first["day"], first["clock"]) == (date(2024, 5, 1), time(12, 30))
    assert first["moment"] == datetime(2024, 5, 1, 12)  # noqa: DTZ001
    assert first["instant"] == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert first["span"] == timedelta(days=1, hours=2)
    assert (first["mood"], first["numbers"], first["texts"]) == (Mood.GOOD, [1, None, 3], ["a", "b,c"])
    assert first["document"] == {"a": [1, "x"]}
    np.testing.assert_array_equal(first["dense"], [1, 2, 3, 4.5])
    np.testing.assert_array_equal(first["sparse"].to_numpy(), [0.5, 0, 0, 0])
    assert "".join(str(int(bit)) for bit in first["bits"]) == "010101010"
    assert {name for name, value in second.items() if value is not None} == {"id", "words"}
    # SQLAlchemy's JSON type writes an explicit null as JSON's; an empty field is NULL.
    assert document == (None if kind == "csv" else "null")
    assert (seen[-1].rows, seen[-1].total) == (2, 2)


def test_memory_does_not_grow_with_the_rows(filled: Engine) -> None:
    """A load of many more rows takes no more memory of the client."""

    def rows(count: int) -> Iterator[dict[str, Any]]:
        vector = np.ones(4, np.float32)
        for number in range(count):
            yield {"id": number, "words": f"{number:04000}", "dense": vector}

    def grown(count: int, on_conflict: Any) -> int:
        gc.collect()
        before = psutil.Process().memory_info().rss
        with filled.connect() as connection:
            Repository(connection, Everything, column="dense").bulk_load(rows(count), on_conflict=on_conflict)
        return psutil.Process().memory_info().rss - before

    for on_conflict in MODES[:2]:
        grown(2_000, on_conflict)
        # The texts of the rows alone are 80 MB.
        assert grown(20_000, on_conflict) < 30 * 2**20


def test_through_pgbouncer(filled: Engine, pgbouncer: str) -> None:
    """Loads work through PgBouncer in transaction mode, one transaction after the other."""
    pooled = create_engine(sqlalchemy_url(pgbouncer), connect_args={"prepare_threshold": None})
    for on_conflict in (*MODES, *MODES[1:]):
        with pooled.begin() as connection:
            rows = [{"id": number, "embedding": [number, 1]} for number in range(10)]
            Repository(connection, Odd).bulk_load(rows, on_conflict=on_conflict)
    with filled.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM odd")) == 10
    pooled.dispose()
