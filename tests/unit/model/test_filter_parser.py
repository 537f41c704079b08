"""The JSON filter language becomes a tree, or a clear error."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest

from pgvec.errors import InvalidFilterError
from pgvec.model import And, Comparison, Not, Operator, Or, Predicate, parse_filter


def _nested(levels: int) -> dict[str, Any]:
    source: dict[str, Any] = {"a": 1}
    for _ in range(levels):
        source = {"$not": source}
    return source


def test_a_value_means_equality():
    """A bare value after a key is compared with $eq."""
    assert parse_filter({"category": "news"}) == Comparison(("category",), Operator.EQ, "news")


def test_several_conditions_all_hold():
    """Keys of one object, and operators of one key, are joined with and."""
    assert parse_filter({"a": 1, "b": {"$gt": 2, "$lt": 3}}) == And(
        (
            Comparison(("a",), Operator.EQ, 1),
            And((Comparison(("b",), Operator.GT, 2), Comparison(("b",), Operator.LT, 3))),
        )
    )


def test_logical_operators_nest():
    """$and, $or and $not take filters; $not also stands after a key."""
    tree = parse_filter({"$or": [{"a": 1}, {"$not": {"b": {"$not": {"$gt": 2}}}}, {"$and": []}]})
    assert tree == Or(
        (
            Comparison(("a",), Operator.EQ, 1),
            Not(Not(Comparison(("b",), Operator.GT, 2))),
            And(()),
        )
    )


def test_an_empty_filter_has_no_parts():
    """{} holds for everything."""
    assert parse_filter({}) == And(())


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("metadata.source", ("metadata", "source")),
        (r"metadata.a\.b", ("metadata", "a.b")),
        (r"metadata.a\\b", ("metadata", "a\\b")),
        (r"metadata.\\", ("metadata", "\\")),
        ("metadata.0.$x", ("metadata", "0", "$x")),
    ],
)
def test_keys_are_split_at_dots(key: str, path: tuple[str, ...]):
    """A dot leads into JSON; a backslash takes that meaning from it."""
    assert parse_filter({key: 1}) == Comparison(path, Operator.EQ, 1)


@pytest.mark.parametrize("key", ["", ".", ".a", "a.", "a..b", "a\\", "a\\b", "a\\\\\\", "a\0", "\ud800", 1, None])
def test_unreadable_keys_are_refused(key: Any):
    """A key with an empty part, a stray backslash, or no text at all raises."""
    with pytest.raises(InvalidFilterError):
        parse_filter({key: 1})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "a filter is an object"),
        ("category = 1", "a filter is an object"),
        ({"$xor": []}, "unknown operator '\\$xor'.*\\$and, \\$or, \\$not"),
        ({"a": {"$regex": "x"}}, "unknown operator '\\$regex'.*\\$eq.*\\$ilike"),
        ({"a": {"$and": []}}, "unknown operator '\\$and'"),
        ({"$eq": 1}, "unknown operator '\\$eq'"),
        ({"a": {"b": 1}}, "is no operator.*column.key"),
        ({"a": {1: 1}}, "is no operator"),
        ({"a": {}}, "needs an operator"),
        ({"a": [1]}, "is given a list.*\\$in"),
        ({"a": {1}}, "is given a list"),
        ({"$and": {"a": 1}}, "\\$and needs a list"),
        ({"$or": "a"}, "\\$or needs a list"),
        ({"$or": ["a"]}, "a filter is an object"),
        ({"$not": [{"a": 1}]}, "a filter is an object"),
        ({"a": {"$not": 1}}, "\\$not: needs an object"),
        ({"a": {"$in": "abc"}}, "'a' \\$in: needs a list, not 'abc'"),
        ({"a": {"$nin": {"b": 1}}}, "needs a list"),
        ({"a": {"$in": 5}}, "needs a list"),
        ({"a": {"$in": [1, None]}}, "null goes only with \\$eq and \\$ne"),
        ({"a": {"$lt": None}}, "null goes only"),
        ({"a": {"$contains": None}}, "null goes only"),
        ({"a": {"$overlaps": [None]}}, "null goes only"),
        ({"a": {"$like": None}}, "needs a pattern"),
        ({"a": {"$exists": 1}}, "needs true or false"),
        ({"a": {"$lt": True}}, "an order is defined for"),
        ({"a": {"$gte": [1]}}, "an order is defined for"),
        ({"a": {"$between": [1]}}, "two bounds"),
        ({"a": {"$between": "ab"}}, "two bounds"),
        ({"a": {"$between": [1, None]}}, "null goes only"),
        ({"a": {"$like": "x\\"}}, "lone backslash"),
        ({"a": {"$ilike": 1}}, "needs a pattern"),
        ({"a": float("nan")}, "finite"),
        ({"a": {"$in": [float("inf")]}}, "finite"),
        ({"a": Decimal("NaN")}, "finite"),
        ({"a": Decimal("1e400")}, "double precision"),
        ({"a": Decimal("0e-5000")}, "double precision"),
        ({"a": 10**400}, "double precision"),
        ({"a": {"$like": 10**5000}}, "needs a pattern, not <int>"),
        ({"a": "x\0y"}, "NUL"),
        ({"a": {"$eq": {"k\0": 1}}}, "NUL"),
        ({"a": "\ud800"}, "surrogate"),
        ({"a": {"$eq": {1: 1}}}, "keys of a JSON object"),
        ({"a": b"x"}, "cannot compare with b'x', a bytes"),
        ({"a": object()}, "cannot compare with"),
    ],
)
def test_what_is_no_filter_is_refused(source: Any, message: str):
    """Unknown operators, wrong operands and impossible values raise, and the message says what is known or needed."""
    with pytest.raises(InvalidFilterError, match=message):
        parse_filter(source)


def test_an_error_names_key_and_operator():
    """Programs read from the error where in the filter it is, and it survives pickling."""
    with pytest.raises(InvalidFilterError) as caught:
        parse_filter({"metadata.n": {"$in": "x"}})
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.key, error.operator) == ("metadata.n", "$in")


def test_depth_is_limited():
    """32 levels are read, 33 are refused."""
    parse_filter(_nested(32))
    with pytest.raises(InvalidFilterError, match="deeper than 32"):
        parse_filter(_nested(33))


def test_the_depth_of_values_is_limited():
    """A JSON value nested too deeply is refused as well."""
    value: Any = 1
    for _ in range(33):
        value = [value]
    with pytest.raises(InvalidFilterError, match="deeper than 32"):
        parse_filter({"a": {"$eq": value}})


def test_the_number_of_conditions_is_limited():
    """More than 10,000 conditions are refused; a long list is one condition."""
    parse_filter({"$or": [{"a": 1}] * 4_000})
    parse_filter({"a": {"$in": list(range(100_000))}})
    with pytest.raises(InvalidFilterError, match="10,000 conditions"):
        parse_filter({"$or": [{"a": 1}] * 10_000})


def test_structures_that_contain_themselves_are_refused():
    """A cycle ends as an error, in filters and in values, however often it refers to itself."""
    cyclic: dict[str, Any] = {}
    cyclic["$or"] = [cyclic, cyclic]
    items: list[Any] = []
    items.extend([items, items])
    shared: list[Any] = [1]
    for _ in range(30):
        shared = [shared, shared]
    for source in (cyclic, {"a": {"$eq": items}}, {"a": {"$eq": shared}}):
        with pytest.raises(InvalidFilterError):
            parse_filter(source)


def test_a_tree_made_by_hand_is_checked_too():
    """Nodes refuse parts that are none, and comparisons refuse wrong operands."""
    assert And([Predicate("x"), Comparison(["a"], "$lt", 1)]).parts[1] == Comparison(("a",), Operator.LT, 1)  # type: ignore[arg-type]
    for make in (
        lambda: And((1,)),  # type: ignore[arg-type]
        lambda: Not("x"),  # type: ignore[arg-type]
        lambda: Comparison((), Operator.EQ, 1),
        lambda: Comparison(("a",), Operator.IN, "x"),
        lambda: Comparison(("a",), "$regex", "x"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidFilterError):
            make()
