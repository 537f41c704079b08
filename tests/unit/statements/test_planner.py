"""The planner is a function of values: the same facts give the same way."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from pgvec.model import (
    CatalogIndex,
    ColumnStatistics,
    CompactForm,
    Costs,
    Distance,
    IndexMethod,
    Partition,
    TableFacts,
    Term,
    TunedSetting,
    VectorIndex,
    VectorType,
)
from pgvec.orm import Embedding, HnswIndex, read_target
from pgvec.statements.plan import Form, SearchPlan, SearchShape
from pgvec.statements.planner import choose_plan, filter_class, remembered_plan

ITEM = sa.Table(
    "item",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("label", sa.Integer),
    sa.Column("other", sa.Integer),
    sa.Column("embedding", Embedding(784, distance="l2")),
    HnswIndex("embedding", name="item_hnsw"),
)
TARGET = read_target(ITEM)
HNSW = VectorIndex("item_hnsw", IndexMethod.HNSW, Distance.L2)
SHAPE = SearchShape(limit=10)


def column(width: int = 4, **common: float) -> ColumnStatistics:
    values = {name.removeprefix("v"): share for name, share in common.items()}
    numbers = tuple((float(name), share) for name, share in values.items())
    return ColumnStatistics("int4", 0.0, 10.0, width, values, numbers, ())


def facts(**changes: Any) -> TableFacts:
    known: dict[str, Any] = {
        "rows": 60_000.0,
        "pages": 30_000.0,
        "columns": {"embedding": column(3144), "label": column(v1=0.1, v2=0.001, v3=0.5), "other": column(v1=0.5)},
        "indexed": frozenset({"label", "other"}),
        "indexes": (CatalogIndex("item_hnsw", HNSW, True, 60_000.0, ()),),
    }
    return TableFacts(**(known | changes))


def plan(where: Any = None, shape: SearchShape = SHAPE, recall: float | None = None, **changes: Any) -> SearchPlan:
    return choose_plan(TARGET, shape, where, facts(**changes), recall=recall)


def test_without_a_filter_the_index_answers() -> None:
    """Nothing is counted and no budget is set where nothing is filtered."""
    found = plan()
    assert (found.form, found.index, found.cap, found.budget) == (Form.INDEX, HNSW, None, None)


@pytest.mark.parametrize(
    ("value", "form"), [(1, Form.INDEX), (2, Form.EXACT), (3, Form.INDEX), (9, Form.EXACT)], ids=str
)
def test_statistics_decide_where_they_can(value: int, form: Form) -> None:
    """A common value goes to the index, a rare one is compared; neither is counted."""
    found = plan(ITEM.c.label == value)
    assert (found.form, found.cap) == (form, None)
    assert found.reasons


def test_what_statistics_leave_open_is_counted() -> None:
    """Two halves may overlap in any number of rows, so the statement counts up to where the costs meet."""
    found = plan((ITEM.c.label == 3) & (ITEM.c.other == 1))
    assert found.form is Form.COUNTED
    assert found.cap is not None
    assert 1_000 <= found.cap <= 4_000


def test_what_no_index_finds_is_not_counted() -> None:
    """To count would be to read the table, so the vector index is asked first, with a budget worth a part of that."""
    found = plan((ITEM.c.label == 3) & (ITEM.c.other == 1), indexed=frozenset())
    assert found.form is Form.INDEX
    counted = plan((ITEM.c.label == 3) & (ITEM.c.other == 1))
    assert found.budget is not None
    assert counted.budget is not None
    assert found.budget > counted.budget


def test_the_budget_follows_from_the_selectivity() -> None:
    """Rarer rows need a longer walk; many rows make the exact answer dear, so that a longer walk is worth it."""
    rare, common = plan(ITEM.c.label == 1), plan(ITEM.c.label == 3)
    assert rare.budget is not None
    assert common.budget is not None
    assert 500 <= rare.budget <= 2_000
    assert rare.budget < common.budget <= 20_000


def test_a_small_table_is_compared_but_counted() -> None:
    """A few hundred rows cost less to compare; the count guards against a table that has grown since."""
    found = plan(rows=300.0, pages=150.0)
    assert found.form is Form.COUNTED
    assert plan(rows=3_000.0).form is Form.INDEX


def test_nothing_known_is_planned_for_all_the_same() -> None:
    """Without facts, and for a table that was never analysed, the declared index is asked and a filter counted or tried."""
    assert choose_plan(TARGET, SHAPE, None, None).index == TARGET.index
    assert choose_plan(TARGET, SHAPE, None, None).form is Form.INDEX
    found = plan(ITEM.c.label == 1, rows=None, pages=None, columns={})
    assert found.form is Form.COUNTED
    assert found.matching is None


def test_exact_is_exact() -> None:
    """exact=True needs no facts."""
    assert choose_plan(TARGET, SearchShape(limit=10, exact=True), ITEM.c.label == 1, None).form is Form.EXACT


@pytest.mark.parametrize(
    ("index", "warning"),
    [
        (CatalogIndex("broken", HNSW, False, None, ()), "INVALID"),
        (
            CatalogIndex("cosine", HNSW, True, None, (), "its operator class vector_cosine_ops serves cosine"),
            "serves cosine",
        ),
    ],
)
def test_an_index_that_cannot_serve_is_told(index: CatalogIndex, warning: str) -> None:
    """Without a usable index every row is compared, and the warning says which index cannot serve, and why."""
    found = plan(indexes=(index,))
    assert found.form is Form.EXACT
    assert any(warning in text for text in found.warnings)


def partial(*terms: Term, rows: float = 6_000.0) -> CatalogIndex:
    index = VectorIndex("hot", IndexMethod.HNSW, Distance.L2, partial=True)
    return CatalogIndex("hot", index, True, rows, terms)


LABEL_1 = Term("label", "=", ("1",))


def test_a_partial_index_that_the_filter_implies_is_asked() -> None:
    """Its predicate goes into the statement; where it says all that the filter says, no budget is needed."""
    indexes = (*facts().indexes, partial(LABEL_1))
    found = plan(ITEM.c.label == 1, indexes=indexes)
    assert (found.form, found.index and found.index.name, found.predicate) == (Form.INDEX, "hot", (LABEL_1,))
    assert found.budget is None
    narrower = plan((ITEM.c.label == 1) & (ITEM.c.other == 1), indexes=indexes)
    assert narrower.predicate == (LABEL_1,)
    assert narrower.budget is not None


@pytest.mark.parametrize("where", [None, ITEM.c.label == 3, (ITEM.c.label == 1) | (ITEM.c.other == 1)], ids=str)
def test_a_partial_index_is_not_asked_for_more_than_it_holds(where: Any) -> None:
    """Without a filter, with another value, or with an alternative, rows would be missing from it."""
    assert plan(where, indexes=(*facts().indexes, partial(LABEL_1))).predicate == ()


def test_a_partition_tells_its_share() -> None:
    """A condition that leads to one partition passes its rows, whatever the column statistics say."""
    partitions = (Partition((Term("label", "is not null"), LABEL_1), 40_000.0), Partition((), 20_000.0))
    found = plan(ITEM.c.label == 1, partitions=partitions, is_partitioned=True, columns={})
    assert found.matching == pytest.approx((40_000.0, 40_000.0))
    assert found.form is Form.INDEX
    assert not found.hides_filter


def test_a_compact_form_lets_more_rows_be_compared() -> None:
    """Where an index brings halfvecs along, ten thousand rows of 1,500 dimensions out of line are compared by those."""
    form = CompactForm("small", VectorType.HALFVEC, "label", frozenset({"label", "id", "small"}))
    toasted = facts().columns | {"embedding": column(18)}
    assert plan(ITEM.c.label == 1, compact=(form,), columns=toasted).compact == form
    other = CompactForm("small", VectorType.HALFVEC, "other", frozenset({"other", "id", "small"}))
    assert plan(ITEM.c.label == 1, compact=(other,), columns=toasted).compact is None
    bits = CompactForm("small", VectorType.BIT, "label", frozenset({"label", "id", "small"}))
    assert plan(ITEM.c.label == 1, compact=(bits,), columns=toasted).compact is None


SETTINGS = (
    TunedSetting("item_hnsw", "all", 0.95, 120, 0.96, 10),
    TunedSetting("item_hnsw", "all", 0.99, 320, 0.992, 10),
    TunedSetting("item_hnsw", "tenth", 0.95, 200, 0.951, 10),
    TunedSetting("other_index", "all", 0.95, 999, 0.96, 10),
)


@pytest.mark.parametrize(
    ("where", "recall", "ef_search"),
    [(None, None, 120), (None, 0.9, 120), (None, 0.99, 320), (ITEM.c.label == 1, 0.95, 200)],
    ids=str,
)
def test_recall_takes_what_was_measured(where: Any, recall: float | None, ef_search: int) -> None:
    """The smallest setting whose target is at least the recall asked for, of this index and class of filter."""
    found = plan(where, recall=recall, settings=SETTINGS)
    assert found.ef_search == ef_search
    assert not found.warnings


def test_recall_without_measurements_is_told() -> None:
    """A recall that nobody measured is tried by a rule of thumb, with a warning."""
    found = plan(recall=0.99)
    assert found.ef_search == 200
    assert "pgvec tune" in found.warnings[0]


def test_the_callers_ef_search_is_set_as_it_is() -> None:
    """A number that the caller names wins over what was tuned."""
    found = plan(shape=SearchShape(limit=10, ef_search=77), settings=SETTINGS)
    assert (found.ef_search, found.ef_is_floor) == (77, False)


@pytest.mark.parametrize(("limit", "passed", "expected"), [(10, 0, None), (50, 0, 50), (10, 64, 74), (5_000, 0, 1_000)])
def test_an_index_is_asked_for_what_is_wanted(limit: int, passed: int, expected: int | None) -> None:
    """More rows than the server's own ef_search need a larger one, up to pgvector's limit."""
    assert plan(shape=SearchShape(limit=limit, passed=passed)).ef_search == expected


def test_costs_move_the_border() -> None:
    """Where fetching a row costs more, fewer rows are compared."""
    cheap = plan((ITEM.c.label == 3) & (ITEM.c.other == 1))
    dear = plan((ITEM.c.label == 3) & (ITEM.c.other == 1), costs=Costs(row=20.0))
    assert cheap.cap is not None
    assert dear.cap is not None
    assert dear.cap < cheap.cap


def test_plans_are_remembered_by_values() -> None:
    """The same condition with the same values is planned once; other values are planned for anew."""
    known = facts()

    def remembered(value: object) -> SearchPlan:
        where = ITEM.c.label == value
        return remembered_plan(TARGET, SHAPE, where, known, recall=None, where_key=where._generate_cache_key())

    assert remembered(1) is remembered(1)
    assert remembered(1).form is not remembered(2).form
    assert remembered([1]).form is not None


@pytest.mark.parametrize(("share", "name"), [(None, "all"), (0.6, "half"), (0.1, "tenth"), (0.001, "rare")])
def test_classes_of_filters(share: float | None, name: str) -> None:
    """Filters are told apart by the share of rows that they pass."""
    assert filter_class(share) == name
