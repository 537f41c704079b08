"""Search statements, built and compiled once for each shape.

A statement is found again by what decides its text: target, shape, columns, and the structure of the condition, for which
SQLAlchemy's own cache key stands. The values of the condition are then read from the new condition and everything else
from the compiled statement: what SQLAlchemy does for its own cache, without building the statement first.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, TypeAlias

import sqlalchemy as sa
from psycopg import AsyncCursor, Cursor
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.compiler import SQLCompiler

from pgvec.execution.records import RecordReader
from pgvec.statements.events import TasteScoring
from pgvec.statements.finding import find_statement
from pgvec.statements.requests import Find
from pgvec.statements.search import QUERY, TRAILING

__all__ = ["Found", "PreparedFind", "prepare_find"]

# A record or row, its distance, the position of the branch that found it (where something else scores, an array of score and
# branch), the number of rows that were counted, where many queries were asked, the number of the query, and where something was
# asked for beside, a tuple of that.
Found: TypeAlias = tuple[Any, ...]

_Processor = Callable[[Any], Any] | None
_CAPACITY = 1_000
_cache: OrderedDict[Any, PreparedFind] = OrderedDict()
_lock = Lock()


class PreparedFind:
    """A search statement with what is needed to run it on the driver's cursor, or through SQLAlchemy.

    Attributes:
        statement: The statement, with the condition it was first built for.
        sql: Its text for psycopg, or None where only SQLAlchemy can finish it (``IN`` lists are expanded on execution).
        reader: Turns rows into records, or None where rows were asked for.
        through_orm: Whether only SQLAlchemy's ORM can make these records.
    """

    def __init__(self, find: Find, schema: str, dialect: sa.Dialect, watched: bool) -> None:
        self._schema = schema
        self._trailing = TRAILING + find.shape.many
        self._extra_types = _extra_types(find)
        self.reader = None if find.display is not None else RecordReader(find.target, find.include_embedding)
        self.through_orm = self.reader is not None and (watched or not self.reader.plain)
        if find.display is not None:
            columns, self._row_type = list(find.display), _row_type(find.display)
        else:
            assert self.reader is not None
            columns, self._row_type = self.reader.selected(self.through_orm), None
        # What is asked for beside comes behind the columns of the record, and is cut off again.
        self._shown = len(columns)
        self._columns = columns = [*columns, *find.beside]
        # Keeps the expressions alive, whose parameters are told apart by their identity.
        self._expressions = tuple(_expressions(find))
        self.statement = self._build(find, columns)
        self._compile(find, dialect)

    def _build(self, find: Find, columns: list[Any]) -> sa.Select[Any]:
        statement = find_statement(find, columns, self._schema, watched=self.through_orm)
        return statement.options(*self.reader.options()) if self.through_orm and self.reader is not None else statement

    def _compile(self, find: Find, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        key = self.statement._generate_cache_key()  # noqa: SLF001 - see the module's docstring
        compiled = self.statement.compile(dialect=dialect, cache_key=key)
        assert isinstance(compiled, SQLCompiler)
        finished = key is not None and not compiled.post_compile_params and not compiled.literal_execute_params
        self.sql = compiled.string if finished and not self.through_orm else None
        self._compiled = compiled
        self._own_binds = list(key.bindparams) if key is not None else []
        known = {id(bind): position for position, bind in enumerate(_binds(find))}
        self._from_caller = [known.get(id(bind)) for bind in self._own_binds]
        if known.keys() - {id(bind) for bind in self._own_binds}:
            self.sql = None
        self._to_driver = {
            name: process
            for bind, name in compiled.bind_names.items()
            if (process := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        # What the parameters of the caller's expressions are called; SQLAlchemy is asked only where that cannot be told.
        from_caller = [
            (bind, position)
            for bind, position in zip(self._own_binds, self._from_caller, strict=True)
            if position is not None
        ]
        named = [(compiled.bind_names[bind], position) for bind, position in from_caller if bind in compiled.bind_names]
        self._named = named if len(named) == len(from_caller) else None
        changing = {name for name, _ in named} | find.parameters.keys()
        values = compiled.construct_params(dict(find.parameters))
        self._constants = {name: value for name, value in values.items() if name not in changing}
        # Result processors depend on the column types that the server reports, so the first answer decides them.
        self._processors: list[_Processor] | None = None

    def current(self, find: Find) -> sa.Select[Any]:
        """Return the statement with the values of this request, for SQLAlchemy to execute."""
        if next(_expressions(find), None) is None:
            return self.statement
        shown = self._columns[: self._shown] if find.display is None else find.display
        return self._build(find, [*shown, *find.beside])

    def arguments(self, find: Find) -> dict[str, Any]:
        """Return the driver's parameters: those of the request, and the values of its condition."""
        if self._named is not None:
            arguments = {**self._constants, **find.parameters}
            if self._named:
                values = _binds(find)
                for name, position in self._named:
                    arguments[name] = values[position].effective_value
        else:
            arguments = self._arguments_by_sqlalchemy(find)
        for name, process in self._to_driver.items():
            if name != QUERY:
                arguments[name] = process(arguments[name])
        return arguments

    def _arguments_by_sqlalchemy(self, find: Find) -> dict[str, Any]:
        values = _binds(find)
        extracted = [
            bind if position is None else values[position]
            for bind, position in zip(self._own_binds, self._from_caller, strict=True)
        ]
        return dict(self._compiled.construct_params(dict(find.parameters), extracted_parameters=extracted))

    def processed(self, rows: list[tuple[Any, ...]], cursor: Cursor[Any] | AsyncCursor[Any]) -> list[Any]:
        """Return rows of the driver as SQLAlchemy would: through the result processors of their column types."""
        if self._processors is None:
            processors: list[_Processor] = [
                column.type.dialect_impl(self._dialect).result_processor(self._dialect, described.type_code)
                for column, described in zip(self._columns, cursor.description or (), strict=False)
            ]
            extras = self._extra_processors(cursor)
            has_any = any(processors) or any(extras)
            self._processors = [*processors, *[None] * self._trailing, *extras] if has_any else []
        if not self._processors:
            return rows
        return [
            [value if process is None else process(value) for value, process in zip(row, self._processors, strict=True)]
            for row in rows
        ]

    def _extra_processors(self, cursor: Cursor[Any] | AsyncCursor[Any]) -> list[_Processor]:
        described = (cursor.description or ())[len(self._columns) + self._trailing :]
        return [
            None
            if type_ is None
            else type_.dialect_impl(self._dialect).result_processor(self._dialect, column.type_code)
            for type_, column in zip(self._extra_types, described, strict=True)
        ]

    def found(self, rows: Iterable[Sequence[Any]], session: Session | None) -> list[Found]:
        """Return what was found in processed rows: records or named rows, with distance, branch and what else there is."""
        cut, make, shown = -self._trailing - len(self._extra_types), self._maker(session), self._shown
        if shown < len(self._columns):
            return [(*_one(row, shown, cut, make), tuple(row[shown:cut])) for row in rows]
        if self._extra_types:
            return [_one(row, cut, cut, make) for row in rows]
        return [(make(row[:cut]), *row[cut:]) for row in rows]

    def _maker(self, session: Session | None) -> Callable[[Sequence[Any]], Any]:
        """Return what makes a record, or a named row, of the values of a row."""
        if self._row_type is not None:
            return self._row_type._make  # type: ignore[no-any-return]
        reader = self.reader
        assert reader is not None
        if self.through_orm:
            return lambda values: reader.guard(values[0])
        return lambda values: reader.record(values, session)


