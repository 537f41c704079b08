"""What the planner has to know of a table, asked now and then and remembered with the pool of connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from threading import Lock
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from pgvec.execution.facts import require_psycopg
from pgvec.model import (
    CatalogIndex,
    ColumnModel,
    ColumnStatistics,
    CompactForm,
    Costs,
    Partition,
    Replacement,
    TableFacts,
    Target,
    TunedSetting,
    VectorType,
)
from pgvec.orm.index_text import faithfulness, read_catalog_text, serving
from pgvec.orm.rules import SERVED_BY_BITS
from pgvec.sql import query_text
from pgvec.statements.plan import relation_text, target_table
from pgvec.statements.predicates import read_terms
from pgvec.statements.selectivity import number_of

__all__ = [
    "SECONDS_KNOWN",
    "SECONDS_MOVING",
    "ask_survey",
    "forget_surveys",
    "known_survey",
    "seconds_known",
    "take_survey",
]

SECONDS_KNOWN = 300.0
"""How long facts are used before they are asked again; a wrong one costs time, never a row."""
SECONDS_MOVING = 5.0
"""The same while a column is being replaced: so long a search may still go to the old one, which is kept in step."""

_Key: TypeAlias = tuple[Target, str | None]
_Ask: TypeAlias = Callable[[sa.TextClause, Mapping[str, Any]], Sequence[Any]]

_known: WeakKeyDictionary[sa.Pool, dict[_Key, tuple[float, TableFacts]]] = WeakKeyDictionary()
_lock = Lock()
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})

_SETTINGS = sa.text(
    "SELECT s.index_name, s.filter_class, s.target_recall, s.ef_search, s.recall, s.row_limit"
    " FROM pgvec.search_setting AS s"
    " JOIN pg_catalog.pg_class AS c ON c.relname = s.relation_name AND c.oid = pg_catalog.to_regclass(:relation)"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = s.relation_schema"
)
_COSTS = sa.text(
    "SELECT page_cost, check_cost, row_cost, dimension_cost, detoast_cost, visit_cost, visit_dimension_cost FROM pgvec.calibration WHERE type = :type"
)


_MODELS = sa.text(
    "SELECT 'model' AS kind, m.column_name AS name, m.model_name AS first, m.model_revision AS second, NULL AS whole,"
    " NULL AS old_type, NULL AS old_dimensions, NULL AS new_type, NULL AS new_dimensions"
    " FROM pgvec.embedding_model AS m WHERE m.source_table = pg_catalog.to_regclass(:relation)"
    " UNION ALL"
    " SELECT 'replacement', r.old_column, r.new_column, r.stage, r.whole, ot.typname, oa.atttypmod, nt.typname, na.atttypmod"
    " FROM pgvec.reembedding AS r"
    " LEFT JOIN pg_catalog.pg_attribute AS oa ON oa.attrelid = r.source_table AND oa.attname = r.old_column AND NOT oa.attisdropped"
    " LEFT JOIN pg_catalog.pg_type AS ot ON ot.oid = oa.atttypid"
    " LEFT JOIN pg_catalog.pg_attribute AS na ON na.attrelid = r.source_table AND na.attname = r.new_column AND NOT na.attisdropped"
    " LEFT JOIN pg_catalog.pg_type AS nt ON nt.oid = na.atttypid"
    " WHERE r.source_table = pg_catalog.to_regclass(:relation)"
)


@cache
def _survey_text() -> sa.TextClause:
    """The statement, with the parameter ``relation``: a table's name as SQL writes it."""
    return sa.text(query_text("survey").replace("::", "\\:\\:").replace("%(relation)s", ":relation"))


def known_survey(bind: sa.Connection | sa.Engine, target: Target) -> TableFacts | None:
    """Return what is remembered of a target's table, or None where the database has to be asked."""
    kept = _known.get(bind.engine.pool, {}).get((target, _schema(bind, target)))
    return kept[1] if kept is not None and kept[0] > time.monotonic() else None


def take_survey(connection: sa.Connection, target: Target) -> tuple[TableFacts | None, int]:
    """Ask what is to be known of a target's table.

    Returns:
        The facts, or None where there is no such table, and how many statements were sent to learn them.
    """
    require_psycopg(connection.dialect)
    key = (target, _schema(connection, target))
    facts, statements = ask_survey(
        lambda statement, parameters: connection.execute(statement, parameters).all(), target, key[1]
    )
    # That a table does not exist is not remembered: it may be made at the next moment.
    if facts is not None:
        with _lock:
            _known.setdefault(connection.engine.pool, {})[key] = (time.monotonic() + seconds_known(facts), facts)
    return facts, statements


def forget_surveys(engine: sa.Engine) -> None:
    """Ask again at the next search, for example after a bulk load or a new index."""
    with _lock:
        _known.pop(engine.pool, None)


def _schema(connection: sa.Connection | sa.Engine, target: Target) -> str | None:
    schema = target_table(target).schema
    schemas = connection.get_execution_options().get("schema_translate_map")
    return schemas.get(schema, schema) if schemas else schema  # type: ignore[no-any-return]


