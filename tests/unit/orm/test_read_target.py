"""Reading a target: which classes, tables, columns and distances are found, and how ambiguity is told."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from pgvector.sqlalchemy import BIT, HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    aliased,
    deferred,
    mapped_column,
    registry,
)

from pgvec.errors import AmbiguousColumnError, InvalidOptionError, MappingError, NotAnEmbeddingColumnError
from pgvec.model import Distance, IndexMethod, VectorIndex, VectorType
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex, read_target
from pgvec.orm.reading import read_columns


class Base(DeclarativeBase):
    pass


class Article(Base):
    __tablename__ = "article"
    __table_args__ = (HnswIndex("vector"), {"schema": "app"})

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column("headline")
    embedding: Mapped[object] = mapped_column(
        "vector", Embedding(3, distance="l2", source=("title",)), deferred=True, nullable=True
    )


class Two(Base):
    __tablename__ = "two"

    first: Mapped[int] = mapped_column(primary_key=True)
    second: Mapped[int] = mapped_column("2nd", primary_key=True)
    text: Mapped[object] = mapped_column(Embedding(3))
    image: Mapped[object] = mapped_column("picture", Embedding(4, type="halfvec", distance="l1"))


def plain_table(kind, *indexes, column="embedding"):
    return sa.Table(
        "t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column(column, kind), *indexes
    )


def test_reads_a_mapped_class():
    """Attribute and column name, table, key, declared type, distance, source and index are found."""
    target = read_target(Article)
    assert target.entity is Article
    assert (target.name, target.key, target.embeddings) == ("app.article", ("id",), ("embedding",))
    assert target.distance is Distance.L2
    assert (target.column.attribute, target.column.name) == ("embedding", "vector")
    assert (target.column.type, target.column.dimensions, target.column.source) == (VectorType.VECTOR, 3, ("title",))
    assert target.index == VectorIndex("ix_article_vector_hnsw", IndexMethod.HNSW, Distance.L2)


def test_reads_a_table():
    """A table is read under the keys of its columns."""
    target = read_target(Article.__table__)
    assert target.entity is Article.__table__
    assert target.column.attribute == "vector"
    keyed = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("ID", sa.Integer, primary_key=True, key="id"),
        sa.Column("v", Embedding(3), key="embedding"),
    )
    HnswIndex(keyed.c.embedding)
    read = read_target(keyed, column="embedding")
    assert (read.key, read.column.attribute, read.column.name) == (("id",), "embedding", "v")
    assert read.index.name == "ix_t_v_hnsw"


@pytest.mark.parametrize("column", ["image", Two.image, Two.__table__.c.picture], ids=["name", "attribute", "column"])
def test_names_one_of_several_columns(column):
    """The column may be named, or given as attribute or as column."""
    target = read_target(Two, column=column)
    assert (target.column.attribute, target.column.name, target.distance) == ("image", "picture", Distance.L1)
    assert target.embeddings == ("text", "image")
    assert target.key == ("first", "second")


def test_a_table_takes_the_attribute_of_its_class():
    """A table's column may be given as the attribute of a class mapped to it."""
    assert read_target(Two.__table__, column=Two.image).column.attribute == "picture"


def test_reads_imperative_dataclass_and_sqlmodel_classes():
    """Each way of mapping a class is read alike."""
    mapping = registry()

    class Imperative:
        pass

    mapping.map_imperatively(
        Imperative, table := plain_table(Embedding(3)), properties={"vector": deferred(table.c.embedding)}
    )

    class DataBase(MappedAsDataclass, DeclarativeBase):
        pass

    class Data(DataBase):
        __tablename__ = "data"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        vector: Mapped[list[float]] = mapped_column(Embedding(3))

    assert [read_target(entity).column.attribute for entity in (Imperative, Data)] == ["vector", "vector"]