def _one(row: Sequence[Any], shown: int, cut: int, make: Callable[[Sequence[Any]], Any]) -> Found:
    # A row that only counts has no branch, and no record.
    return (None if row[cut + 1] is None else make(row[:shown]), *row[cut:])


def prepare_find(find: Find, schema: str, dialect: sa.Dialect, *, watched: bool = False) -> PreparedFind:
    """Return the statement for ``find``, building it only when no earlier one has its shape.

    Args:
        find: What is asked for.
        schema: Postgres schema of the extension.
        dialect: Dialect of the connection.
        watched: Whether records have to come through SQLAlchemy's loader.
    """
    structure = _structure(find)
    if structure is None:
        return PreparedFind(find, schema, dialect, watched)
    key = (
        dialect,
        schema,
        watched,
        find.target,
        find.shape,
        find.plan,
        find.scoring,
        find.shaping and find.shaping.form,
        find.include_embedding,
        structure,
    )
    with _lock:
        prepared = _cache.get(key)
        if prepared is not None:
            _cache.move_to_end(key)
            return prepared
    prepared = PreparedFind(find, schema, dialect, watched)
    with _lock:
        _cache[key] = prepared
        while len(_cache) > _CAPACITY:
            _cache.popitem(last=False)
    return prepared


def _expressions(find: Find) -> Iterator[Any]:
    """Yield the caller's expressions: what may differ from call to call although the statement is the same."""
    if find.where is not None:
        yield find.where
    yield from _further_expressions(find)


def _further_expressions(find: Find) -> Iterator[Any]:
    """Yield what is not the condition: expressions to display, and those by which rows are ordered, grouped or counted."""
    for item in (*(find.display or ()), *find.beside):
        if not isinstance(item, InstrumentedAttribute | sa.Column):
            yield item
    if find.shaping is not None:
        yield from find.shaping.expressions()


def _keys(find: Find) -> Iterator[Any]:
    """Yield SQLAlchemy's signs of equal structure for the caller's expressions."""
    if find.where is not None:
        yield find.where_key
    for expression in _further_expressions(find):
        yield expression._generate_cache_key()  # noqa: SLF001 - see above


def _structure(find: Find) -> tuple[Any, ...] | None:
    """Return what stands for the structure of condition and columns, or None where SQLAlchemy cannot tell it."""
    columns = find.display and _plain(find.display)
    beside = _plain(find.beside)
    keys = list(_keys(find))
    if any(key is None for key in keys):
        return None
    return (columns, beside, find.where is None, *(key.key for key in keys))


def _plain(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what is a column by itself; other expressions are told apart by their keys."""
    return tuple([item if isinstance(item, InstrumentedAttribute | sa.Column) else None for item in items])


def _binds(find: Find) -> list[Any]:
    """Return the values of the caller's expressions, in the order in which equal structures have them."""
    return [bind for key in _keys(find) if key is not None for bind in key.bindparams]


def _extra_types(find: Find) -> list[Any]:
    if isinstance(find.scoring, TasteScoring):
        return find.scoring.extra_types()
    return [] if find.shaping is None else find.shaping.extra_types()


def _row_type(columns: Sequence[Any]) -> Any:
    names = [getattr(column, "key", None) or f"column_{n}" for n, column in enumerate(columns, start=1)]
    return namedtuple("Row", names, rename=True)  # noqa: PYI024 - the names are data
