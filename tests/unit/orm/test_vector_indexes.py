"""HnswIndex and IvfflatIndex: their DDL for every combination, their names, and what they refuse."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.schema import CreateIndex

from pgvec.errors import InvalidOptionError, MappingError, NotAnEmbeddingColumnError
from pgvec.model import Distance, IndexMethod, VectorColumn, VectorIndex, VectorType
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex
from pgvec.orm.indexes import index_expression
from pgvec.orm.rules import check_index


def table_with(index, embedding, *, metadata=None, name="item", column="embedding"):
    return sa.Table(
        name,
        metadata or sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text),
        sa.Column(column, embedding),
        index,
    )


def ddl(index):
    return str(CreateIndex(index).compile(dialect=postgresql.dialect()))


@pytest.mark.parametrize(
    ("index", "embedding", "sql"),
    [
        (HnswIndex("embedding"), Embedding(3), "hnsw (embedding vector_cosine_ops)"),
        (HnswIndex("embedding"), Embedding(3, distance="l1", type="halfvec"), "hnsw (embedding halfvec_l1_ops)"),
        (
            HnswIndex("embedding", m=8, ef_construction=32),
            Embedding(3, distance="inner_product", type="sparsevec"),
            "hnsw (embedding sparsevec_ip_ops) WITH (m = 8, ef_construction = 32)",
        ),
        (HnswIndex("embedding"), Embedding(3, type="bit", distance="jaccard"), "hnsw (embedding bit_jaccard_ops)"),
        (
            HnswIndex("embedding", quantization="halfvec"),
            Embedding(3, distance="l2"),
            "hnsw (CAST(embedding AS halfvec(3)) halfvec_l2_ops)",
        ),
        (
            HnswIndex("embedding", quantization="bit"),
            Embedding(3),
            "hnsw (CAST(binary_quantize(embedding) AS bit(3)) bit_hamming_ops)",
        ),
        (
            HnswIndex("embedding", dimensions=2),
            Embedding(3, type="halfvec"),
            "hnsw (CAST(subvector(embedding, 1, 2) AS halfvec(2)) halfvec_cosine_ops)",
        ),
        (
            HnswIndex("embedding", dimensions=2, quantization="halfvec"),
            Embedding(3),
            "hnsw (CAST(subvector(embedding, 1, 2) AS halfvec(2)) halfvec_cosine_ops)",
        ),
        (
            HnswIndex("embedding", dimensions=2, quantization="bit"),
            Embedding(3, extension_schema="Ext%"),
            'hnsw (CAST("Ext%%".binary_quantize("Ext%%".subvector(embedding, 1, 2)) AS bit(2)) "Ext%%".bit_hamming_ops)',
        ),
        (
            IvfflatIndex("embedding", lists=10, quantization="halfvec"),
            Embedding(3, extension_schema="ext"),
            "ivfflat (CAST(embedding AS ext.halfvec(3)) ext.halfvec_cosine_ops) WITH (lists = 10)",
        ),
        (IvfflatIndex("embedding"), Embedding(3, type="bit"), "ivfflat (embedding bit_hamming_ops)"),
        (
            HnswIndex("embedding", where=sa.column("kind") == "news"),
            Embedding(3),
            "hnsw (embedding vector_cosine_ops) WHERE kind = 'news'",
        ),
    ],
)
def test_the_operator_class_follows_from_the_column(index, embedding, sql):
    """Each combination gives the expression, operator class and options that pgvector documents."""
    table_with(index, embedding)
    assert ddl(index).endswith(f"ON item USING {sql}")


def test_a_copied_table_keeps_its_indexes():
    """Copying a table to other metadata, as migration tools do, gives the same DDL."""
    index = HnswIndex("embedding", quantization="bit", m=8, ef_construction=32, where=sa.text("kind IS NOT NULL"))
    table = table_with(index, Embedding(3))
    (copied,) = table.to_metadata(sa.MetaData()).indexes
    assert ddl(copied) == ddl(index)


def test_can_be_built_concurrently_and_after_the_table():
    """An index on an attribute joins the table later, and may be built without blocking writes."""

    class Base(DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        vector: Mapped[object] = mapped_column("embedding", Embedding(3))

    index = HnswIndex(Item.vector, name="later", postgresql_concurrently=True)
    assert index in Item.__table__.indexes
    assert ddl(index) == "CREATE INDEX CONCURRENTLY later ON item USING hnsw (embedding vector_cosine_ops)"


def test_takes_columns_that_have_no_table_yet():
    """The index may be given the column itself, before either has a table, and its condition other columns."""

    class Base(DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column()
        vector: Mapped[object] = mapped_column("embedding", Embedding(3))
        __table_args__ = (HnswIndex(vector, where=kind == "news"),)

    (index,) = Item.__table__.indexes
    assert ddl(index) == (
        "CREATE INDEX ix_item_embedding_hnsw ON item USING hnsw (embedding vector_cosine_ops) WHERE kind = 'news'"
    )


def test_a_mixin_gives_each_class_its_own_index():
    """Declared on a mixin, the index is made for every table and named after it."""

    class Base(DeclarativeBase):
        pass

    class Embedded:
        id: Mapped[int] = mapped_column(primary_key=True)
        embedding: Mapped[object] = mapped_column(Embedding(3, distance="l2"))

        @declared_attr.directive
        def __table_args__(cls):  # noqa: N805
            return (HnswIndex("embedding"),)

    class First(Embedded, Base):
        __tablename__ = "first"

    class Second(Embedded, Base):
        __tablename__ = "second"

    names = {index.name for table in (First.__table__, Second.__table__) for index in table.indexes}
    assert names == {"ix_first_embedding_hnsw", "ix_second_embedding_hnsw"}


def test_names_differ_where_indexes_differ():
    """Several indexes on one column get several names, the same in every run."""
    table = table_with(HnswIndex("embedding"), Embedding(3))
    HnswIndex(table.c.embedding, quantization="bit", dimensions=2)
    IvfflatIndex(table.c.embedding)
    assert sorted(index.name for index in table.indexes) == [
        "ix_item_embedding_hnsw",
        "ix_item_embedding_hnsw_bit_2",
        "ix_item_embedding_ivfflat",
    ]


@pytest.mark.parametrize("letter", ["a", "ä"])
def test_long_names_keep_what_tells_them_apart(letter):
    """A name beyond Postgres' 63 bytes ends in a hash of the whole, instead of being cut where indexes differ."""
    table = table_with(HnswIndex("embedding"), Embedding(3), name=letter * 60)
    HnswIndex(table.c.embedding, quantization="bit")
    names = {index.name for index in table.indexes}
    assert len(names) == 2
    assert all(len(name.encode()) <= 63 for name in names)


