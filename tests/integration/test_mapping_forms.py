"""Every way to declare a model: what a search and a write do does not depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pgvector.sqlalchemy as pgv
import pytest
import sqlalchemy as sa
import sqlmodel
from fix_database import Databases, sqlalchemy_url
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    column_property,
    deferred,
    mapped_column,
    registry,
    relationship,
)

from pgvec import Repository
from pgvec.errors import AmbiguousColumnError, EmbeddingNotLoadedError, MappingError
from pgvec.orm import Embedding, HnswIndex

DIMENSIONS = 4
ROWS = 30
VECTORS = np.random.default_rng(8).standard_normal((ROWS, DIMENSIONS)).astype(np.float32)
QUERY = VECTORS[11]
NEAREST = [int(n) for n in np.argsort(np.linalg.norm(VECTORS - QUERY, axis=1))]


class Base(DeclarativeBase):
    pass


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"))
    __table_args__ = (HnswIndex("embedding"),)


class DataclassBase(MappedAsDataclass, DeclarativeBase):
    metadata = Base.metadata


class Data(DataclassBase):
    __tablename__ = "data"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"), default=None)


class Model(sqlmodel.SQLModel, table=True):
    metadata = Base.metadata
    __tablename__ = "sqlmodel_model"
    id: int = sqlmodel.Field(primary_key=True)
    title: str
    embedding: Any = sqlmodel.Field(default=None, sa_type=Embedding(DIMENSIONS, distance="l2"))


class Imperative:
    """A plain class, mapped below."""


imperative_table = sa.Table(
    "imperative",
    Base.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text),
    sa.Column("embedding", Embedding(DIMENSIONS, distance="l2")),
    HnswIndex("embedding"),
)
registry(metadata=Base.metadata).map_imperatively(Imperative, imperative_table)


class Renamed(Base):
    __tablename__ = "Renamed table"
    id: Mapped[int] = mapped_column("the key", primary_key=True)
    title: Mapped[str] = mapped_column('a "title" of 100%')
    embedding: Mapped[Any] = mapped_column("the Vector", Embedding(DIMENSIONS, distance="l2"))
    __table_args__ = (HnswIndex("the Vector", quantization="halfvec"),)


class Elsewhere(Base):
    __tablename__ = "elsewhere"
    __table_args__ = (HnswIndex("embedding"), {"schema": "Other schema"})
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"))


class Partitioned(Base):
    __tablename__ = "partitioned"
    __table_args__ = (HnswIndex("embedding"), {"postgresql_partition_by": "RANGE (id)"})
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"))


class Deferred(Base):
    __tablename__ = "deferred_model"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str | None] = mapped_column(deferred=True)
    note: Mapped[str | None] = deferred(sa.Column(sa.Text), raiseload=True)
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"), deferred=True)


class Computed(Base):
    __tablename__ = "computed"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"))
    shout = column_property(sa.func.upper(sa.literal_column("computed.title")))
    length: Mapped[int] = mapped_column(sa.Computed("length(title)"))

    @hybrid_property
    def is_first(self) -> bool:
        return self.id == 0


class Plugin(Base):
    """Declared with pgvector-python's type and a plain index alone."""

    __tablename__ = "plugin"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(pgv.Vector(DIMENSIONS))
    __table_args__ = (
        sa.Index("plugin_index", "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"}),
    )


class Half(Base):
    __tablename__ = "plugin_half"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(pgv.HALFVEC(DIMENSIONS))
    __table_args__ = (
        sa.Index(
            "plugin_half_index", "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "halfvec_l2_ops"}
        ),
    )


class Animal(Base):
    """Joined inheritance; the embedding is on the parent."""

    __tablename__ = "animal"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    kind: Mapped[str]
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}
    __table_args__ = (HnswIndex("embedding"),)


class Bird(Animal):
    """A joined subclass."""

    __tablename__ = "bird"
    id: Mapped[int] = mapped_column(sa.ForeignKey("animal.id"), primary_key=True)
    wings: Mapped[int] = mapped_column(default=2)
    __mapper_args__ = {"polymorphic_identity": "bird"}


class Fish(Animal):
    """A single-table subclass."""

    __mapper_args__ = {"polymorphic_identity": "fish"}


class Shop(Base):
    __tablename__ = "shop"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Product(Base):
    """A composite key, and relationships that load eagerly in both ways."""

    __tablename__ = "product"
    shop_id: Mapped[int] = mapped_column(sa.ForeignKey("shop.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"))
    shop: Mapped[Shop] = relationship(lazy="joined")
    reviews: Mapped[list[Review]] = relationship(lazy="selectin")
    __table_args__ = (HnswIndex("embedding"),)


