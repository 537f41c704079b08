"""Arguments of the repositories, checked once for both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from pgvec.execution.filter_record import FilterRecord
from pgvec.model import Embedder, InputKind, InputRole, Match, StoredRecord, Target, VectorType, input_kind
from pgvec.operations.aim import check_fit
from pgvec.operations.load import LoadOptions
from pgvec.operations.search import Question, query_value
from pgvec.orm.values import check_value, to_text
from pgvec.repository import checks
from pgvec.statements.filters import build_filter
from pgvec.statements.load import OnConflict
from pgvec.statements.load_requests import RowForm
from pgvec.statements.plan import SearchShape, attributes, own_tables
from pgvec.statements.search import AFTER, QUERY
from pgvec.statements.search_many import QUERIES

__all__ = [
    "LARGEST_BATCH",
    "LARGEST_LIMIT",
    "SearchOptions",
    "check_embedder",
    "check_question",
    "check_record",
    "checked_options",
    "embed_query",
    "identity",
    "is_record",
    "is_vector_text",
    "key_of",
    "load_options",
    "question",
    "question_kind",
    "question_of_many",
    "upsert_key",
]

LARGEST_LIMIT = 100_000
LARGEST_BATCH = 10_000
"""Most queries that one statement answers."""
_LARGEST_OFFSET = 1_000_000
_EF_SEARCH = range(1, 1_001)
_MOST_DISPLAYS = 1_000
_ATTRIBUTES = (sa.orm.InstrumentedAttribute, sa.Column)
_displays: dict[tuple[Target, tuple[Any, ...]], tuple[Any, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The arguments that all searches take, as the caller gave them."""

    where: object
    limit: int
    exact: bool
    max_distance: float | None
    ef_search: int | None
    recall: float | None
    columns: Sequence[Any] | None
    include_embedding: bool
    offset: int = 0
    after: Match[Any] | None = None


def question(target: Target, query: object, options: SearchOptions) -> Question:
    """Check the arguments of a search whose query is a vector or a record."""
    by_record = is_record(target, query)
    parameters: dict[str, Any] = {}
    checked = checked_options(target, options, parameters, by_record=by_record)
    if not by_record:
        parameters[QUERY] = _query_value(target, query)
        return checked
    key = identity(target, query)
    parameters.update({f"pgvec_key_{n}": value for n, value in enumerate(key)})
    return replace(checked, where=_and(checked.where, _other_than(target, key)), record_key=key)


def question_of_many(target: Target, queries: Iterable[object], options: SearchOptions) -> Question:
    """Check the arguments of a search for many vectors."""
    parameters: dict[str, Any] = {}
    checked = checked_options(target, options, parameters, many=True)
    texts = []
    for position, query in enumerate(queries, start=1):
        try:
            texts.append(to_text(check_value(query, target.column, distance=target.distance, what="query vector")))
        except InvalidInputError as exc:
            raise type(exc)(f"query {position}: {exc}") from exc
    if len(texts) > LARGEST_BATCH:
        raise InvalidOptionError(f"{len(texts):,} queries at once are more than {LARGEST_BATCH:,}: ask in parts")
    parameters[QUERIES] = texts
    return checked


def checked_options(
    target: Target,
    options: SearchOptions,
    parameters: dict[str, Any],
    *,
    by_record: bool = False,
    many: bool = False,
) -> Question:
    """Check what does not depend on the query, and put into ``parameters`` what the statement needs of it."""
    if options.columns is not None and options.include_embedding:
        raise InvalidOptionError("include_embedding belongs to records: with columns=, name the embedding among them")
    if options.max_distance is not None:
        parameters["pgvec_max_distance"] = checks.number("max_distance", options.max_distance)
    offset = checks.whole_number("offset", options.offset, 0, _LARGEST_OFFSET)
    ef_search = options.ef_search
    shape = SearchShape(
        limit=checks.whole_number("limit", options.limit, 1, LARGEST_LIMIT),
        offset=offset,
        exact=bool(options.exact),
        bounded=options.max_distance is not None,
        ef_search=None
        if ef_search is None
        else checks.whole_number("ef_search", ef_search, _EF_SEARCH[0], _EF_SEARCH[-1]),
        by_record=by_record,
        passed=0 if options.after is None else _passed(options.after, offset),
        many=many,
    )
    if options.after is not None:
        parameters.update({f"{AFTER}_{n}": value for n, value in enumerate(_place(target, options.after))})
    return Question(
        shape,
        build_filter(target, options.where),
        _display(target, options.columns),
        bool(options.include_embedding),
        parameters,
        recall=None if options.recall is None else checks.share("recall", options.recall),
        first_rank=offset + 1 if options.after is None else options.after.rank + 1,
    )