def test_a_naming_convention_comes_first():
    """Where the metadata has a convention for indexes, it names them; an explicit name stays."""
    metadata = sa.MetaData(naming_convention={"ix": "index_%(table_name)s_%(column_0_name)s"})
    table = table_with(HnswIndex("embedding"), Embedding(3), metadata=metadata)
    HnswIndex(table.c.embedding, name="mine")
    assert {index.name for index in table.indexes} == {"index_item_embedding", "mine"}


def test_a_convention_for_other_constraints_leaves_the_default_name():
    """A convention that says nothing of indexes does not leave them without a name."""
    metadata = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s"})
    (index,) = table_with(HnswIndex("embedding"), Embedding(3), metadata=metadata).indexes
    assert index.name == "ix_item_embedding_hnsw"


@pytest.mark.parametrize(
    ("index", "options", "message"),
    [
        (HnswIndex, {"m": 1}, "m=1 is not a whole number from 2 to 100"),
        (HnswIndex, {"m": 101}, "m=101"),
        (HnswIndex, {"m": True}, "m=True"),
        (HnswIndex, {"m": "16"}, "m='16'"),
        (HnswIndex, {"ef_construction": 3}, "ef_construction=3 is not a whole number from 4 to 1000"),
        (HnswIndex, {"ef_construction": 1001}, "ef_construction=1001"),
        (HnswIndex, {"m": 33}, "ef_construction=64 is less than twice m=33: give ef_construction=66"),
        (HnswIndex, {"ef_construction": 31}, "ef_construction=31 is less than twice m=16"),
        (HnswIndex, {"quantization": "pq"}, "quantization='pq' is not one of"),
        (HnswIndex, {"dimensions": 0}, "dimensions=0"),
        (IvfflatIndex, {"lists": 0}, "lists=0 is not a whole number from 1 to 32768"),
        (IvfflatIndex, {"lists": 32_769}, "lists=32769"),
    ],
)
def test_refuses_options_out_of_range(index, options, message):
    """An option that the server would refuse fails where it is written."""
    with pytest.raises(InvalidOptionError, match=message):
        index("embedding", **options)