class Review(Base):
    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    number: Mapped[int]
    __table_args__ = (sa.ForeignKeyConstraint(["shop_id", "number"], ["product.shop_id", "product.number"]),)


SIMPLE = [Plain, Data, Model, Imperative, Renamed, Elsewhere, Partitioned, Deferred, Computed, Plugin, Half, Animal]


@pytest.fixture(scope="module")
def engine(databases: Databases, template_database: str) -> Iterator[sa.Engine]:
    """An engine on a database with the tables of all models."""
    name = databases.create(template_database)
    made = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    with made.begin() as connection:
        connection.execute(sa.schema.CreateSchema("Other schema"))
        Base.metadata.create_all(connection)
        for number in range(3):
            connection.execute(
                sa.text(
                    f"CREATE TABLE part_{number} PARTITION OF partitioned"
                    f" FOR VALUES FROM ({number * 10}) TO ({number * 10 + 10})"
                )
            )
    yield made
    made.dispose()
    databases.drop(name)


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """A session whose changes are rolled back."""
    with Session(engine) as opened:
        yield opened


def rows() -> list[dict[str, Any]]:
    """Rows that every simple model takes."""
    return [{"id": number, "title": f"t{number}", "embedding": vector} for number, vector in enumerate(VECTORS)]


def with_kind(model: Any) -> list[dict[str, Any]]:
    """Rows with a discriminator where the model has one."""
    return [row | ({"kind": "animal"} if issubclass(model, Animal) else {}) for row in rows()]


@pytest.mark.parametrize("model", SIMPLE)
def test_search_and_write(session: Session, model: Any) -> None:
    """The nearest records come first, with and without a filter, and writes reach the rows they name."""
    repository = Repository(session, model)
    assert repository.target.distance == "l2"
    assert repository.insert(with_kind(model)) == list(range(ROWS))
    found = repository.search(QUERY, limit=5)
    assert [match.record.id for match in found] == NEAREST[:5]
    assert [match.record.title for match in found] == [f"t{number}" for number in NEAREST[:5]]
    assert all(isinstance(match.record, model) for match in found)
    filtered = repository.search(QUERY, where={"title": {"$ne": f"t{NEAREST[0]}"}}, limit=3, columns=("id", "title"))
    assert [match.record.id for match in filtered] == NEAREST[1:4]
    everything = repository.search(QUERY, limit=ROWS * 2)
    assert [match.record.id for match in everything] == NEAREST
    assert [match.record.id for match in repository.search(found[0].record, limit=3)] == NEAREST[1:4]
    assert repository.update({"id": 3, "title": "changed"}) == 1
    assert repository.get(3).title == "changed"
    assert repository.count({"title": "changed"}) == 1
    assert repository.delete({"title": "changed"}) == 1
    assert repository.count() == ROWS - 1


@pytest.mark.parametrize("model", SIMPLE)
def test_upsert_and_bulk_load(session: Session, model: Any) -> None:
    """Upserts and bulk loads take the attributes of the model, in the same order of events."""
    repository = Repository(session, model)
    assert repository.bulk_load(with_kind(model)).inserted == ROWS
    changed = [row | {"title": "again"} for row in with_kind(model)[:3]]
    assert repository.upsert(changed) == [0, 1, 2]
    assert repository.bulk_load(changed, on_conflict="skip").skipped == 3
    assert repository.bulk_load(changed, on_conflict="update").updated == 3
    assert repository.count({"title": "again"}) == 3
    assert [match.record.id for match in repository.search(QUERY, limit=4)] == NEAREST[:4]


@pytest.mark.parametrize("model", SIMPLE)
def test_embeddings_on_request(session: Session, model: Any) -> None:
    """Whatever declared it, an embedding is fetched when asked for, and explains itself when not."""
    repository = Repository(session, model)
    repository.insert(with_kind(model))
    record = repository.search(QUERY, limit=1)[0].record
    with pytest.raises(EmbeddingNotLoadedError):
        _ = record.embedding
    session.expunge_all()
    record = repository.search(QUERY, limit=1, include_embedding=True)[0].record
    stored = record.embedding
    values = stored.to_list() if hasattr(stored, "to_list") else stored
    np.testing.assert_allclose(values, QUERY, rtol=1e-3)
    session.expunge_all()
    assert repository.get(NEAREST[0], include_embedding=True).embedding is not None