def _passed(after: object, offset: int) -> int:
    """Return the rows of the pages before, rounded up so that pages share a prepared statement."""
    if not isinstance(after, Match):
        raise InvalidOptionError(f"after= takes the last match of the page before, not {after!r}")
    if offset:
        raise InvalidOptionError("after= says where the page begins, so there is nothing for offset= to pass over")
    return 1 << (after.rank - 1).bit_length()


def _place(target: Target, after: Match[Any]) -> tuple[Any, ...]:
    """Return the distance and the key of a match, after which a page begins."""
    record = after.record
    if is_record(target, record):
        return (after.distance, *identity(target, record))
    missing = object()
    values = tuple(
        record.get(name, missing) if isinstance(record, Mapping) else getattr(record, name, missing)
        for name in target.key
    )
    if missing in values:
        raise InvalidOptionError(
            f"after= needs the key of the match ({', '.join(target.key)}) to go on behind it: name it among columns="
        )
    return (after.distance, *values)


def is_vector_text(target: Target, query: str) -> bool:
    """Whether a string is the query vector itself: for a ``bit`` column, zeros and ones."""
    return target.column.type is VectorType.BIT and bool(query) and not query.strip("01")


def question_kind(target: Target, query: object) -> InputKind | None:
    """Return what a query is that has to be embedded: a text, a picture or a sound; else None."""
    if isinstance(query, str) and is_vector_text(target, query):
        return None
    return input_kind(query)


def embed_query(target: Target, embedder: Embedder | None, query: object) -> Any:
    """Embed a question."""
    check_question(embedder, query)
    assert embedder is not None
    kind = input_kind(query)
    assert kind is not None, "a question is a text, a picture or a sound"
    check_fit(target, embedder, {kind})
    vectors = embedder.embed([query], role=InputRole.QUERY)
    return check_embeddings(vectors, 1, embedder.dimensions)[0]


def check_question(embedder: Embedder | None, query: object) -> None:
    """Refuse a question that cannot be embedded here."""
    if isinstance(query, str) and not query.strip():
        raise InvalidInputError("The query is an empty text: give at least one word")
    if embedder is None:
        brief = f"{query[:40]!r} is a text that" if isinstance(query, str) else f"{query!r}"
        raise ConfigurationError(
            f"The query {brief} has to be embedded, and this repository has no embedder: pass embedder= to the repository, "
            "for example pgvec.embedders.default_embedder()"
        )


def check_embedder(embedder: object) -> None:
    """Refuse what is no embedder, without asking it anything: a local model loads when it is first asked."""
    missing = [
        name for name in ("name", "revision", "dimensions", "kinds", "embed") if not hasattr(type(embedder), name)
    ]
    if missing and not all(name in getattr(embedder, "__dict__", {}) for name in missing):
        raise ConfigurationError(
            f"{type(embedder).__name__} is no embedder, it lacks {', '.join(missing)}: see the protocol pgvec.Embedder"
        )


def check_record(record: object) -> FilterRecord | None:
    """Refuse what counts no filters."""
    if record is not None and not isinstance(record, FilterRecord):
        raise ConfigurationError(f"record_filters= takes a FilterRecord, not {type(record).__name__}")
    return record


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


def is_record(target: Target, query: object) -> bool:
    """Whether a value is a record of the target, or the name of a stored one."""
    if isinstance(query, StoredRecord):
        return True
    return not isinstance(target.entity, sa.Table) and isinstance(query, target.entity)


def identity(target: Target, record: object) -> tuple[Any, ...]:
    """Return the key of a record."""
    if isinstance(record, StoredRecord):
        return record.key
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
    return query_value(target, query)


def _column_names(target: Target) -> set[str]:
    if isinstance(target.entity, sa.Table):
        return set(target.entity.c.keys())
    return set(sa.inspect(target.entity).column_attrs.keys())


def _display(target: Target, columns: Sequence[Any] | None) -> tuple[Any, ...] | None:
    if columns is None:
        return None
    if type(columns) is not tuple or not all(type(column) in _ATTRIBUTES for column in columns):
        return _checked_display(target, columns)
    # Most callers name the same attributes each time, and one is equal to itself only.
    display = _displays.get((target, columns))
    if display is None:
        display = _checked_display(target, columns)
        if len(_displays) >= _MOST_DISPLAYS:
            _displays.clear()
        _displays[target, columns] = display
    return display


def _checked_display(target: Target, columns: Sequence[Any]) -> tuple[Any, ...]:
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
    own = own_tables(target)
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
