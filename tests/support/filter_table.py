"""A table with a column of every kind that filters know, and rows that are hard on them."""

from __future__ import annotations

import enum
import math
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec.model import Distance, Target, VectorColumn, VectorType


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"
    SO_SO = "so-so"


class Base(DeclarativeBase):
    pass


class Thing(Base):
    """Texts order by code point, so that Python's order is the database's wherever the test runs."""

    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True)
    small = mapped_column(sa.SmallInteger)
    number = mapped_column("quantity", sa.Integer, index=True)
    big = mapped_column(sa.BigInteger)
    ratio = mapped_column(sa.Double, index=True)
    single = mapped_column(sa.REAL)
    amount = mapped_column(sa.Numeric)
    flag = mapped_column(sa.Boolean)
    word = mapped_column(sa.Text(collation="C"), index=True)
    code = mapped_column(sa.String(12, collation="C"))
    day = mapped_column(sa.Date)
    moment = mapped_column(sa.DateTime(timezone=True), index=True)
    local = mapped_column(sa.DateTime)
    clock = mapped_column(sa.Time)
    duration = mapped_column(sa.Interval)
    uid = mapped_column(sa.Uuid, index=True)
    mood = mapped_column(sa.Enum(Mood), index=True)
    size = mapped_column(sa.Enum("S", "M", "L", native_enum=False))
    tags = mapped_column(ARRAY(sa.Text))
    codes = mapped_column(ARRAY(sa.String(12)))
    numbers = mapped_column(ARRAY(sa.Integer))
    amounts = mapped_column(ARRAY(sa.Numeric(8, 2)))
    singles = mapped_column(ARRAY(sa.REAL))
    moods = mapped_column(ARRAY(sa.Enum(Mood)))
    metadata_ = mapped_column("metadata", JSONB(none_as_null=True))
    embedding = mapped_column(sa.LargeBinary)

    __table_args__ = (
        sa.Index("ix_thing_tags", "tags", postgresql_using="gin"),
        sa.Index(
            "ix_thing_metadata", "metadata", postgresql_using="gin", postgresql_ops={"metadata": "jsonb_path_ops"}
        ),
    )


TARGET = Target(
    entity=Thing,
    name="thing",
    key=("id",),
    column=VectorColumn("embedding", "embedding", VectorType.VECTOR, 3),
    distance=Distance.COSINE,
    embeddings=("embedding",),
)

_EAST = timezone(timedelta(hours=5, minutes=30))
_TEXTS = (
    "",
    "a",
    "A",
    "b",
    "ab",
    "aB",
    "a%b",
    "a_b",
    "a\\b",
    "%",
    "_",
    "\\",
    "O'Reilly",
    '"',
    "ä",
    "ß",
    "日本",
    "😀",
    "a\nb",
    " a",
    "$lt",
)

VALUES: dict[str, tuple[Any, ...]] = {
    "small": (0, 1, 2, -1, 5, 32_767, -32_768),
    "number": (0, 1, 2, 3, -1, 10, 2**31 - 1, -(2**31)),
    "big": (0, 1, 2, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)),
    "ratio": (0.0, -0.0, 0.1, 1.0, 1.5, -2.5, 1e308, 5e-324, math.inf, -math.inf, math.nan),
    "single": (
        0.0,
        *(struct.unpack("f", struct.pack("f", x))[0] for x in (0.1, 1.5, -2.5, 3.4e38, 1e-40)),
        math.inf,
        math.nan,
    ),
    "amount": tuple(map(Decimal, ("0", "0.10", "1", "1.5", "-3", "1e20", "0.1000000000000000055", "NaN", "Infinity"))),
    "flag": (True, False),
    "word": _TEXTS,
    "code": _TEXTS,
    "day": (date(2024, 1, 1), date(2024, 2, 29), date(1969, 12, 31), date.min, date.max),
    "moment": (
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 5, 30, tzinfo=_EAST),
        datetime(2024, 6, 1, 12, tzinfo=_EAST),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
    ),
    "local": (datetime(2024, 1, 1), datetime(2024, 1, 1, 12, 30), datetime.min, datetime.max),  # noqa: DTZ001, DTZ901
    "clock": (time(0), time(12, 30), time(23, 59, 59, 999_999)),
    "duration": (timedelta(0), timedelta(days=1), timedelta(hours=24), timedelta(hours=-1), timedelta(microseconds=1)),
    "uid": (UUID(int=0), UUID(int=1), UUID(int=2**128 - 1)),
    "mood": tuple(Mood),
    "size": ("S", "M", "L"),
    "tags": _TEXTS,
    "codes": _TEXTS,
    "numbers": (0, 1, 2, -1, 2**31 - 1, -(2**31)),
    "amounts": tuple(map(Decimal, ("0", "0.10", "1.5", "-3"))),
    "singles": (0.0, 1.5, struct.unpack("f", struct.pack("f", 0.1))[0]),
    "moods": tuple(Mood),
    "embedding": (b"",),
}
ARRAYS = ("tags", "codes", "numbers", "amounts", "singles", "moods")

JSON_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        1.0,
        1.5,
        -3,
        0.1,
        10**20,
        1e22,
        "",
        "1",
        "true",
        "null",
        "a",
        "A",
        "ab",
        "a%b",
        "\\",
        "ä",
        "😀",
        "O'Reilly",
    ),
    *(
        [],
        [None],
        ["a"],
        ["a", "b", 1],
        [1, True, None],
        [1.0, "ä"],
        [["a"]],
        [{"k": 1}],
        {},
        {"k": "v"},
        {"k": 1, "l": [1, "a"]},
        {"k": None},
    ),
)
JSON_KEYS = ("source", "n", "flag", "list", "author", "0", "1", "a.b", "ключ")
JSON_ROOTS: tuple[Any, ...] = (JSONB.NULL, [], ["a", 1, {"source": "a"}], "a", 5, True, {})


def rows(seed: int, count: int) -> list[dict[str, Any]]:
    """Return rows as mappings of attribute to value; SQL NULL is None, JSON null at the root is ``JSONB.NULL``."""
    random = Random(seed)
    return [{"id": n, **dict(_row(random))} for n in range(1, count + 1)]


def _row(random: Random) -> Iterator[tuple[str, Any]]:
    for name, values in VALUES.items():
        if random.random() < 0.2:
            yield name, None
        elif name in ARRAYS:
            # An element that is NULL comes with every second array.
            pool = (*values, None) if random.random() < 0.5 else values
            yield name, [random.choice(pool) for _ in range(random.choice((0, 1, 2, 3)))]
        else:
            yield name, random.choice(values)
    yield "metadata_", _document(random)


def _document(random: Random) -> Any:
    chance = random.random()
    if chance < 0.1:
        return None
    if chance < 0.2:
        return random.choice(JSON_ROOTS)
    document = {key: random.choice(JSON_VALUES) for key in JSON_KEYS if random.random() < 0.6}
    if random.random() < 0.5:
        document["author"] = {key: random.choice(JSON_VALUES) for key in ("name", "age", "0") if random.random() < 0.7}
    return document


def fill(engine: sa.Engine, seed: int, count: int) -> list[dict[str, Any]]:
    """Create the table, store rows, and return them."""
    Base.metadata.create_all(engine)
    made = rows(seed, count)
    with Session(engine) as session, session.begin():
        session.execute(sa.insert(Thing), made)
        session.execute(sa.text("ANALYZE thing"))
    return made
