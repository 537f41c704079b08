"""The column type Embedding: its DDL, its options, its comparisons, and how SQLAlchemy handles it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from pgvec.errors import DimensionMismatchError, InvalidInputError, InvalidOptionError
from pgvec.model import Distance, VectorType
from pgvec.orm import Embedding, SetStorage
from pgvec.orm.values import SparseVector


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[object] = mapped_column(Embedding(3))
    other: Mapped[object] = mapped_column(Embedding(3, extension_schema="Ext"))
    bits: Mapped[object] = mapped_column(Embedding(3, type="bit"))


def compiled(statement, **options):
    return " ".join(str(statement.compile(dialect=postgresql.dialect(), compile_kwargs=options)).split())


@pytest.mark.parametrize(
    ("embedding", "ddl"),
    [
        (Embedding(384), "vector(384)"),
        (Embedding(384, type="halfvec"), "halfvec(384)"),
        (Embedding(1_000_000_000, type="sparsevec"), "sparsevec(1000000000)"),
        (Embedding(64, type="bit"), "bit(64)"),
        (Embedding(3, extension_schema="extensions"), "extensions.vector(3)"),
        (Embedding(3, extension_schema='My "Ext"'), '"My ""Ext""".vector(3)'),
        (Embedding(3, type="bit", extension_schema="extensions"), "bit(3)"),
        (Embedding(np.int64(3)), "vector(3)"),
    ],
)
def test_names_its_type_in_ddl(embedding, ddl):
    """The type is written with its dimensions, and with the quoted schema where one is given."""
    assert embedding.compile(dialect=postgresql.dialect()) == ddl


def test_declares_what_pgvector_needs_to_know():
    """Distance and type default to cosine and vector, and to hamming for bits."""
    assert (Embedding(3).type, Embedding(3).distance) == (VectorType.VECTOR, Distance.COSINE)
    assert Embedding(3, type="bit").distance is Distance.HAMMING
    assert Embedding(3, source="title").source == ("title",)
    assert Embedding(3, source=["title", "body"]).source == ("title", "body")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimensions": 0}, "dimensions=0 is not a whole number from 1 to 16000"),
        ({"dimensions": 16_001}, "dimensions=16001"),
        ({"dimensions": True}, "dimensions=True"),
        ({"dimensions": 3.0}, r"dimensions=3\.0"),
        ({"dimensions": "3"}, "dimensions='3'"),
        ({"dimensions": 1_000_000_001, "type": "sparsevec"}, "1000000000"),
        ({"type": "real"}, "type='real' is not one of 'bit', 'halfvec', 'sparsevec', 'vector'"),
        ({"distance": "euclidean"}, "distance='euclidean' is not one of"),
        ({"distance": "hamming"}, "choose from 'cosine', 'inner_product', 'l1', 'l2'"),
        ({"distance": "cosine", "type": "bit"}, "choose from 'hamming', 'jaccard'"),
        ({"storage": "main"}, "storage='main' is neither"),
        ({"extension_schema": ""}, "extension_schema='' is neither"),
        ({"dimensions": 2031, "storage": "plain"}, "2030 dimensions of vector.*type='halfvec' reaches 4060"),
        ({"dimensions": 4061, "storage": "plain", "type": "halfvec"}, "4060 dimensions of halfvec"),
    ],
)
def test_refuses_options_beyond_pgvector(options, message):
    """An option that pgvector cannot serve fails where the column is declared, and names what would do."""
    with pytest.raises(InvalidOptionError, match=message):
        Embedding(**{"dimensions": 3, **options})


def test_a_copy_keeps_every_option():
    """Mixins, copies of tables and pickled metadata keep what was declared."""
    declared = Embedding(
        3, distance="l2", type="halfvec", storage="plain", source=("a", "b"), embedder="mini", extension_schema="x"
    )
    expected = (
        "Embedding(3, distance='l2', type='halfvec', storage='plain', source=('a', 'b'), embedder='mini', "
        "extension_schema='x')"
    )
    assert repr(declared) == repr(declared.copy()) == repr(pickle.loads(pickle.dumps(declared))) == expected
    assert repr(eval(expected)) == expected
    assert repr(Embedding(3)) == "Embedding(3, distance='cosine')"


def test_statements_of_different_columns_are_cached_apart():
    """The cache of compiled statements tells types with other options apart, so that no value is bound as another's."""
    options = [(3,), (4,), (3, "l2"), (3, "cosine", "halfvec"), (3, "cosine", "vector", None, None, None, "x")]
    keys = {sa.cast(sa.column("a"), Embedding(*given))._generate_cache_key().key for given in options}
    assert len(keys) == len(options)
    again = {sa.cast(sa.column("a"), Embedding(*given))._generate_cache_key().key for given in options}
    assert keys == again


