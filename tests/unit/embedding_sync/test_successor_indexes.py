"""Each index of a column has a counterpart on the column that takes its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgvec.embedding_sync.successor_indexes import successor_indexes
from pgvec.model import Distance, IndexMethod, VectorType
from pgvec.model.catalog import CatalogColumn, CatalogIndex

OLD = CatalogColumn("public", "article", "embedding", VectorType.VECTOR, 384, "extended", "external", True, False, True)
NEW = replace(OLD, name="embedding_bge", dimensions=768)
PLAIN = CatalogIndex(
    schema="public",
    table="article",
    name="article_embedding_hnsw",
    column="embedding",
    expression=None,
    method=IndexMethod.HNSW,
    operator_class="vector_l2_ops",
    options={"m": 24},
    predicate="(title IS NOT NULL)",
    tablespace=None,
    valid=True,
    partitioned=False,
    visible=True,
)


def test_a_plain_index_keeps_what_it_says() -> None:
    """Method, options, condition and distance stay; column and name follow."""
    (found,) = successor_indexes([PLAIN], OLD, NEW)
    made = found.definition
    assert made is not None
    assert (made.name, made.column, made.operator_class) == (
        "article_embedding_bge_hnsw",
        "embedding_bge",
        "vector_l2_ops",
    )
    assert (made.method, made.options, made.where, found.distance) == ("hnsw", {"m": 24}, PLAIN.predicate, Distance.L2)


@pytest.mark.parametrize(
    ("expression", "operator_class", "part"),
    [
        ("(embedding)::halfvec(384)", "halfvec_cosine_ops", "halfvec(768)"),
        ("(binary_quantize(embedding))::bit(384)", "bit_hamming_ops", "bit(768)"),
        ("(subvector(embedding, 1, 128))::vector(128)", "vector_cosine_ops", "128"),
    ],
)
def test_an_expression_is_written_anew(expression: str, operator_class: str, part: str) -> None:
    """What holds a smaller form holds that of the new width."""
    index = replace(PLAIN, column=None, expression=expression, operator_class=operator_class, name="small")
    (found,) = successor_indexes([index], OLD, NEW)
    assert found.definition is not None
    assert part in str(found.definition.expression)
    assert "embedding_bge" in str(found.definition.expression)
    assert found.definition.name == "small_embedding_bge"


def test_what_has_no_counterpart() -> None:
    """Other columns' and INVALID indexes are left out; what is not understood is named; long names are cut apart."""
    others = [replace(PLAIN, column="other"), replace(PLAIN, valid=False)]
    assert successor_indexes(others, OLD, NEW) == []
    odd = replace(PLAIN, column=None, expression="(l2_normalize(embedding))::vector(384)")
    assert [found.definition for found in successor_indexes([odd], OLD, NEW)] == [None]
    leading = replace(PLAIN, column=None, expression="(subvector(embedding, 1, 128))::vector(128)")
    assert [found.definition for found in successor_indexes([leading], OLD, replace(NEW, dimensions=64))] == [None]
    (long,) = successor_indexes([replace(PLAIN, name="i" * 60)], OLD, NEW)
    assert long.definition is not None
    assert len(long.definition.name) == 63


def test_another_type_takes_its_own_operators() -> None:
    """A column that becomes halfvec is indexed as it is."""
    (found,) = successor_indexes([PLAIN], OLD, replace(NEW, type=VectorType.HALFVEC))
    assert found.definition is not None
    assert found.definition.operator_class == "halfvec_l2_ops"