def test_other_attributes_come_as_the_model_says(session: Session) -> None:
    """Deferred columns stay deferred, computed attributes are computed, hybrids filter."""
    repository = Repository(session, Deferred)
    repository.insert([row | {"body": "long", "note": "n"} for row in rows()])
    record = repository.search(QUERY, limit=1)[0].record
    assert not {"body", "note"} & set(vars(record))
    assert record.body == "long"
    with pytest.raises(sa.exc.InvalidRequestError):
        _ = record.note
    computed = Repository(session, Computed)
    computed.insert(rows())
    found = computed.search(QUERY, limit=2)
    assert [match.record.shout for match in found] == [f"T{number}" for number in NEAREST[:2]]
    assert found[0].record.length == len(found[0].record.title)
    assert [match.record.id for match in computed.search(QUERY, where=Computed.is_first)] == [0]
    shown = computed.search(QUERY, limit=1, columns=(Computed.shout, Computed.is_first.label("first")))
    assert tuple(shown[0].record) == (f"T{NEAREST[0]}", NEAREST[0] == 0)


def test_inheritance(session: Session) -> None:
    """A search of a subclass finds its records alone; one of the base class finds all, each as what it is."""
    session.add_all(
        [
            (Animal, Bird, Fish)[number % 3](id=number, title=f"t{number}", embedding=vector)
            for number, vector in enumerate(VECTORS)
        ]
    )
    session.flush()
    session.expunge_all()
    for model, remainder in ((Bird, 1), (Fish, 2)):
        repository = Repository(session, model)
        found = repository.search(QUERY, limit=ROWS)
        assert [match.record.id for match in found] == [n for n in NEAREST if n % 3 == remainder]
        assert {type(match.record) for match in found} == {model}
        assert repository.count() == ROWS // 3
        exact = repository.search(QUERY, limit=3, exact=True, columns=("id",))
        assert [m.record.id for m in exact] == [m.record.id for m in found[:3]]
    assert Repository(session, Bird).search(QUERY, limit=1)[0].record.wings == 2
    everything = Repository(session, Animal).search(QUERY, limit=ROWS)
    assert [match.record.id for match in everything] == NEAREST
    assert {type(match.record) for match in everything} == {Animal, Bird, Fish}
    assert Repository(session, Fish).delete(sa.true()) == ROWS // 3
    assert Repository(session, Animal).count() == ROWS * 2 // 3


def test_rows_of_subclasses(session: Session) -> None:
    """A subclass of one table is written with its own discriminator."""
    repository = Repository(session, Fish)
    repository.insert(rows())
    assert repository.count() == ROWS
    assert session.scalars(sa.select(Animal.kind).distinct()).all() == ["fish"]
    repository.upsert([{"id": ROWS, "title": "new", "embedding": QUERY}])
    assert repository.get(ROWS).kind == "fish"


def test_rows_of_joined_subclasses(session: Session) -> None:
    """What several tables hold is inserted and updated, and refused where one statement cannot write it."""
    repository = Repository(session, Bird)
    assert repository.insert(rows()) == list(range(ROWS))
    assert repository.update({"id": 1, "title": "changed", "wings": 3}) == 1
    assert (repository.get(1).title, repository.get(1).wings) == ("changed", 3)
    assert [m.record.id for m in repository.search(QUERY, where={"wings": 2}, limit=3)] == NEAREST[:3]
    assert repository.delete({"wings": 3}) == 1
    for write in (repository.upsert, repository.bulk_load):
        with pytest.raises(MappingError, match="stored in 2 tables"):
            write(rows())


def test_composite_key_and_eager_relationships(session: Session) -> None:
    """A key of several columns names records; relationships that load eagerly are there with the records."""
    session.add_all([Shop(id=1, name="one"), Shop(id=2, name="two")])
    session.flush()
    repository = Repository(session, Product)
    products = [
        {"shop_id": 1 + number % 2, "number": number, "title": f"t{number}", "embedding": vector}
        for number, vector in enumerate(VECTORS)
    ]
    keys = repository.insert(products)
    assert keys == [(1 + number % 2, number) for number in range(ROWS)]
    first = NEAREST[0]
    session.add_all([Review(id=n, shop_id=1 + first % 2, number=first) for n in (1, 2)])
    session.flush()
    session.expunge_all()
    found = repository.search(QUERY, limit=3)
    statements: list[str] = []
    sa.event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert [match.record.number for match in found] == NEAREST[:3]
    assert found[0].record.shop.name == ("one", "two")[first % 2]
    assert len(found[0].record.reviews) == 2
    assert not statements
    assert repository.get((1 + first % 2, first)) is found[0].record
    assert repository.get({"number": first, "shop_id": 1 + first % 2}) is found[0].record
    assert [m.record.number for m in repository.search(found[0].record, limit=2)] == NEAREST[1:3]
    near = repository.search(QUERY, where=Product.shop.has(name="one"), limit=2)
    assert [m.record.number for m in near] == [n for n in NEAREST if n % 2 == 0][:2]
    assert repository.upsert({"shop_id": 2, "number": 1, "title": "x", "embedding": QUERY}) == [(2, 1)]
    assert repository.update({"shop_id": 2, "number": 1, "title": "y"}) == 1
    assert repository.get((2, 1)).title == "y"


