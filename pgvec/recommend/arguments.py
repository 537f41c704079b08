"""Arguments of recommendations, checked once for both recommenders."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from pgvec.errors import InvalidInputError, InvalidOptionError, MappingError
from pgvec.model import Target, VectorType
from pgvec.model.durations import read_duration
from pgvec.operations.search import Question
from pgvec.recommend.tables import WEIGHTS, InteractionMixin
from pgvec.repository import arguments
from pgvec.repository.checks import number, whole_number
from pgvec.statements.diversity import DIVERSITY
from pgvec.statements.events import AVOID, EXPLORE, ITEMS, STRENGTHS, USER, Events, TasteScoring
from pgvec.statements.plan import own_tables

__all__ = ["Asked", "RecommendOptions", "check_user", "given_items", "question", "read_events", "session_items"]

_MOST_TASTES = 8
_MOST_ITEMS = 200
_MOST_EVENTS = 1_000
_LARGEST_LIMIT = 1_000
_LEAST_CANDIDATES = 20
# Where chance or difference choose, they need something to choose from.
_WIDER = 10
_FADING_OF_A_SESSION = 0.8


@dataclass(frozen=True, slots=True)
class RecommendOptions:
    """The options of one recommendation, as they were given."""

    where: object
    limit: int
    exclude_seen: bool
    tastes: int
    diversity: float | None
    explore: float
    avoid: float
    exact: bool
    columns: Sequence[Any] | None
    include_embedding: bool
    popular: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A recommendation, checked."""

    question: Question
    scoring: TasteScoring


def read_events(
    target: Target,
    model: object,
    *,
    weights: Mapping[str, float] | None,
    half_life: str | timedelta | None,
    last: int,
    popularity: object,
    label: object,
) -> Events:
    """Read the table of events and how they are weighed.

    Raises:
        MappingError: The class is none of events, or not of these items, or their vectors cannot be averaged.
        InvalidOptionError: An option cannot be used.
    """
    if not (isinstance(model, type) and issubclass(model, InteractionMixin)):
        raise MappingError(
            f"{model!r:.80} is no class of interactions: derive it from pgvec.recommend.InteractionMixin and your declarative base"
        )
    if isinstance(target.entity, sa.Table) or not issubclass(target.entity, model.item_model):
        raise MappingError(
            f"The interactions of {model.__name__} are with {model.item_model.__name__}, not with {target.name}"
        )
    if target.column.type not in (VectorType.VECTOR, VectorType.HALFVEC):
        raise MappingError(
            f"{target.name}.{target.column.name} is of the type {target.column.type}, whose values have no average"
        )
    seconds = None if half_life is None else _seconds(half_life)
    given = tuple(sorted({**WEIGHTS, **_weights(weights)}.items()))
    kept = whole_number("last", last, 1, _MOST_EVENTS)
    events: Any = _events  # mypy takes mapped classes for unhashable
    found: Events = events(
        model,
        weights=given,
        seconds=seconds,
        last=kept,
        popularity=_expression(target, "popularity", popularity),
        label=_label(target, label),
    )
    return found


@lru_cache(maxsize=256)
def _events(
    model: type[Any],
    *,
    weights: tuple[tuple[str, float], ...],
    seconds: float | None,
    last: int,
    popularity: Any,
    label: Any,
) -> Events:
    table = sa.inspect(model).local_table
    columns = table.c
    worth = sa.case(
        {kind: sa.literal(weight, sa.Double) for kind, weight in weights},
        value=columns.kind,
        else_=sa.literal_column("0::float8"),
    )
    product = sa.cast(worth, sa.Double()) * columns.strength
    return Events(
        table, columns.user_id, columns.item_id, columns.kind, columns.at, product, seconds, last, popularity, label
    )


def question(
    target: Target,
    events: Events,
    options: RecommendOptions,
    *,
    user: object = None,
    items: Sequence[tuple[object, float]] = (),
) -> Asked:
    """Check the arguments of a recommendation.

    Raises:
        InvalidInputError: The condition, the user or an option cannot be used.
    """
    limit = whole_number("limit", options.limit, 1, _LARGEST_LIMIT)
    explore = _between("explore", options.explore, 0, 1)
    diverse = options.diversity is not None
    wide = diverse or explore > 0
    pool = max(_WIDER * limit if wide else 2 * limit, _LEAST_CANDIDATES)
    parameters: dict[str, Any] = {EXPLORE: explore, AVOID: _between("avoid", options.avoid, 0, 10)}
    if diverse:
        parameters[DIVERSITY] = _between("diversity", options.diversity, 0, 1)
    if user is not None:
        parameters[USER] = user
    if items:
        parameters[ITEMS] = [item for item, _ in items]
        parameters[STRENGTHS] = [strength for _, strength in items]
    search = arguments.SearchOptions(
        where=options.where,
        limit=min(pool, arguments.LARGEST_LIMIT),
        exact=options.exact,
        max_distance=None,
        ef_search=None,
        recall=None,
        columns=options.columns,
        include_embedding=options.include_embedding,
    )
    checked = arguments.checked_options(target, search, parameters, many=True)
    scoring = TasteScoring(
        events,
        limit,
        whole_number("tastes", options.tastes, 1, _MOST_TASTES),
        of_user=user is not None,
        with_items=bool(items),
        exclude_seen=bool(options.exclude_seen),
        diverse=diverse,
        popular=options.popular,
    )
    return Asked(replace(checked, parameters=parameters), scoring)