@pytest.mark.parametrize(
    ("comparison", "sql"),
    [
        (Note.embedding.distance([1, 2, 3]), "note.embedding <=> %(param_1)s"),
        (Note.embedding.cosine_distance((1, 2, 3)), "note.embedding <=> %(param_1)s"),
        (Note.embedding.l2_distance(np.ones(3)), "note.embedding <-> %(param_1)s"),
        (Note.embedding.max_inner_product([1, 2, 3]), "note.embedding <#> %(param_1)s"),
        (Note.embedding.l1_distance([1, 2, 3]), "note.embedding <+> %(param_1)s"),
        (Note.bits.hamming_distance("010"), "note.bits <~> %(param_1)s"),
        (Note.bits.jaccard_distance("010"), "note.bits <%%> %(param_1)s"),
        (Note.bits.distance("010"), "note.bits <~> %(param_1)s"),
        (Note.other.distance(Note.embedding), 'note.other OPERATOR("Ext".<=>) note.embedding'),
        (Note.embedding.distance(aliased(Note, name="n").embedding), "note.embedding <=> n.embedding"),
        (Note.embedding.distance([1, 2, 3]) < 0.5, "(note.embedding <=> %(param_1)s) < %(param_2)s"),
        (Note.embedding.distance(sa.null()), "note.embedding <=> NULL"),
        (Note.embedding == [1, 2, 3], "note.embedding = %(embedding_1)s"),
        (Note.embedding == np.ones(3), "note.embedding = %(embedding_1)s"),
        (Note.embedding != None, "note.embedding IS NOT NULL"),  # noqa: E711
        (Note.embedding.distance(sa.select(Note.embedding).scalar_subquery()), "<=> (SELECT note.embedding FROM note)"),
    ],
)
def test_compares_with_vectors_columns_and_expressions(comparison, sql):
    """Each distance is pgvector's operator, with the schema where one is declared."""
    assert sql in compiled(sa.select(comparison))


def test_distances_are_numbers():
    """A distance has the type Float, so that it can be compared and read."""
    assert isinstance(Note.embedding.distance([1, 2, 3]).type, sa.Float)


def test_refuses_a_distance_of_another_type():
    """Bits have no cosine distance."""
    with pytest.raises(InvalidOptionError, match="not defined for type='bit'"):
        Note.bits.cosine_distance("010")


def test_values_are_checked_when_they_are_bound():
    """Wrong dimensions and a zero vector under the declared cosine distance fail before the statement is sent."""
    bind = Embedding(3).bind_processor(postgresql.dialect())
    assert bind(None) is None
    assert bind(np.array([1, 2.5, 3])) == "[1,2.5,3]"
    with pytest.raises(DimensionMismatchError, match="embedding has 2 dimensions, but its column has 3"):
        bind([1, 2])
    with pytest.raises(InvalidInputError, match="cosine"):
        bind([0, 0, 0])


def test_a_query_is_checked_for_the_distance_of_the_comparison():
    """A zero vector may be compared by l2, even on a column declared with cosine."""
    assert "'[0,0,0]'" in compiled(Note.embedding.l2_distance([0, 0, 0]), literal_binds=True)
    with pytest.raises(sa.exc.CompileError) as caught:
        compiled(Note.embedding.cosine_distance([0, 0, 0]), literal_binds=True)
    assert isinstance(caught.value.__cause__, InvalidInputError)


def test_literals_hold_checked_vectors_only():
    """A value rendered into the statement is refused unless it is a vector, so that no text can slip in."""
    assert compiled(Note.bits.distance([True, False, True]), literal_binds=True) == "note.bits <~> '101'"
    with pytest.raises(sa.exc.CompileError, match="Could not render literal value"):
        compiled(Note.bits.distance("1' OR '1'='1"), literal_binds=True)


@pytest.mark.parametrize(
    ("kind", "first", "second", "equal"),
    [
        ("vector", [1, 2, 3], np.array([1, 2, 3], dtype=np.float32), True),
        ("vector", np.ones(3), np.zeros(3), False),
        ("vector", None, np.ones(3), False),
        ("vector", None, None, True),
        ("vector", [1, 2], np.ones(3), False),
        ("sparsevec", {0: 1.0}, SparseVector({0: 1.0}, 3), True),
        ("bit", "101", np.array([True, False, True]), True),
    ],
)
def test_compares_values_as_postgres_would(kind, first, second, equal):
    """A flush can tell whether a vector changed, whatever form the two values have."""
    assert Embedding(3, type=kind).compare_values(first, second) is equal


def test_tells_the_class_of_its_values():
    """Tools that ask for the Python type get the class of what is read."""
    assert Embedding(3).python_type is np.ndarray
    assert Embedding(3, type="sparsevec").python_type is SparseVector


def statements_of_create_all(metadata):
    sent = []
    engine = sa.create_mock_engine("postgresql+psycopg://", lambda statement, *_, **__: sent.append(statement))
    metadata.create_all(engine, checkfirst=False)
    return [compiled(statement) for statement in sent if isinstance(statement, SetStorage)]


def test_plain_storage_follows_the_table():
    """Storage is set after each table that declares it, also for copies, decorated types and odd names."""

    class Decorated(sa.TypeDecorator):
        impl = Embedding
        cache_ok = True

    metadata = sa.MetaData()
    table = sa.Table(
        "My Table",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("Vector", Embedding(3, storage="plain")),
        sa.Column("decorated", Decorated(3, storage="plain")),
        sa.Column("ordinary", Embedding(3)),
        schema="app",
    )
    expected = [
        'ALTER TABLE app."My Table" ALTER COLUMN "Vector" SET STORAGE PLAIN',
        'ALTER TABLE app."My Table" ALTER COLUMN decorated SET STORAGE PLAIN',
    ]
    copied = sa.MetaData()
    table.to_metadata(copied)
    assert statements_of_create_all(metadata) == statements_of_create_all(copied) == expected


def test_storage_is_for_postgres_only():
    """Another database, which tests may use for other tables, gets no such statement."""
    table = sa.Table(
        "t", sa.MetaData(), sa.Column("v", sa.JSON().with_variant(Embedding(3, storage="plain"), "postgresql"))
    )
    engine = sa.create_engine("sqlite://")
    table.create(engine)
    assert sa.inspect(engine).has_table("t")
    engine.dispose()
