"""Vectors through sessions: written in every form, read in one, refused in time, and nobody's adapters are disturbed."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pgvector.psycopg import register_vector
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec.errors import DimensionMismatchError, InvalidInputError
from pgvec.model import Distance, VectorType
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex, read_target
from pgvec.orm.values import SparseVector


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    __table_args__ = (
        HnswIndex("dense", quantization="halfvec"),
        IvfflatIndex("half", lists=1),
        HnswIndex("sparse"),
        HnswIndex("bits"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    dense: Mapped[object | None] = mapped_column(Embedding(3, storage="plain"))
    half: Mapped[object | None] = mapped_column(Embedding(3, type="halfvec", distance="l2"))
    sparse: Mapped[object | None] = mapped_column(Embedding(3, type="sparsevec", distance="inner_product"))
    bits: Mapped[object | None] = mapped_column(Embedding(3, type="bit"))


VALUES = {"dense": [1, 2.5, 3], "half": np.arange(3)[::-1], "sparse": {2: 1.5}, "bits": "011"}


@pytest.fixture
def items(session):
    Base.metadata.create_all(session.connection())
    session.commit()
    return session


def assert_read(item):
    for name, expected in (("dense", [1, 2.5, 3]), ("half", [2, 1, 0]), ("bits", [False, True, True])):
        value = getattr(item, name)
        assert isinstance(value, np.ndarray)
        assert value.dtype == (np.bool_ if name == "bits" else np.float32)
        assert value.tolist() == expected
    assert isinstance(item.sparse, SparseVector)
    assert item.sparse.to_list() == [0, 0, 1.5]


def test_a_record_comes_back_as_it_was_written(items):
    """Every type is written from what callers have and read as float32, bools and SparseVector; NULL stays None."""
    items.add_all([Item(id=1, **VALUES), Item(id=2)])
    items.commit()
    assert_read(items.get_one(Item, 1))
    empty = items.get_one(Item, 2)
    assert [empty.dense, empty.half, empty.sparse, empty.bits] == [None] * 4


async def test_a_record_comes_back_through_an_async_session(async_engine):
    """The same holds for asynchronous sessions."""
    async with async_engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(async_engine) as session:
        session.add(Item(id=1, **VALUES))
        await session.commit()
        assert_read(await session.get_one(Item, 1))


def test_adapters_of_the_caller_do_not_matter(engine):
    """Where the caller registered pgvector-python's adapters on his connections, records are read the same."""

    @sa.event.listens_for(engine, "connect")
    def connect(connection, _record):
        register_vector(connection)

    with Session(engine) as session:
        Base.metadata.create_all(session.connection())
        session.add(Item(id=1, **VALUES))
        session.commit()
        assert_read(session.get_one(Item, 1))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"dense": [1, 2]}, DimensionMismatchError),
        ({"dense": [0, 0, 0]}, InvalidInputError),
        ({"half": [1, float("nan"), 2]}, InvalidInputError),
        ({"half": [1, 70_000, 2]}, InvalidInputError),
        ({"sparse": {5: 1.0}}, InvalidInputError),
        ({"bits": "0101"}, DimensionMismatchError),
    ],
)
def test_a_flush_refuses_bad_vectors_as_they_are(items, values, error):
    """A flush raises pgvec's own error, not one wrapped by SQLAlchemy, and nothing is stored."""
    items.add(Item(id=1, **values))
    with pytest.raises(error):
        items.flush()
    items.rollback()
    assert items.scalar(sa.select(sa.func.count()).select_from(Item)) == 0


def test_an_equal_vector_is_no_change(items):
    """Assigning an equal vector in another form updates nothing; another vector is updated."""
    items.add(Item(id=1, **VALUES))
    items.commit()
    item = items.get_one(Item, 1)
    assert_read(item)
    item.dense, item.half, item.bits = (1, 2.5, 3), np.array([2, 1, 0], dtype=np.float64), [False, True, True]
    assert not items.is_modified(item)
    item.dense = [1, 2.5, 4]
    items.commit()
    assert items.get_one(Item, 1).dense.tolist() == [1, 2.5, 4]