@pytest.mark.parametrize(
    ("index", "embedding", "way_out"),
    [
        (HnswIndex("embedding"), Embedding(3072), "2000 dimensions of vector, not 3072; use quantization='halfvec'"),
        (IvfflatIndex("embedding"), Embedding(3072), "use quantization='halfvec'"),
        (HnswIndex("embedding"), Embedding(5000), "use quantization='bit', or dimensions=2000"),
        (
            HnswIndex("embedding", quantization="halfvec"),
            Embedding(5000),
            "4000.*use quantization='bit', or dimensions=4000",
        ),
        (HnswIndex("embedding"), Embedding(5000, distance="l1"), "use dimensions=2000 or fewer"),
        (HnswIndex("embedding"), Embedding(4001, type="halfvec"), "4000.*quantization='bit', or dimensions=4000"),
        (HnswIndex("embedding"), Embedding(64_001, type="bit"), "64000.*search exactly"),
        (IvfflatIndex("embedding"), Embedding(3, distance="l1"), "l1 distance of vector; use HnswIndex, or one of"),
        (IvfflatIndex("embedding"), Embedding(3, type="sparsevec"), "use HnswIndex"),
        (
            IvfflatIndex("embedding"),
            Embedding(3, type="bit", distance="jaccard"),
            "use HnswIndex, or one of .*'hamming'",
        ),
        (HnswIndex("embedding", quantization="bit"), Embedding(3, distance="l1"), "signs only.*quantization='halfvec'"),
        (HnswIndex("embedding", quantization="halfvec"), Embedding(3, type="halfvec"), "use 'bit', or leave it out"),
        (HnswIndex("embedding", quantization="bit"), Embedding(3, type="sparsevec"), "leave it out"),
        (HnswIndex("embedding", quantization="vector"), Embedding(3), "use 'halfvec', 'bit'|use 'bit', 'halfvec'"),
        (HnswIndex("embedding", dimensions=3), Embedding(3), "dimensions=3 is no part of the column's 3"),
        (HnswIndex("embedding", dimensions=2), Embedding(3, type="sparsevec"), "works for vector and halfvec"),
        (HnswIndex("embedding"), VECTOR(3), r"Embedding\(\.\.\., distance=\.\.\.\)"),
    ],
)
def test_refuses_what_pgvector_cannot_index(index, embedding, way_out):
    """An illegal combination fails where the table is declared, with an error that names the way out."""
    with pytest.raises(MappingError, match=way_out):
        table_with(index, embedding)


@pytest.mark.parametrize(
    ("index", "message"), [(HnswIndex("vector"), "only id, kind, embedding"), (HnswIndex("kind"), "no vectors")]
)
def test_refuses_other_columns(index, message):
    """A name that is no column, and a column without vectors, are told apart."""
    with pytest.raises(NotAnEmbeddingColumnError, match=message):
        table_with(index, Embedding(3))


def test_an_index_needs_dimensions():
    """A column that declares no number of dimensions cannot be indexed as a whole, only a leading part of it."""
    column = VectorColumn("embedding", "embedding", VectorType.VECTOR, None, Distance.L2)
    check_index(column, VectorIndex("ix", IndexMethod.HNSW, Distance.L2, dimensions=256))
    with pytest.raises(MappingError, match="declare it, as in Embedding"):
        check_index(column, VectorIndex("ix", IndexMethod.HNSW, Distance.L2))


def test_a_query_can_say_what_the_index_holds():
    """The expression for queries is the same as the index's, also for a query vector and a qualified extension."""
    column = VectorColumn("embedding", "embedding", VectorType.VECTOR, 3, Distance.COSINE)
    index = VectorIndex("ix", IndexMethod.HNSW, Distance.COSINE, VectorType.BIT, 2)
    expression = index_expression(sa.column("q"), column, index, "Ext")
    assert str(expression.compile(dialect=postgresql.dialect())) == (
        'CAST("Ext".binary_quantize("Ext".subvector(q, 1, 2)) AS bit(2))'
    )
    plain = VectorIndex("ix", IndexMethod.HNSW, Distance.COSINE)
    assert index_expression(sa.column("q"), column, plain, None).name == "q"