def test_sparse_and_bit_columns_of_pgvector_python(engine: sa.Engine) -> None:
    """pgvector-python's SPARSEVEC and BIT columns are searched with what their packages return."""
    metadata = sa.MetaData()
    sparse = sa.Table(
        "plugin_sparse",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("embedding", pgv.SPARSEVEC(DIMENSIONS)),
        sa.Index("sparse_ip", "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "sparsevec_ip_ops"}),
    )
    bits = sa.Table(
        "plugin_bit",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("embedding", pgv.BIT(DIMENSIONS)),
        sa.Index("bit_jaccard", "embedding", postgresql_using="hnsw", postgresql_ops={"embedding": "bit_jaccard_ops"}),
    )
    with engine.begin() as connection:
        metadata.create_all(connection)
        by_product = Repository(connection, sparse)
        by_product.bulk_load([{"id": n, "embedding": {n: 1.0, 3: 0.5}} for n in range(3)])
        assert by_product.target.distance == "inner_product"
        assert by_product.search({1: 2.0}, limit=1)[0].record["id"] == 1
        stored = by_product.get(2, include_embedding=True)["embedding"]
        assert by_product.search(stored, limit=1)[0].record["id"] == 2
        by_bits = Repository(connection, bits)
        by_bits.bulk_load([{"id": n, "embedding": text} for n, text in enumerate(("1100", "0011", "1111"))])
        assert by_bits.target.distance == "jaccard"
        assert [m.record["id"] for m in by_bits.search("0011")] == [1, 2, 0]
        assert by_bits.search([True, True, False, False], limit=1)[0].record["id"] == 0
        connection.rollback()


def test_a_distance_that_nothing_tells(session: Session) -> None:
    """Without index and distance the error says what to pass; passed, the search works."""
    table = sa.Table(
        "undecided",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("embedding", pgv.Vector(DIMENSIONS)),
    )
    with pytest.raises(AmbiguousColumnError, match="distance="):
        Repository(session, table)
    table.create(session.connection())
    repository = Repository(session, table, distance="l1")
    repository.bulk_load({"id": np.arange(ROWS), "embedding": VECTORS})
    nearest = np.argsort(np.abs(VECTORS - QUERY).sum(axis=1))[:3]
    assert [m.record["id"] for m in repository.search(QUERY, limit=3)] == nearest.tolist()


def test_translated_schemas(engine: sa.Engine) -> None:
    """SQLAlchemy's schema_translate_map sends searches and writes to the schema that it names."""
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("tenant_1"))
        translated = connection.execution_options(schema_translate_map={"Other schema": "tenant_1"})
        Elsewhere.__table__.create(translated)
        repository = Repository(translated, Elsewhere)
        repository.insert(rows())
        assert repository.count() == ROWS
        assert [match.record.id for match in repository.search(QUERY, limit=3)] == NEAREST[:3]
        assert repository.bulk_load([{"id": 99, "title": "x", "embedding": QUERY}]).inserted == 1
        connection.rollback()


@dataclass
class _Point:
    x: float
    y: float


class Composed(Base):
    """A composite attribute is made by SQLAlchemy's loader."""

    __tablename__ = "composed"
    id: Mapped[int] = mapped_column(primary_key=True)
    point: Mapped[_Point] = sa.orm.composite(mapped_column("x"), mapped_column("y"))
    embedding: Mapped[Any] = mapped_column(Embedding(DIMENSIONS, distance="l2"))


def test_composite_attributes(session: Session) -> None:
    """Composite attributes of found records have their values."""
    session.add_all(Composed(id=n, point=_Point(n, -n), embedding=v) for n, v in enumerate(VECTORS))
    session.flush()
    session.expunge_all()
    record = Repository(session, Composed).search(QUERY, limit=1)[0].record
    assert record.point == _Point(NEAREST[0], -NEAREST[0])
