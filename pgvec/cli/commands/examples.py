"""``pgvec recommend``, ``pgvec discover`` and ``pgvec similar``: searches by examples instead of a query."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec import Matches, RecommendStrategy, Repository
from pgvec.cli.database import open_database
from pgvec.cli.options import Column, Distance, Json, Schema, TableName, Url, Where, check_text, filter_in, names_in
from pgvec.cli.results import show_matches
from pgvec.cli.search_options import Columns, EfSearch, Exact, Limit, searchable
from pgvec.errors import InvalidInputError, InvalidOptionError
from pgvec.execution.reflection import reflect_table

__all__ = ["discover", "recommend", "similar"]

_EXAMPLE = "a key (5, or as JSON), a vector ([0.1, 0.2]) or a text"


def _check_texts(ctx: typer.Context, param: Any, values: Sequence[str] | None) -> list[str]:
    return [str(check_text(ctx, param, value)) for value in values or ()]


def _examples(help_text: str) -> Any:
    return typer.Option(callback=_check_texts, metavar="EXAMPLE", help=help_text)


Strategy = Annotated[str, typer.Option(callback=check_text, metavar="NAME", help="average, best_score or sum_scores.")]


def recommend(
    *,
    table: TableName,
    positive: Annotated[list[str] | None, _examples(f"What is wanted, several times: {_EXAMPLE}.")] = None,
    negative: Annotated[list[str] | None, _examples("What is not wanted, several times.")] = None,
    strategy: Strategy = RecommendStrategy.AVERAGE.value,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    where: Where = None,
    limit: Limit = 10,
    columns: Columns = None,
    exact: Exact = False,
    ef_search: EfSearch = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows of a table that are like some examples and unlike others."""
    options = {"strategy": strategy, **_options(where, limit=limit, exact=exact, ef_search=ef_search)}

    def ask(repository: Repository[Any], names: Sequence[str], key: _Keys) -> Matches[Any]:
        good, bad = ([_example(item, key) for item in given or ()] for given in (positive, negative))
        return repository.recommend(good, bad, columns=names, **options)

    texts = [*(positive or ()), *(negative or ())]
    _show(ask, _Place(table, schema, column, distance, columns), texts, url=url, as_json=as_json)


def discover(
    *,
    table: TableName,
    target: Annotated[
        str | None, typer.Option(callback=check_text, metavar="EXAMPLE", help=f"What to look for: {_EXAMPLE}.")
    ] = None,
    good: Annotated[list[str] | None, _examples("The good example of a pair, once for each --bad.")] = None,
    bad: Annotated[list[str] | None, _examples("The bad example of a pair, in the order of --good.")] = None,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    where: Where = None,
    limit: Limit = 10,
    columns: Columns = None,
    exact: Exact = False,
    ef_search: EfSearch = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows near a target, within what pairs of a good and a bad example mark."""
    goods, bads = good or [], bad or []
    if len(goods) != len(bads):
        raise InvalidOptionError(
            f"{len(goods)} --good and {len(bads)} --bad are no pairs: give one --bad for each --good"
        )
    options = _options(where, limit=limit, exact=exact, ef_search=ef_search)

    def ask(repository: Repository[Any], names: Sequence[str], key: _Keys) -> Matches[Any]:
        pairs = [(_example(one, key), _example(other, key)) for one, other in zip(goods, bads, strict=True)]
        wanted = None if target is None else _example(target, key)
        return repository.discover(wanted, pairs, columns=names, **options)

    texts = [*goods, *bads, *([] if target is None else [target])]
    _show(ask, _Place(table, schema, column, distance, columns), texts, url=url, as_json=as_json)


def similar(
    key: Annotated[str, typer.Argument(callback=check_text, help="The key of the row; of several parts as JSON.")],
    *,
    table: TableName,
    schema: Schema = None,
    column: Column = None,
    distance: Distance = None,
    where: Where = None,
    limit: Limit = 10,
    columns: Columns = None,
    exact: Exact = False,
    ef_search: EfSearch = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows of a table that are nearest to one of its rows."""
    options = _options(where, limit=limit, exact=exact, ef_search=ef_search)

    def ask(repository: Repository[Any], names: Sequence[str], keys: _Keys) -> Matches[Any]:
        return repository.similar(keys.of_text(key), columns=names, **options)

    _show(ask, _Place(table, schema, column, distance, columns), (), url=url, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to search, and what to show, as the options say."""

    table: str
    schema: str | None
    column: str | None
    distance: str | None
    columns: str | None


class _Keys:
    """Reads keys of a table from texts."""

    def __init__(self, table: sa.Table) -> None:
        self._types = {column.key: column.type for column in table.primary_key}

    def of_mapping(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return a key whose parts have the types of their columns."""
        return {name: self._part(name, part) for name, part in value.items()}

    def of_value(self, value: int) -> dict[str, Any]:
        """Return the key that is a single number."""
        return self.of_mapping({next(iter(self._types)): value}) if len(self._types) == 1 else {"": value}

    def of_text(self, text: str) -> dict[str, Any]:
        """Return the key in a text: the value itself, or JSON where a key has several parts."""
        parsed = _json(text)
        if isinstance(parsed, dict):
            return self.of_mapping(parsed)
        if len(self._types) != 1:
            parts = ", ".join(f'"{name}": ...' for name in self._types)
            raise InvalidInputError(f"The key of this table has several parts: give it as {{{parts}}}")
        return self.of_mapping({next(iter(self._types)): text})

    def _part(self, name: str, value: Any) -> Any:
        """Return a part of a key as a value of its column's type; a text that is none of it is left for the server to refuse."""
        kind = self._types.get(name)
        if not isinstance(value, str) or kind is None:
            return str(value) if isinstance(kind, sa.String) and isinstance(value, int) else value
        try:
            if isinstance(kind, sa.Integer):
                return int(value)
            return uuid.UUID(value) if isinstance(kind, sa.Uuid) else value
        except ValueError:
            raise InvalidInputError(f"{value!r:.60} is no value of the column {name}, which is {kind}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _example(text: str, keys: _Keys) -> object:
    """Return the example in a text: a key, a vector, or the text itself."""
    parsed = _json(text)
    if isinstance(parsed, dict):
        return keys.of_mapping(parsed)
    if isinstance(parsed, int) and not isinstance(parsed, bool):
        return keys.of_value(parsed)
    return parsed if isinstance(parsed, list) else text


def _options(where: str | None, **options: Any) -> dict[str, Any]:
    return {"where": filter_in(where), **options}


def _show(
    ask: Callable[[Repository[Any], Sequence[str], _Keys], Matches[Any]],
    place: _Place,
    texts: Sequence[str],
    *,
    url: str | None,
    as_json: bool,
) -> None:
    """Ask, and show what was found."""
    names = names_in(place.columns, "--columns")
    with open_database(url) as engine:
        reflected = reflect_table(engine, place.table, schema=place.schema)
        keys = _Keys(reflected)
        # A text among the examples needs the default model.
        query = next((text for text in texts if isinstance(_example(text, keys), str)), None)
        found = searchable(engine, reflected, query, column=place.column, distance=place.distance, columns=names)
        matches = ask(found.repository, found.columns, keys)
    show_matches(found.columns, matches, as_json=as_json)
