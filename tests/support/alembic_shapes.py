"""Tables with vectors as applications declare them, each as the states that its models go through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pgvector.sqlalchemy as pgv
from sqlalchemy import (
    BigInteger,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)

from pgvec.orm import Embedding, HnswIndex, IvfflatIndex

State = Callable[[], MetaData]


def table(*items: Any, name: str = "article", schema: str | None = None, **options: Any) -> State:
    """One table with a key and some text, and what the shape is about."""

    def build() -> MetaData:
        metadata = MetaData()
        made = [item() if callable(item) else item for item in items]
        key = Column("id", BigInteger, primary_key=True)
        Table(name, metadata, key, Column("category", Text), *made, schema=schema, **options)
        return metadata

    return build


def column(*arguments: Any, name: str = "embedding", nullable: bool = True) -> Callable[[], Column[Any]]:
    return lambda: Column(
        name, Embedding(*arguments[:1], **(arguments[1] if len(arguments) > 1 else {})), nullable=nullable
    )


def plain(type_: Any, name: str = "embedding") -> Callable[[], Column[Any]]:
    return lambda: Column(name, type_)


def hnsw(*arguments: Any, **options: Any) -> Callable[[], Index]:
    return lambda: HnswIndex(*(arguments or ("embedding",)), **options)


def ivfflat(**options: Any) -> Callable[[], Index]:
    return lambda: IvfflatIndex("embedding", **options)


def index(name: str, *on: Any, **options: Any) -> Callable[[], Index]:
    return lambda: Index(name, *on, **{f"postgresql_{key}": value for key, value in options.items()})


def halfvec_cast(dimensions: int) -> Any:
    """The expression of pgvector-python's documentation for an index of half precision."""
    return func.cast(Column("embedding"), pgv.HALFVEC(dimensions)).label("embedding")


def partitioned() -> MetaData:
    metadata = MetaData()
    Table(
        "article",
        metadata,
        Column("id", BigInteger, primary_key=True),
        Column("region", String(2), primary_key=True),
        Column("embedding", Embedding(3)),
        HnswIndex("embedding"),
        postgresql_partition_by="LIST (region)",
    )
    return metadata


def related() -> MetaData:
    metadata = MetaData()
    Table("author", metadata, Column("id", Integer, primary_key=True), Column("name", Text, index=True))
    Table(
        "article",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("author_id", ForeignKey("author.id"), index=True),
        Column("title", Text, unique=True),
        Column("words", Integer, Computed("length(title)")),
        Column("embedding", Embedding(3)),
        Column("summary", Embedding(4, distance="l2", type="halfvec")),
        HnswIndex("embedding"),
        HnswIndex("summary"),
    )
    return metadata


def named() -> MetaData:
    metadata = MetaData(naming_convention={"ix": "idx_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"})
    Table(
        "article",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("embedding", Embedding(3)),
        HnswIndex("embedding"),
    )
    return metadata


EMBEDDING = column(3)
MANUAL = {"using": "hnsw", "ops": {"embedding": "vector_cosine_ops"}}