def given_items(target: Target, liked: object, disliked: object) -> list[tuple[object, float]]:
    """Return the keys of items with 1 for liked ones, and -1 for the others."""
    good = _keys(target, "items", liked)
    if not good:
        raise InvalidInputError("items= is empty: name at least one item by its key, or give a record")
    return [*((key, 1.0) for key in good), *((key, -1.0) for key in _keys(target, "but_not", disliked))]


def session_items(target: Target, played: object, skipped: object) -> list[tuple[object, float]]:
    """Return the keys of a session's items, the last of which count most."""
    good = _keys(target, "items", played)
    bad = _keys(target, "skipped", skipped)
    if not good and not bad:
        raise InvalidInputError(
            "items= and skipped= are both empty: name an item of the session, or ask recommend_for(user)"
        )
    return [
        *((key, _FADING_OF_A_SESSION**age) for age, key in enumerate(reversed(good))),
        *((key, -(_FADING_OF_A_SESSION**age)) for age, key in enumerate(reversed(bad))),
    ]


def check_user(user: object) -> None:
    """Refuse what is no user.

    Raises:
        InvalidInputError: It is None, something of SQL, or a fraction, which Postgres would round to another user.
    """
    if (
        user is None
        or isinstance(user, sa.ClauseElement)
        or (isinstance(user, str) and "\0" in user)
        or _is_fraction(user)
    ):
        raise InvalidInputError(f"{user!r:.60} is no user: give the value of user_id")


def _is_fraction(value: object) -> bool:
    return isinstance(value, float) and not value.is_integer()


def _keys(target: Target, name: str, given: object) -> list[Any]:
    if arguments.is_record(target, given) or isinstance(given, str | bytes) or not isinstance(given, Iterable):
        given = [given]
    keys = [
        arguments.identity(target, item)[0] if arguments.is_record(target, item) else arguments.key_of(target, item)[0]
        for item in given
    ]
    if len(keys) > _MOST_ITEMS:
        raise InvalidOptionError(f"{name}= names {len(keys):,} items, more than {_MOST_ITEMS}: leave some out")
    for key in keys:
        if _is_fraction(key):
            raise InvalidInputError(f"{name}= names {key!r}, which is no key of {target.name}: Postgres would round it")
    return keys


def _weights(given: Mapping[str, float] | None) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(kind, str) and "\0" not in kind for kind in given):
        raise InvalidOptionError(
            f"weights= takes a mapping of kinds to numbers, such as {{'skip': -1}}, not {given!r:.80}"
        )
    return {kind: _between(f"the weight of {kind!r}", weight, -1_000, 1_000) for kind, weight in given.items()}


def _seconds(half_life: object) -> float:
    seconds = read_duration("half_life", half_life).total_seconds()
    if seconds <= 0:
        raise InvalidOptionError(f"half_life has to be above 0, not {half_life!r}")
    return seconds


def _between(name: str, value: object, least: float, most: float) -> float:
    found = number(name, value)
    if not least <= found <= most or math.isinf(found):
        raise InvalidOptionError(f"{name} has to be between {least:,} and {most:,}, not {value!r}")
    return found


def _expression(target: Target, name: str, given: object) -> Any:
    if given is None:
        return None
    element = given.__clause_element__() if hasattr(given, "__clause_element__") else given
    if not isinstance(element, sa.ColumnElement) or (
        isinstance(element, sa.Column) and element.table not in own_tables(target)
    ):
        raise InvalidOptionError(
            f"{name}= takes a column of {target.name}, such as {target.name}.plays, not {given!r:.80}"
        )
    return element


def _label(target: Target, given: object) -> Any:
    element = _expression(target, "label", given)
    if element is None:
        return None
    table: Any = getattr(element, "table", None)
    if table not in own_tables(target):
        raise InvalidOptionError(f"label= takes a column of {target.name}, not {given!r:.80}")
    return table.c[element.key]