def test_reads_sqlmodel_classes():
    """A SQLModel class is read like any other; one without table=True is refused with a hint."""
    sqlmodel = pytest.importorskip("sqlmodel")

    class Tune(sqlmodel.SQLModel, table=True):
        __table_args__ = (HnswIndex("embedding"),)
        id: int = sqlmodel.Field(primary_key=True)
        embedding: list[float] = sqlmodel.Field(sa_type=Embedding(3))

    class Draft(sqlmodel.SQLModel):
        id: int

    assert read_target(Tune).index.name == "ix_tune_embedding_hnsw"
    with pytest.raises(MappingError, match="table=True"):
        read_target(Draft)


def test_reads_subclasses():
    """Subclasses in the same and in a joined table have the embedding of their base, and may have their own."""

    class Inherited(DeclarativeBase):
        pass

    class Animal(Inherited):
        __tablename__ = "animal"
        __mapper_args__ = {"polymorphic_on": "kind"}
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        picture: Mapped[object] = mapped_column(Embedding(3))

    class Cat(Animal):
        __mapper_args__ = {"polymorphic_identity": "cat"}

    class Bird(Animal):
        __tablename__ = "bird"
        __mapper_args__ = {"polymorphic_identity": "bird"}
        id: Mapped[int] = mapped_column(sa.ForeignKey("animal.id"), primary_key=True)
        song: Mapped[object] = mapped_column(Embedding(4))

    assert read_target(Cat, column=Animal.picture).entity is Cat
    song = read_target(Bird, column="song")
    assert (song.name, song.key, set(song.embeddings)) == ("bird", ("id",), {"picture", "song"})
    assert read_target(Bird, column=Animal.picture).name == "animal"


class Decorated(sa.TypeDecorator):
    impl = VECTOR
    cache_ok = True


class Chosen(sa.TypeDecorator):
    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect):
        return dialect.type_descriptor(Embedding(7) if dialect.name == "postgresql" else sa.Text())


@pytest.mark.parametrize(
    ("kind", "vector_type", "dimensions"),
    [
        (VECTOR(3), VectorType.VECTOR, 3),
        (VECTOR(), VectorType.VECTOR, None),
        (HALFVEC(4), VectorType.HALFVEC, 4),
        (SPARSEVEC(5), VectorType.SPARSEVEC, 5),
        (BIT(6), VectorType.BIT, 6),
        (Decorated(3), VectorType.VECTOR, 3),
        (Chosen(), VectorType.VECTOR, 7),
        (sa.JSON().with_variant(HALFVEC(3), "postgresql"), VectorType.HALFVEC, 3),
        (sa.JSON().with_variant(Embedding(3), "postgresql"), VectorType.VECTOR, 3),
    ],
    ids=str,
)
def test_finds_every_vector_type(kind, vector_type, dimensions):
    """pgvector-python's types are found as they are, inside decorators and as variants for Postgres."""
    distance = "hamming" if vector_type is VectorType.BIT else "l2"
    column = read_target(plain_table(kind), distance=distance).column
    assert (column.type, column.dimensions) == (vector_type, dimensions)


def indexed_table(make_index):
    column = sa.Column("embedding", VECTOR(3))
    return sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), column, make_index(column))


def index_on(*expressions, using="hnsw", ops=None, **options):
    return sa.Index("ix", *expressions, postgresql_using=using, postgresql_ops=ops or {}, **options)


