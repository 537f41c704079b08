"""Arguments of the repositories, checked once for both."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import sqlalchemy.orm
from sqlalchemy.orm.attributes import instance_state

from pgvec.embedders import check_embeddings
from pgvec.errors import (
    ConfigurationError,
    InvalidInputError,
    InvalidOptionError,
    RecordNotFoundError,
)
from pgvec.model import Embedder, InputKind, InputRole, Target, VectorType
from pgvec.operations.keyword import KeywordQuestion
from pgvec.operations.load import LoadOptions
from pgvec.operations.search import Question
from pgvec.orm.values import check_value, to_text
from pgvec.statements.filters import build_filter
from pgvec.statements.keyword import limit_belongs_to_the_index
from pgvec.statements.load import OnConflict
from pgvec.statements.load_requests import RowForm
from pgvec.statements.plan import SearchShape, attributes
from pgvec.statements.scoring import INDEX, TEXT, KeywordScoring
from pgvec.statements.search import QUERY

__all__ = [
    "LARGEST_LIMIT",
    "check_embedder",
    "embed_query",
    "is_vector_text",
    "key_of",
    "keyword_parameters",
    "keyword_question",
    "load_options",
    "question",
    "upsert_key",
]

LARGEST_LIMIT = 100_000
_LARGEST_OFFSET = 1_000_000
_EF_SEARCH = range(1, 1_001)
_LONGEST_TEXT = 10_000


def question(
    target: Target,
    query: object,
    *,
    where: object,
    limit: int,
    offset: int,
    exact: bool,
    max_distance: float | None,
    ef_search: int | None,
    recall: float | None,
    columns: Sequence[Any] | None,
    include_embedding: bool,
) -> Question:
    """Check the arguments of a search whose query is a vector or a record."""
    shape = SearchShape(
        limit=_whole_number("limit", limit, 1, LARGEST_LIMIT),
        offset=_whole_number("offset", offset, 0, _LARGEST_OFFSET),
        exact=bool(exact),
        bounded=max_distance is not None,
        ef_search=None if ef_search is None else _whole_number("ef_search", ef_search, _EF_SEARCH[0], _EF_SEARCH[-1]),
        by_record=_is_record(target, query),
    )
    condition = build_filter(target, where)
    parameters: dict[str, Any] = {}
    record_key = None
    if shape.by_record:
        record_key = _identity(target, query)
        parameters.update({f"pgvec_key_{n}": value for n, value in enumerate(record_key)})
        condition = _and(condition, _other_than(target, record_key))
    else:
        parameters[QUERY] = _query_value(target, query)
    if max_distance is not None:
        parameters["pgvec_max_distance"] = _number("max_distance", max_distance)
    if columns is not None and include_embedding:
        raise InvalidOptionError("include_embedding belongs to records: with columns=, name the embedding among them")
    return Question(
        shape,
        condition,
        _display(target, columns),
        bool(include_embedding),
        parameters,
        record_key,
        None if recall is None else _share("recall", recall),
    )


def keyword_question(
    target: Target,
    text: object,
    *,
    where: object,
    limit: int,
    offset: int,
    index: str | None,
    columns: Sequence[Any] | None,
    include_embedding: bool,
) -> KeywordQuestion:
    """Check the arguments of a keyword search."""
    shape = SearchShape(
        limit=_whole_number("limit", limit, 1, LARGEST_LIMIT),
        offset=_whole_number("offset", offset, 0, _LARGEST_OFFSET),
    )
    if columns is not None and include_embedding:
        raise InvalidOptionError("include_embedding belongs to records: with columns=, name the embedding among them")
    return KeywordQuestion(
        shape,
        KeywordScoring(pushed=where is None and limit_belongs_to_the_index(target)),
        build_filter(target, where),
        _display(target, columns),
        bool(include_embedding),
        keyword_parameters(text, index),
    )


def keyword_parameters(text: object, index: object) -> dict[str, Any]:
    """Check what a keyword search asks for, and of which index."""
    if not isinstance(text, str):
        raise InvalidInputError(f"A keyword search takes a text, not {type(text).__name__}")
    if not text.strip():
        raise InvalidInputError("The query is an empty text: give at least one word")
    if len(text) > _LONGEST_TEXT:
        raise InvalidInputError(
            f"The query has {len(text):,} characters: a keyword search takes at most {_LONGEST_TEXT:,}; ask with the words "
            "that matter"
        )
    if index is not None and not isinstance(index, str):
        raise InvalidOptionError(f"index= takes the name of a keyword index, not {index!r}")
    return {TEXT: text, INDEX: index}


def is_vector_text(target: Target, query: str) -> bool:
    """Whether a string is the query vector itself: for a ``bit`` column, zeros and ones."""
    return target.column.type is VectorType.BIT and bool(query) and not query.strip("01")


def embed_query(target: Target, embedder: Embedder | None, text: str) -> Any:
    """Embed a question."""
    if not text.strip():
        raise InvalidInputError("The query is an empty text: give at least one word")
    if embedder is None:
        raise ConfigurationError(
            f"The query {text[:40]!r} is a text, and this repository has no embedder: pass embedder= to the repository, "
            "for example pgvec.embedders.default_embedder()"
        )
    _check_fit(target, embedder)
    vectors = embedder.embed([text], role=InputRole.QUERY)
    return check_embeddings(vectors, 1, embedder.dimensions)[0]


def check_embedder(embedder: object) -> None:
    """Refuse what is no embedder, without asking it anything: a local model loads when it is first asked."""
    missing = [
        name for name in ("name", "revision", "dimensions", "kinds", "embed") if not hasattr(type(embedder), name)
    ]
    if missing and not all(name in getattr(embedder, "__dict__", {}) for name in missing):
        raise ConfigurationError(
            f"{type(embedder).__name__} is no embedder, it lacks {', '.join(missing)}: see the protocol pgvec.Embedder"
        )


def _check_fit(target: Target, embedder: Embedder) -> None:
    """Refuse an embedder whose vectors the column cannot hold."""
    if InputKind.TEXT not in embedder.kinds:
        raise ConfigurationError(f"The embedder {embedder.name} takes no text: pass a vector instead")
    dimensions = target.column.dimensions
    if dimensions is not None and embedder.dimensions != dimensions:
        raise ConfigurationError(
            f"The embedder {embedder.name} makes vectors of {embedder.dimensions} dimensions, and "
            f"{target.name}.{target.column.attribute} holds {dimensions}: use the model that filled the column"
        )


def load_options(rows: object, on_conflict: OnConflict, key: object, connection: Any) -> LoadOptions:
    """Return how to load rows: files say themselves in which form their values are."""
    return LoadOptions(
        on_conflict=on_conflict,
        key=None if key is None else tuple(key) if isinstance(key, list | tuple) else (key,),
        form=getattr(rows, "form", RowForm.PYTHON),
        schemas=connection.get_execution_options().get("schema_translate_map"),
    )


def key_of(target: Target, key: object) -> tuple[Any, ...]:
    """Bring a primary key into the form of a tuple; it may be a value, a tuple or a mapping."""
    if isinstance(key, Mapping):
        if set(key) != set(target.key):
            raise InvalidInputError(
                f"The key of {target.name} is ({', '.join(target.key)}), not ({', '.join(map(str, key))})"
            )
        values = tuple(key[name] for name in target.key)
    else:
        values = tuple(key) if isinstance(key, tuple | list) else (key,)
    if len(values) != len(target.key):
        raise InvalidInputError(
            f"The key of {target.name} is ({', '.join(target.key)}), so {len(target.key)} values, not {len(values)}"
        )
    if any(value is None or isinstance(value, sa.ClauseElement) for value in values):
        raise InvalidInputError(f"The key {values!r} of {target.name} has to be made of plain values that are not None")
    return values


def upsert_key(target: Target, key: object) -> tuple[str, ...]:
    """Return the attribute names that tell which rows are the same; the primary key by default."""
    if key is None:
        return target.key
    given = key if isinstance(key, tuple | list) else (key,)
    names = tuple(item if isinstance(item, str) else getattr(item, "key", None) for item in given)
    known = _column_names(target)
    for item, name in zip(given, names, strict=True):
        if name not in known:
            raise InvalidOptionError(
                f"key= names {item!r}, which {target.name} does not have; it has: {', '.join(sorted(known))}"
            )
    if not names:
        raise InvalidOptionError("key= is empty: name at least one attribute, or leave it out for the primary key")
    return tuple(str(name) for name in names)


def _is_record(target: Target, query: object) -> bool:
    return not isinstance(target.entity, sa.Table) and isinstance(query, target.entity)


def _identity(target: Target, record: object) -> tuple[Any, ...]:
    state = instance_state(record)
    if state.key is not None:
        return tuple(state.key[1])
    values = tuple(state.dict.get(name) for name in target.key)
    if None in values:
        raise RecordNotFoundError(
            f"This {target.name} has no key yet, so nothing stored can be searched by it: flush the session first, or pass "
            "its vector"
        )
    return values


def _other_than(target: Target, key: tuple[Any, ...]) -> sa.ColumnElement[bool]:
    same = (column == value for column, value in zip(attributes(target, target.key), key, strict=True))
    return sa.not_(sa.and_(*same))


def _and(left: sa.ColumnElement[bool] | None, right: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return right if left is None else sa.and_(left, right)


def _query_value(target: Target, query: object) -> Any:
    if query is None:
        raise InvalidInputError("The query is None: give a vector, a text or a stored record")
    value = check_value(query, target.column, distance=target.distance, what="query vector")
    return value if target.column.type in (VectorType.VECTOR, VectorType.HALFVEC) else to_text(value)


def _column_names(target: Target) -> set[str]:
    if isinstance(target.entity, sa.Table):
        return set(target.entity.c.keys())
    return set(sa.inspect(target.entity).column_attrs.keys())


def _display(target: Target, columns: Sequence[Any] | None) -> tuple[Any, ...] | None:
    if columns is None:
        return None
    if isinstance(columns, str) or not isinstance(columns, Sequence) or not columns:
        raise InvalidOptionError(
            f"columns= takes a tuple of columns, such as ({target.name}.{target.key[0]},), not {columns!r}"
        )
    return tuple([_column(target, column) for column in columns])


def _column(target: Target, column: Any) -> Any:
    if isinstance(column, sa.orm.InstrumentedAttribute):
        is_column = not isinstance(column.property, sa.orm.RelationshipProperty)
    else:
        is_column = isinstance(column, sa.ColumnElement)
    if is_column:
        _require_own(target, column)
        return column
    if isinstance(column, str):
        if column not in _column_names(target):
            raise InvalidOptionError(
                f"columns= names {column!r}, which {target.name} does not have; it has: "
                f"{', '.join(sorted(_column_names(target)))}"
            )
        return attributes(target, (column,))[0]
    raise InvalidOptionError(f"columns= takes columns and expressions, not {column!r}")


def _require_own(target: Target, column: Any) -> None:
    """Refuse a column of another table, which would join it without a condition and multiply the rows."""
    element = column.__clause_element__() if hasattr(column, "__clause_element__") else column
    own = {target.entity} if isinstance(target.entity, sa.Table) else set(sa.inspect(target.entity).tables)
    for part in _outer_columns(element):
        if isinstance(part.table, sa.Table) and part.table not in own:
            raise InvalidOptionError(
                f"columns= names {part.table.name}.{part.name}, which is not a column of {target.name}: read it through the "
                "relationship of the records, or select it in a scalar subquery"
            )


def _outer_columns(element: Any) -> Iterator[sa.Column[Any]]:
    """Yield the columns of an expression, but not those inside a subquery, which brings its own FROM."""
    if isinstance(element, sa.Column):
        yield element
    elif not isinstance(element, sa.ScalarSelect | sa.Exists | sa.SelectBase):
        for child in element.get_children():
            yield from _outer_columns(child)


def _whole_number(name: str, value: object, least: int, most: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidOptionError(f"{name} has to be a whole number, not {value!r}")
    if not least <= number <= most:
        raise InvalidOptionError(f"{name} has to be between {least} and {most}, not {number}")
    return number


def _share(name: str, value: object) -> float:
    number = _number(name, value)
    if not 0.0 < number <= 1.0:
        raise InvalidOptionError(f"{name} has to be above 0 and at most 1, not {value!r}")
    return number


def _number(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidOptionError(f"{name} has to be a number, not {value!r}") from None
    if isinstance(value, str | bool) or math.isnan(number):
        raise InvalidOptionError(f"{name} has to be a number, not {value!r}")
    return number