def ask_survey(ask: _Ask, target: Target, schema: str | None) -> tuple[TableFacts | None, int]:
    """Ask what is to be known of a target's table, on any connection.

    Args:
        ask: Runs a statement with parameters and returns its rows, with the names of their columns and with JSON read.
        target: Whose table.
        schema: Postgres schema of the table, or None to look on the search path.

    Returns:
        As :func:`take_survey`.
    """
    relation = {"relation": relation_text(target_table(target).name, schema)}
    rows = ask(_survey_text(), relation)
    if not rows:
        return None, 1
    if not rows[0].has_settings:
        return read_survey(target, rows[0], (), None), 1
    settings = ask(_SETTINGS, relation)
    costs = ask(_COSTS, {"type": target.column.type.value})
    facts = read_survey(target, rows[0], settings, costs[0] if costs else None)
    if not rows[0].has_models:
        return facts, 3
    found = ask(_MODELS, relation)
    return replace(facts, models=_models(found), replacements=_replacements(found)), 4


def seconds_known(facts: TableFacts) -> float:
    """Return for how long facts may be used: not long while a column is being replaced by another."""
    moving = any(replacement.is_under_way for replacement in facts.replacements)
    return SECONDS_MOVING if moving else SECONDS_KNOWN


def read_survey(target: Target, row: Any, settings: Any, costs: Any) -> TableFacts:
    """Return the facts that the answers tell.

    Args:
        target: What was asked about.
        row: The row of the survey.
        settings: Rows of ``pgvec.search_setting`` for the table's indexes.
        costs: Row of ``pgvec.calibration``, or None.
    """
    return TableFacts(
        rows=None if row.row_count is None else float(row.row_count),
        pages=None if row.page_count is None else float(row.page_count),
        indexed=frozenset((row.indexed or {}).get("false", ())),
        contained=frozenset((row.indexed or {}).get("true", ())),
        is_partitioned=row.is_partitioned,
        columns={name: _statistics(found) for name, found in (row.columns or {}).items()},
        indexes=_indexes(target, row.indexes or ()),
        compact=tuple(_compact_forms(target, row.compact or ())),
        partitions=tuple(_partitions(row.partitions or ())),
        costs=Costs() if costs is None else Costs(*costs),
        settings=tuple(TunedSetting(*setting) for setting in settings),
        relation=(row.relation_schema, row.relation_name),
    )


def _models(found: Sequence[Any]) -> tuple[ColumnModel, ...]:
    return tuple(ColumnModel(row.name, row.first, row.second) for row in found if row.kind == "model")


def _replacements(found: Sequence[Any]) -> tuple[Replacement, ...]:
    return tuple(
        Replacement(
            row.name,
            row.first,
            row.second,
            row.whole,
            None if row.old_type is None else VectorType(row.old_type),
            row.old_dimensions,
            None if row.new_type is None else VectorType(row.new_type),
            row.new_dimensions,
        )
        for row in found
        if row.kind == "replacement"
    )


def _statistics(found: Mapping[str, Any]) -> ColumnStatistics:
    common = dict(zip(found["values"] or (), found["shares"] or (), strict=False))
    numbers = [(_parsed(text, found["type"]), share) for text, share in common.items()]
    bounds = [_parsed(text, found["type"]) for text in found["bounds"] or ()]
    return ColumnStatistics(
        type=found["type"],
        null_fraction=found["null_fraction"],
        distinct=found["distinct"],
        width=found["width"],
        common=common,
        common_numbers=tuple((number, share) for number, share in numbers if number is not None),
        bounds=tuple(number for number in bounds if number is not None) if None not in bounds else (),
    )


def _parsed(text: str, kind: str) -> float | None:
    """Return a value of the statistics as a number, or None where it is none that orders like one."""
    try:
        return number_of(datetime.fromisoformat(text)) if kind in _MOMENTS else float(text)
    except ValueError:
        return None


def _indexes(target: Target, found: Any) -> tuple[CatalogIndex, ...]:
    read = [index for entry in found if (index := _index(target, entry)) is not None]
    return tuple(sorted(read, key=lambda index: (index.index is None, index.index and faithfulness(index.index))))


def _index(target: Target, entry: Mapping[str, Any]) -> CatalogIndex | None:
    predicate = entry["predicate"]
    index, is_on_column = read_catalog_text(
        entry["name"],
        entry["method"],
        entry["operator_class"],
        entry["definition"],
        target.column,
        partial=predicate is not None,
    )
    if not is_on_column:
        return None
    problem = ""
    if index is None:
        problem = f"its expression {entry['definition']} is none that pgvec can repeat in a query"
    else:
        index = serving(index, target.distance)
        if index.distance is not target.distance:
            problem = f"its operator class {entry['operator_class']} serves {index.distance}"
    terms = () if predicate is None else read_terms(predicate)
    return CatalogIndex(entry["name"], index, entry["valid"], entry["rows"], terms, problem)


def _compact_forms(target: Target, found: Any) -> list[CompactForm]:
    forms = []
    for entry in found:
        type_ = VectorType(entry["type"])
        operator_class = "bit_hamming_ops" if type_ is VectorType.BIT else "halfvec_l2_ops"
        read, _ = read_catalog_text(
            entry["column"], "hnsw", operator_class, entry["expression"], target.column, partial=False
        )
        serves = type_ is not VectorType.BIT or target.distance in SERVED_BY_BITS
        if read is not None and read.quantization is type_ and read.dimensions is None and serves:
            forms.append(CompactForm(entry["column"], type_, entry["leading"], frozenset(entry["covered"])))
    return forms


def _partitions(found: Any) -> list[Partition]:
    read = ((read_terms(entry["constraint"]), entry["rows"]) for entry in found if entry["constraint"])
    return [Partition(terms, rows) for terms, rows in read if terms]
