"""A search that a queryset has begun: sliced, iterated, and asked for its receipt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar, overload

from asgiref.sync import sync_to_async
from django.db.models import prefetch_related_objects

from pgvec.errors import InvalidOptionError
from pgvec.integrations.django.conditions import condition_of
from pgvec.integrations.django.driver import DjangoDriver
from pgvec.integrations.django.questions import Asked
from pgvec.integrations.django.reading import shown_column, table_of, vector_columns
from pgvec.model import Explanation, Match, Matches, Receipt, Strategy, Target
from pgvec.repository.arguments import SearchOptions

__all__ = ["DEFAULT_LIMIT", "EmbeddingSearch"]

M = TypeVar("M")

DEFAULT_LIMIT = 10
# Django's instances take any attribute; a field or method of this name is the model's own and stays.
_DISTANCE, _SCORE = "distance", "score"


def _refuse(name: str) -> Callable[..., NoReturn]:
    def refused(_self: Any, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise InvalidOptionError(
            f".{name}() after .search() would not change what was searched: call it before, as in "
            f"objects.{name}(...).search(...)"
        )

    refused.__name__ = name
    refused.__doc__ = f"Raise, because ``{name}`` belongs before ``search``."
    return refused


class EmbeddingSearch(Generic[M]):
    """A lazy search: a slice sets its limit, 10 without; iterating gives records, nearest first.

    Each record carries its distance as ``record.distance``, and where rows are ordered by a score that as ``record.score``,
    unless the model itself has something of that name. It is no queryset, so it can not be taken for one that selects other rows; where Django takes a list of records, it takes this.
    """

    def __init__(
        self,
        queryset: Any,
        target: Target,
        asked: Asked,
        options: SearchOptions,
        window: tuple[int, int | None] = (0, None),
    ) -> None:
        self._queryset = queryset
        self._target = target
        self._asked = asked
        self._options = options
        self._offset, self._limit = window
        self._found: Matches[M] | None = None

    @property
    def model(self) -> Any:
        """The model that is searched."""
        return self._queryset.model

    @property
    def db(self) -> str:
        """Alias of the database that is searched."""
        return str(self._queryset.db)

    @property
    def receipt(self) -> Receipt:
        """How the search was answered, and what is known of the answer; asks the database unless that is done."""
        return self.get_matches().receipt

    def get_matches(self) -> Matches[M]:
        """Return the matches with rank, distance, similarity and receipt; asks the database once."""
        if self._found is None:
            self._found = self._run()
        return self._found

    async def aget_matches(self) -> Matches[M]:
        """Return the matches with rank, distance, similarity and receipt; asks the database once."""
        return await sync_to_async(self.get_matches)()

    def explain(self, *, analyze: bool = False) -> Explanation:
        """Tell how ``search`` or ``similar`` would be answered and why, without asking; ``str()`` of it is for people.

        Args:
            analyze: Run the statement, so that the plan tells what happened, with times.

        Raises:
            InvalidOptionError: Nothing would be asked, or it is another kind of search.
        """
        options = self._complete_options()
        if options is None:
            raise InvalidOptionError(
                "Nothing can be found by these conditions, so the database would not be asked at all"
            )
        display = self._display(self._fields())
        driver = DjangoDriver(self.db)
        return driver.run(self._asked.explanation(driver, self._target, options, display, analyze=bool(analyze)))

    async def aexplain(self, *, analyze: bool = False) -> Explanation:
        """Tell how ``search`` or ``similar`` would be answered and why, without asking."""
        return await sync_to_async(self.explain)(analyze=analyze)

    def first(self) -> M | None:
        """Return the nearest record, or None."""
        return next(iter(self if self._found is not None else self[:1]), None)

    async def afirst(self) -> M | None:
        """Return the nearest record, or None."""
        return await sync_to_async(self.first)()

    def __iter__(self) -> Iterator[M]:
        return iter(self.get_matches().records)

    async def __aiter__(self) -> AsyncIterator[M]:
        for match in await self.aget_matches():
            yield match.record

    def __len__(self) -> int:
        return len(self.get_matches())

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> EmbeddingSearch[M] | list[M]: ...
    def __getitem__(self, index: int | slice) -> M | EmbeddingSearch[M] | list[M]:
        if not isinstance(index, int | slice):
            raise TypeError(f"a search is sliced by whole numbers, not by {type(index).__name__}")
        bounds = (index.start, index.stop) if isinstance(index, slice) else (index,)
        if any(bound is not None and bound < 0 for bound in bounds):
            raise ValueError("Negative indexing is not supported.")
        if self._found is not None:
            return self._found.records[index]
        if isinstance(index, int):
            (record,) = self._window(index, index + 1) or (None,)
            if record is None:
                raise IndexError("the search found fewer records")
            return record
        cut = self._window(index.start or 0, index.stop)
        return list(cut)[:: index.step] if index.step else cut

    def __repr__(self) -> str:
        what = f"{type(self).__name__} of {self.model.__name__}"
        return f"<{what}, not sent>" if self._found is None else f"<{what}: {self._found.records!r}>"

    filter = _refuse("filter")
    exclude = _refuse("exclude")
    annotate = _refuse("annotate")
    alias = _refuse("alias")
    order_by = _refuse("order_by")
    distinct = _refuse("distinct")
    values = _refuse("values")
    values_list = _refuse("values_list")
    select_related = _refuse("select_related")
    prefetch_related = _refuse("prefetch_related")
    only = _refuse("only")
    defer = _refuse("defer")
    using = _refuse("using")
    update = _refuse("update")
    delete = _refuse("delete")

    def _window(self, start: int, stop: int | None) -> EmbeddingSearch[M]:
        """Return the search of a part of what this one would find."""
        limit = self._limit if stop is None else max(stop - start, 0)
        if self._limit is not None:
            limit = min(self._limit if limit is None else limit, max(self._limit - start, 0))
        return EmbeddingSearch(self._queryset, self._target, self._asked, self._options, (self._offset + start, limit))

    def _run(self) -> Matches[M]:
        options = self._complete_options()
        if options is None:
            return Matches((), _nothing(self._requested))
        fields = self._fields()
        driver = DjangoDriver(self.db)
        found = driver.run(self._asked.recipe(driver, self._target, options, self._display(fields)))
        matches = self._with_records(fields, found)
        self._fetch_related([match.record for match in matches])
        return replace(found, matches=matches)

    @property
    def _requested(self) -> int:
        return DEFAULT_LIMIT if self._limit is None else self._limit

    def _complete_options(self) -> SearchOptions | None:
        """Return the options with condition and window, or None where nothing can be found, so nobody has to be asked."""
        limit = self._requested
        condition = condition_of(self._queryset, self._target, self.db)
        if limit == 0 or condition is False:
            return None
        where = None if condition is True else condition
        # Embeddings are fields like the others here, so they come by _fields().
        return replace(self._options, where=where, limit=limit, offset=self._offset, include_embedding=False)

    def _display(self, fields: tuple[Any, ...]) -> tuple[Any, ...]:
        return _shown(self._queryset.model, self._target, fields)

    def _fields(self) -> tuple[Any, ...]:
        """Return the fields to fetch: what only() and defer() left, the key in any case, and embeddings where asked for."""
        options = self._queryset.model._meta
        names, are_deferred = self._queryset.query.deferred_loading
        hidden = () if self._options.include_embedding else vector_columns(self._queryset.model)
        named = [field for field in options.concrete_fields if field.name in names or field.attname in names]
        left = [field for field in options.concrete_fields if (field in named) is not are_deferred]
        return tuple(
            field
            for field in options.concrete_fields
            if field.primary_key or field.attname in self._target.key or (field in left and field.attname not in hidden)
        )

    def _with_records(self, fields: tuple[Any, ...], found: Matches[Any]) -> tuple[Match[M], ...]:
        model, using = self._queryset.model, self.db
        compiler = self._queryset.query.get_compiler(using=using)
        columns = [field.get_col(model._meta.db_table) for field in fields]
        rows: Any = [list(match.record) for match in found]
        converters = compiler.get_converters(columns)
        if converters:
            rows = compiler.apply_converters(rows, converters)
        names = [field.attname for field in fields]
        takes_distance, takes_score = not hasattr(model, _DISTANCE), not hasattr(model, _SCORE)
        matches = []
        for match, row in zip(found, rows, strict=True):
            record = model.from_db(using, names, row)
            if takes_distance:
                setattr(record, _DISTANCE, match.distance)
            if takes_score and match.score is not None:
                setattr(record, _SCORE, match.score)
            matches.append(match._replace(record=record))
        return tuple(matches)

    def _fetch_related(self, records: list[M]) -> None:
        """Fetch what select_related() and prefetch_related() named, for all records together: a statement for each."""
        named = self._queryset.query.select_related
        lookups = [*(_paths(named) if named else ()), *self._queryset._prefetch_related_lookups]
        if records and lookups:
            prefetch_related_objects(records, *lookups)


def _nothing(limit: int) -> Receipt:
    """Return the receipt of an answer that nobody had to be asked for."""
    return Receipt(
        Strategy.EXACT,
        complete=True,
        exact=True,
        matching=0,
        matching_is_exact=limit > 0,
        requested=limit,
        returned=0,
        statements=0,
    )


@lru_cache(maxsize=1_000)
def _shown(model: Any, target: Target, fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the columns of the fields; the same ones each time, by which the compiled statement is found again."""
    owner = next(m for m in (model, *model._meta.get_parent_list()) if table_of(m) is target.entity)
    return tuple(shown_column(owner, field) for field in fields)


def _paths(named: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the paths of select_related() from the outside in."""
    for name, inner in named.items():
        path = f"{prefix}{name}"
        yield path
        yield from _paths(inner, f"{path}__")