SHAPES: dict[str, list[State]] = {
    "embedding": [table(EMBEDDING)],
    "hnsw": [table(EMBEDDING, hnsw())],
    "hnsw with options": [table(EMBEDDING, hnsw(m=8, ef_construction=32))],
    "hnsw of each distance": [
        table(
            *(column(3, {"distance": d}, name=d) for d in ("cosine", "l2", "inner_product", "l1")),
            *(hnsw(d) for d in ("cosine", "l2", "inner_product", "l1")),
        )
    ],
    "ivfflat": [table(EMBEDDING, ivfflat(lists=10))],
    "ivfflat with default": [table(column(3, {"distance": "l2"}), ivfflat())],
    "halfvec": [table(column(3, {"type": "halfvec", "distance": "inner_product"}), hnsw())],
    "sparsevec": [table(column(100, {"type": "sparsevec"}), hnsw())],
    "bit": [table(column(64, {"type": "bit", "distance": "jaccard"}), hnsw())],
    "halfvec in the index": [table(EMBEDDING, hnsw(quantization="halfvec"))],
    "bits in the index": [table(EMBEDDING, hnsw(quantization="bit"))],
    "leading dimensions": [
        table(column(8), hnsw(dimensions=4), hnsw(dimensions=4, quantization="halfvec", name="half"))
    ],
    "partial": [table(EMBEDDING, hnsw(where=text("category = 'news' AND id % 2 = 0")))],
    "partial with specials": [table(EMBEDDING, hnsw(where=text("category LIKE '50%\\:b' OR category = 'it''s'")))],
    "several indexes on one column": [
        table(EMBEDDING, hnsw(), hnsw(quantization="bit"), ivfflat(), hnsw(name="again", m=4))
    ],
    "plain storage": [table(column(784, {"storage": "plain"}), hnsw())],
    "not null": [table(column(3, nullable=False))],
    "names that need quotes": [
        table(column(3, name="Em Bedding"), hnsw("Em Bedding", where=text("\"category\" > ''")), name="Select")
    ],
    "naming convention": [named],
    "related tables": [related],
    "partitioned": [partitioned],
    "a schema of its own": [table(EMBEDDING, hnsw(), schema="Sales"), table(column(4), hnsw(m=4), schema="Sales")],
    "pgvector-python": [table(plain(pgv.VECTOR(3)), index("by_hand", "embedding", **MANUAL, **{"with": {"m": 12}}))],
    "pgvector-python, all types": [
        table(
            plain(pgv.VECTOR(3), "v"),
            plain(pgv.HALFVEC(3), "h"),
            plain(pgv.SPARSEVEC(3), "s"),
            plain(pgv.BIT(3), "b"),
            plain(pgv.VECTOR(), "open"),
        )
    ],
    "pgvector-python, expressions": [
        table(
            plain(pgv.VECTOR(3)),
            index("half", halfvec_cast(3), using="hnsw", ops={"embedding": "halfvec_l2_ops"}),
            index("binary", text("(binary_quantize(embedding)::bit(3)) bit_hamming_ops"), using="hnsw"),
            index("defaulted", "embedding", using="ivfflat", **{"with": {"lists": 5}}),
        )
    ],
    # What changes.
    "column added": [table(), table(column(784, {"storage": "plain"}), hnsw())],
    "index added": [table(EMBEDDING), table(EMBEDDING, hnsw())],
    "index removed": [table(EMBEDDING, hnsw(m=10)), table(EMBEDDING)],
    "column removed": [table(column(3, {"storage": "plain"}), hnsw()), table()],
    "table removed": [table(column(3, {"storage": "plain"}), hnsw(quantization="bit", where=text("id > 5"))), MetaData],
    "operator class changed": [
        table(column(3), hnsw(name="ix")),
        table(column(3, {"distance": "l2"}), hnsw(name="ix")),
    ],
    "options changed": [table(EMBEDDING, hnsw(m=8)), table(EMBEDDING, hnsw(m=24, ef_construction=100))],
    "condition changed": [table(EMBEDDING, hnsw(where=text("id > 1"))), table(EMBEDDING, hnsw(where=text("id > 2")))],
    "method changed": [table(EMBEDDING, hnsw(name="ix")), table(EMBEDDING, ivfflat(name="ix"))],
    "quantization changed": [
        table(EMBEDDING, hnsw(name="ix")),
        table(EMBEDDING, hnsw(name="ix", quantization="halfvec")),
    ],
    "dimensions changed": [table(EMBEDDING, hnsw()), table(column(5), hnsw())],
    "dimensions changed under an expression": [
        table(EMBEDDING, hnsw(quantization="halfvec")),
        table(column(5), hnsw(quantization="halfvec")),
    ],
    "type changed": [table(EMBEDDING, hnsw()), table(column(3, {"type": "halfvec", "storage": "plain"}), hnsw())],
    "storage changed": [table(EMBEDDING), table(column(3, {"storage": "plain"})), table(EMBEDDING)],
    "storage kept when dimensions change": [
        table(column(3, {"storage": "plain"})),
        table(column(5, {"storage": "plain"})),
    ],
    "another kind of index before": [
        table(EMBEDDING, index("ix", "category")),
        table(EMBEDDING, hnsw(name="ix")),
    ],
    "another kind of index after": [
        table(EMBEDDING, hnsw(name="ix")),
        table(EMBEDDING, index("ix", "category")),
    ],
    "other columns change too": [
        table(EMBEDDING, lambda: Column("size", Integer, nullable=True), hnsw()),
        table(column(4, nullable=False), lambda: Column("size", BigInteger, nullable=False), index("by_size", "size")),
    ],
    "pgvec takes over": [
        table(plain(pgv.VECTOR(3)), index("ix_article_embedding_hnsw", "embedding", **MANUAL)),
        table(EMBEDDING, hnsw()),
    ],
}

VARIANTS = {
    "ivfflat with default",
    "sparsevec",
    "halfvec",
    "partial",
    "plain storage",
    "not null",
    "naming convention",
    "pgvector-python",
    "index removed",
    "options changed",
    "method changed",
    "dimensions changed",
    "storage kept when dimensions change",
    "another kind of index after",
}
"""Shapes that go the ways of others; only the full level runs them."""