def test_distances_agree_with_numpy(items):
    """Each comparison gives the distance that it is named for."""
    items.add(Item(id=1, **VALUES))
    items.flush()
    dense, half, query = np.array([1, 2.5, 3]), np.array([2, 1, 0]), np.array([3.0, 1, 2])
    row = items.execute(
        sa.select(
            Item.dense.distance(query),
            Item.dense.l2_distance([3, 1, 2]),
            Item.dense.max_inner_product((3, 1, 2)),
            Item.half.l1_distance(query),
            Item.half.distance(query),
            Item.sparse.distance({2: 2.0}),
            Item.bits.distance("110"),
            Item.bits.jaccard_distance([True, True, False]),
            Item.dense.distance(Item.dense),
        )
    ).one()
    assert list(row) == pytest.approx(
        [
            1 - dense @ query / np.linalg.norm(dense) / np.linalg.norm(query),
            np.linalg.norm(dense - query),
            -(dense @ query),
            np.abs(half - query).sum(),
            np.linalg.norm(half - query),
            -3,
            2,
            2 / 3,
            0,
        ],
        abs=1e-6,
    )


def test_vectors_may_be_compared_for_equality(items):
    """Equality and NULL are asked with the usual operators."""
    items.add_all([Item(id=1, **VALUES), Item(id=2)])
    items.flush()
    assert items.scalars(sa.select(Item.id).where(Item.dense == np.array([1, 2.5, 3]))).all() == [1]
    assert items.scalars(sa.select(Item.id).where(Item.dense.is_(None))).all() == [2]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    vector=hnp.arrays(np.float32, 3, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    halves=st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
)
def test_the_server_keeps_every_bit(engine, vector, halves):
    """Whatever float32 and half precision can hold, down to the smallest numbers, comes back from the server unchanged."""
    with engine.connect() as connection:
        given_values = [sa.cast(sa.literal(vector, Embedding(3, distance="l2")), Embedding(3, distance="l2"))]
        given_values += [sa.cast(sa.literal(halves, kind := Embedding(3, "l2", "halfvec")), kind)]
        read, read_halves = connection.execute(sa.select(*given_values)).one()
    assert np.array_equal(read, vector)
    assert read_halves.tolist() == halves


def test_sqlmodel_classes_work_alike(engine):
    """The type is used through sa_type, with the index in __table_args__."""
    sqlmodel = pytest.importorskip("sqlmodel")

    class Song(sqlmodel.SQLModel, table=True):
        model_config = {"arbitrary_types_allowed": True}
        __table_args__ = (HnswIndex("embedding"),)
        id: int = sqlmodel.Field(primary_key=True)
        embedding: np.ndarray | None = sqlmodel.Field(default=None, sa_type=Embedding(3, storage="plain"))

    with Session(engine) as session:
        Song.__table__.create(session.connection())
        session.add(Song(id=1, embedding=np.array([1, 2, 3])))
        session.commit()
        assert session.get_one(Song, 1).embedding.tolist() == [1, 2, 3]
        nearest = sa.select(Song.id).order_by(Song.embedding.distance([1, 2, 3]))
        assert session.scalars(nearest).one() == 1


def test_classes_with_types_of_pgvector_python_work_unchanged(engine):
    """Columns and indexes written for pgvector-python are read as they are, also reflected from the database."""

    class Plain(DeclarativeBase):
        pass

    class Photo(Plain):
        __tablename__ = "photo"
        id: Mapped[int] = mapped_column(primary_key=True)
        dense: Mapped[object] = mapped_column(VECTOR(3))
        half: Mapped[object] = mapped_column(HALFVEC(3))
        sparse: Mapped[object] = mapped_column(SPARSEVEC(3))
        bits: Mapped[object] = mapped_column(BIT(3))
        __table_args__ = (
            sa.Index("photo_dense", dense, postgresql_using="hnsw", postgresql_ops={"dense": "vector_ip_ops"}),
        )

    Plain.metadata.create_all(engine)
    reflected = sa.Table("photo", sa.MetaData(), autoload_with=engine)
    for entity in (Photo, reflected):
        target = read_target(entity, column="dense")
        assert (target.distance, target.index.name) == (Distance.INNER_PRODUCT, "photo_dense")
        types = [read_target(entity, column=name, distance="l2").column.type for name in ("half", "sparse")]
        assert types == [VectorType.HALFVEC, VectorType.SPARSEVEC]
    assert read_target(Photo, column="bits", distance="hamming").column.dimensions == 3
