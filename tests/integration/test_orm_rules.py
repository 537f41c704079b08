"""pgvector's limits as pgvec states them, against a server: what is legal builds, what is refused the server refuses too."""

from __future__ import annotations

import itertools

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from psycopg import sql

from pgvec.errors import InvalidOptionError, MappingError
from pgvec.model import Distance, IndexMethod, VectorType
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex, read_target
from pgvec.orm.indexes import index_expression
from pgvec.orm.rules import DISTANCES, INDEXED_DISTANCES, MAX_INDEXED_DIMENSIONS, MAX_STORED_DIMENSIONS, QUANTIZATIONS

INDEXES = {IndexMethod.HNSW: HnswIndex, IndexMethod.IVFFLAT: IvfflatIndex}
DIMENSIONS = 8
SAMPLES = {
    VectorType.VECTOR: [1, 2, 3, 4, 5, 6, 7, 8],
    VectorType.HALFVEC: [1, 2, 3, 4, 5, 6, 7, 8],
    VectorType.SPARSEVEC: {0: 1.0, 7: 2.0},
    VectorType.BIT: "01010101",
}


def declare(metadata, embedding, method, **options):
    name = f"t{len(metadata.tables)}"
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("embedding", embedding),
        INDEXES[method]("embedding", name=f"{name}_index", **options),
    )


def every_combination():
    for kind, method in itertools.product(VectorType, IndexMethod):
        for distance, quantization, leading in itertools.product(
            DISTANCES[kind], (None, *QUANTIZATIONS[kind]), (None, 4)
        ):
            yield kind, distance, method, {"quantization": quantization, "dimensions": leading}


def declare_legal(metadata, schema=None):
    tables = []
    for kind, distance, method, options in every_combination():
        try:
            embedding = Embedding(DIMENSIONS, distance, kind, extension_schema=schema)
            tables.append(declare(metadata, embedding, method, **options))
        except MappingError:
            # Only what the server has no operator class for may be refused, beside parts of sparse and bit vectors.
            stored = options["quantization"] or kind
            by = Distance.HAMMING if options["quantization"] == "bit" else distance
            partless = options["dimensions"] and kind in {"sparsevec", "bit"}
            signs_of_l1 = options["quantization"] == "bit" and distance == "l1"
            assert partless or signs_of_l1 or by not in INDEXED_DISTANCES[method, stored]
    return tables


def names_in(plan):
    yield plan.get("Index Name")
    for child in plan.get("Plans", ()):
        yield from names_in(child)


def index_distance(element, column, index, schema):
    query = sa.cast(sa.literal(SAMPLES[column.type], element.type), element.type)
    stored, compared = (index_expression(side, column, index, schema) for side in (element, query))
    return stored.distance(compared)


@pytest.fixture
def empty_engine(empty_database_url):
    made = sa.create_engine(sqlalchemy_url(empty_database_url))
    yield made
    made.dispose()


@pytest.mark.parametrize("schema", [None, "Ext 5%"], ids=["on-path", "elsewhere"])
def test_every_legal_index_builds_and_answers(empty_engine, schema):
    """Each legal type, distance, method, quantization and part builds, and the expression for queries uses it."""
    metadata = sa.MetaData()
    tables = declare_legal(metadata, schema)
    assert len(tables) == 73
    with empty_engine.begin() as connection:
        if schema is not None:
            connection.execute(sa.schema.CreateSchema(schema))
        connection.execute(
            sa.DDL(
                'CREATE EXTENSION vector SCHEMA "%(schema)s"',
                context={"schema": schema or "public"},
            )
        )
        metadata.create_all(connection)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        for table in tables:
            target = read_target(table)
            connection.execute(table.insert(), {"id": 1, "embedding": SAMPLES[target.column.type]})
            nearest = index_distance(table.c.embedding, target.column, target.index, schema)
            query = sa.select(table.c.id).order_by(nearest).limit(1)
            assert connection.scalar(query) == 1
            text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
            (((plan,),),) = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + text)
            assert target.index.name in set(names_in(plan["Plan"])), text