@pytest.mark.parametrize(
    ("make_index", "expected"),
    [
        (
            lambda c: index_on(c, ops={"embedding": "vector_ip_ops"}),
            VectorIndex("ix", IndexMethod.HNSW, Distance.INNER_PRODUCT),
        ),
        (
            lambda _: index_on("embedding", using="HNSW", ops={"embedding": "vector_l1_ops"}),
            VectorIndex("ix", IndexMethod.HNSW, Distance.L1),
        ),
        (
            lambda c: index_on(c, using="ivfflat", ops={"embedding": '"Ext".vector_cosine_ops'}),
            VectorIndex("ix", IndexMethod.IVFFLAT, Distance.COSINE),
        ),
        (lambda c: index_on(c, using="ivfflat"), VectorIndex("ix", IndexMethod.IVFFLAT, Distance.L2)),
        (
            lambda c: index_on(sa.cast(c, HALFVEC(3)).label("half"), ops={"half": "halfvec_l2_ops"}),
            VectorIndex("ix", IndexMethod.HNSW, Distance.L2, VectorType.HALFVEC),
        ),
        (
            lambda _: index_on(sa.text("(embedding::halfvec(3)) halfvec_cosine_ops")),
            VectorIndex("ix", IndexMethod.HNSW, Distance.COSINE, VectorType.HALFVEC),
        ),
        (
            lambda c: index_on(
                sa.cast(sa.func.subvector(c, 1, 2), VECTOR(2)).label("part"), ops={"part": "vector_l2_ops"}
            ),
            VectorIndex("ix", IndexMethod.HNSW, Distance.L2, None, 2),
        ),
        (
            lambda c: index_on(c, ops={"embedding": "vector_ip_ops"}, postgresql_where=c.is_not(None)),
            VectorIndex("ix", IndexMethod.HNSW, Distance.INNER_PRODUCT, partial=True),
        ),
    ],
)
def test_takes_the_distance_from_the_only_index(make_index, expected):
    """On pgvector-python's types, a plain Index says by which distance the column is compared."""
    target = read_target(indexed_table(make_index))
    assert target.column.indexes == (expected,)
    assert target.distance is expected.distance


def test_an_index_of_bits_serves_what_is_searched_by():
    """Bits made from numbers tell no distance by themselves; one that is given finds the index."""
    table = plain_table(VECTOR(3))
    index_on(sa.cast(sa.func.binary_quantize(table.c.embedding), BIT(3)).label("b"), ops={"b": "bit_hamming_ops"})
    with pytest.raises(AmbiguousColumnError, match="no vector index on it tells one"):
        read_target(table)
    assert read_target(table, distance="cosine").index.quantization is VectorType.BIT
    assert read_target(table, distance="l1").index is None


@pytest.mark.parametrize(
    "make_index",
    [
        lambda c: sa.Index("ix", c),
        index_on,
        lambda c: index_on(sa.func.l2_normalize(c).label("n"), ops={"n": "vector_ip_ops"}),
        lambda c: index_on(sa.cast(sa.func.subvector(c, 2, 2), VECTOR(2)).label("n"), ops={"n": "vector_l2_ops"}),
        lambda c: index_on(sa.cast(c, SPARSEVEC(3)).label("n"), ops={"n": "sparsevec_l2_ops"}),
        lambda _: index_on("id", ops={"id": "vector_l2_ops"}),
        lambda _: index_on(sa.text("other vector_l2_ops")),
        lambda c: index_on(sa.cast(sa.func.binary_quantize(c), BIT(3)).label("b"), ops={"b": "bit_jaccard_ops"}),
        lambda c: index_on(c, using="gin", ops={"embedding": "vector_l2_ops"}),
    ],
)
def test_leaves_out_indexes_that_a_search_cannot_use(make_index):
    """Indexes of other kinds, and on expressions that pgvec does not write into its queries, tell nothing."""
    table = indexed_table(make_index)
    assert read_target(table, distance="cosine").column.indexes == ()
    with pytest.raises(AmbiguousColumnError, match="give distance="):
        read_target(table)


def test_prefers_the_index_that_keeps_most():
    """Of several indexes, the whole vector comes before a quantized one, and HNSW before IVFFlat."""
    table = plain_table(Embedding(8))
    for index in (HnswIndex, IvfflatIndex):
        index(table.c.embedding, quantization="bit")
        index(table.c.embedding, dimensions=4)
        index(table.c.embedding, quantization="halfvec")
        index(table.c.embedding)
    read = [(index.dimensions, index.quantization, index.method.value) for index in read_target(table).column.indexes]
    assert read == [
        (dimensions, quantization, method)
        for dimensions, quantization in ((None, None), (None, "halfvec"), (None, "bit"), (4, None))
        for method in ("hnsw", "ivfflat")
    ]


def test_a_partial_index_is_not_for_every_search():
    """An index on some rows is known, but not offered for a search over all."""
    target = read_target(plain_table(Embedding(3), HnswIndex("embedding", where=sa.text("id > 5"))))
    assert target.column.indexes[0].partial
    assert target.index is None


def test_a_given_distance_comes_first():
    """Another distance than the declared one may be asked for; no index serves it then."""
    target = read_target(Article, distance="cosine")
    assert target.distance is Distance.COSINE
    assert target.column.distance is Distance.L2
    assert target.index is None


def test_different_indexes_leave_the_distance_open():
    """Two indexes of different distances tell no single one."""
    table = plain_table(VECTOR(3))
    sa.Index("a", table.c.embedding, postgresql_using="hnsw", postgresql_ops={"embedding": "vector_l2_ops"})
    sa.Index("b", table.c.embedding, postgresql_using="hnsw", postgresql_ops={"embedding": "vector_ip_ops"})
    with pytest.raises(AmbiguousColumnError, match="serve inner_product, l2"):
        read_target(table)
    assert read_target(table, distance="l2").index.name == "a"


def test_refuses_a_distance_that_the_type_does_not_have():
    """A distance must exist, and for the type of the column."""
    with pytest.raises(InvalidOptionError, match="choose from"):
        read_target(Article, distance="hamming")
    with pytest.raises(InvalidOptionError, match="is not one of"):
        read_target(Article, distance="euclid")


def test_lists_the_vector_columns():
    """All vector columns of a class or table can be read at once, without choosing one."""
    assert [(column.attribute, column.name) for column in read_columns(Two)] == [("text", "text"), ("image", "picture")]
    assert [column.attribute for column in read_columns(Two.__table__)] == ["text", "picture"]
    assert read_columns(plain_table(sa.Text)) == ()


def test_several_columns_must_be_told_apart():
    """Two embedding columns without column= are ambiguous; the error names them."""
    with pytest.raises(AmbiguousColumnError, match="'text', 'image': give column="):
        read_target(Two)


@pytest.mark.parametrize("column", ["title", "missing", "vector", Article.title, Two.text, Two.__table__.c["2nd"], 5])
def test_refuses_a_column_without_vectors(column):
    """A name that does not exist, a column of another type and one of another model are refused, with what there is."""
    with pytest.raises(NotAnEmbeddingColumnError, match="is no vector column of 'Article': it has 'embedding'"):
        read_target(Article, column=column)


def test_refuses_an_entity_without_vectors():
    """A table without any vector column cannot be searched."""
    with pytest.raises(NotAnEmbeddingColumnError, match="declare one with Embedding"):
        read_target(plain_table(sa.Text))
    with pytest.raises(NotAnEmbeddingColumnError, match="it has none"):
        read_target(plain_table(sa.Text), column="embedding")


def test_refuses_a_table_without_key():
    """Without a primary key rows cannot be told apart."""
    with pytest.raises(MappingError, match="no primary key"):
        read_target(sa.Table("t", sa.MetaData(), sa.Column("embedding", Embedding(3))))


@dataclass
class NotMapped:
    id: int


@pytest.mark.parametrize(
    ("entity", "message"),
    [
        (NotMapped, "the class 'NotMapped' is not mapped"),
        (NotMapped(1), "an object of type 'NotMapped' is not mapped"),
        (Article(id=1), "here Article instead of one of its records"),
        (aliased(Article), "is an alias"),
        (sa.select(Article).subquery(), "is not mapped"),
        (Article.__table__.alias(), "is not mapped"),
        ("article", "an object of type 'str'"),
        (None, "an object of type 'NoneType'"),
    ],
    ids=["class", "object", "record", "alias", "subquery", "table-alias", "name", "none"],
)
def test_refuses_what_is_no_mapped_class(entity, message):
    """Anything else than a mapped class or a table is refused, with a hint where one is at hand."""
    with pytest.raises(MappingError, match=message):
        read_target(entity)


def test_refuses_an_unknown_source():
    """The attributes that an embedding is made from must exist."""

    class Unsourced(Base):
        __tablename__ = "unsourced"
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[object] = mapped_column(Embedding(3, source=("body",)))

    with pytest.raises(MappingError, match=r"Unsourced\.embedding is made from 'body'"):
        read_target(Unsourced)