def test_every_illegal_index_is_refused_by_the_server(connection):
    """What pgvec says pgvector cannot index, pgvector has no operator class for."""
    connection.execute("CREATE TABLE t (vector vector(3), halfvec halfvec(3), sparsevec sparsevec(3), bit bit(3))")
    for kind, method, distance in itertools.product(VectorType, IndexMethod, Distance):
        create = sql.SQL("CREATE INDEX ON t USING {} ({} {})").format(
            sql.Identifier(method), sql.Identifier(kind), sql.Identifier(f"{kind}_{distance.operator_class_suffix}")
        )
        if distance in INDEXED_DISTANCES[method, kind]:
            connection.execute(create)
        else:
            with pytest.raises(psycopg.errors.UndefinedObject):
                connection.execute(create)


@pytest.mark.parametrize("kind", list(VectorType))
def test_types_end_where_the_server_says(connection, kind):
    """The largest number of dimensions can be declared, one more is refused by both."""
    most = MAX_STORED_DIMENSIONS[kind]
    create = sql.SQL("CREATE TABLE t (v {}({}))")
    connection.execute(create.format(sql.Identifier(kind), sql.Literal(most)))
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        connection.execute(create.format(sql.Identifier(kind), sql.Literal(most + 1)))
    with pytest.raises(InvalidOptionError):
        Embedding(most + 1, type=kind)


@pytest.mark.parametrize(
    ("kind", "method"), [each for each in itertools.product(VectorType, IndexMethod) if INDEXED_DISTANCES[each[::-1]]]
)
def test_indexes_end_where_the_server_says(engine, connection, kind, method):
    """The largest number of dimensions is indexed, one more is refused by both."""
    most = MAX_INDEXED_DIMENSIONS[kind]
    distance = min(INDEXED_DISTANCES[method, kind])
    declare(metadata := sa.MetaData(), Embedding(most, distance, kind), method)
    metadata.create_all(engine)
    if most == MAX_STORED_DIMENSIONS[kind]:
        return
    with pytest.raises(MappingError):
        declare(metadata, Embedding(most + 1, distance, kind), method)
    statement = sql.SQL("CREATE TABLE t (v {}({})); CREATE INDEX ON t USING {} (v {})").format(
        sql.Identifier(kind),
        sql.Literal(most + 1),
        sql.Identifier(method),
        sql.Identifier(f"{kind}_{distance.operator_class_suffix}"),
    )
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (IndexMethod.HNSW, {"m": 2}),
        (IndexMethod.HNSW, {"m": 32}),
        (IndexMethod.HNSW, {"m": 100, "ef_construction": 200}),
        (IndexMethod.HNSW, {"m": 2, "ef_construction": 4}),
        (IndexMethod.HNSW, {"ef_construction": 1000}),
        (IndexMethod.IVFFLAT, {"lists": 1}),
        (IndexMethod.IVFFLAT, {"lists": 32_768}),
    ],
)
def test_options_at_the_ends_of_their_ranges_build(engine, method, options):
    """The least and the most of each option are legal for the server too."""
    declare(metadata := sa.MetaData(), Embedding(3), method, **options)
    metadata.create_all(engine)


@pytest.mark.parametrize(
    ("kind", "dimensions"), [(VectorType.VECTOR, 2030), (VectorType.HALFVEC, 4060), (VectorType.BIT, 64_960)]
)
def test_plain_storage_ends_where_a_page_does(engine, kind, dimensions):
    """A row of a key and the largest vector fits into a page, and its storage is plain; one more dimension is refused."""
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("v", Embedding(dimensions, type=kind, storage="plain")),
    )
    value = "1" * dimensions if kind is VectorType.BIT else [1.5] * dimensions
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), {"id": 1, "v": value})
        storage = sa.text("SELECT attstorage FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'")
        assert connection.scalar(storage) == "p"
    with pytest.raises(InvalidOptionError, match="storage='plain'"):
        Embedding(dimensions + 33, type=kind, storage="plain")
