"""The statement of a nearest-neighbour search: one round trip that asks the index and, where that comes back short, answers exactly.

::

    WITH before AS MATERIALIZED (the settings as they are),
         nearest AS MATERIALIZED (index scan, with the settings that it needs),
         short AS MATERIALIZED (did it find too few? and the settings put back),
    SELECT ... FROM (nearest, unless short UNION ALL exact scan, if short)

Five things are as they are because Postgres 15 to 18 behave as they do; each was measured.

* The vector is a plain parameter of its own type, or sits in a CTE. With a cast or a function around it, it would be a constant
  to a custom plan and work for each row to a generic one, so the generic plan would look dearer and the statement would be
  planned anew on every call.
* The branch of the index brings along what is shown, where that is columns of the table: joining ten rows costs a twentieth of
  the search. The exact branch joins what it found, since sorting all rows with their texts would copy them.
* Limits are literals for the same reason: with a parameter the generic plan expects a tenth of the table.
* The exact branch orders by ``distance + 0``: with the bare operator the planner would answer it from the index again.
* ``set_config`` runs in an InitPlan, so before the scan that it sits on; it also keeps the statement from being run in
  parallel, which would start workers for a branch that is then never executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Distance, IndexMethod, Strategy, Target, VectorIndex, VectorType
from pgvec.orm.indexes import index_expression
from pgvec.statements.qualified import distance_between, query_parameter, vector_cast

__all__ = [
    "BRANCHES",
    "QUERY",
    "SearchShape",
    "attributes",
    "effective_ef_search",
    "search_statement",
    "stored_embedding",
]

QUERY = "pgvec_query"
_DISTANCE = "pgvec_distance"
_BRANCH = "pgvec_branch"
BRANCHES = (Strategy.INDEX, Strategy.COMPLETED, Strategy.EXACT)

_DEFAULT_EF_SEARCH = 40
_LARGEST_EF_SEARCH = 1_000
_SCAN_BUDGET = 2_000
_SCAN_BUDGET_PER_CANDIDATE = 20
# Beyond these rows only keys go through the CTEs, which keep in memory what they hold.
_MOST_CARRIED_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class SearchShape:
    """What decides the text of a search statement, beside its target and its filter.

    Attributes:
        limit: Most rows to return.
        offset: Rows to pass over first.
        exact: Compare every row instead of asking the index.
        bounded: Whether ``max_distance`` is given.
        ef_search: ``hnsw.ef_search`` for this search, or None to leave what is set.
        by_record: Whether the query is a stored record, named by its key, instead of a vector.
    """

    limit: int
    offset: int = 0
    exact: bool = False
    bounded: bool = False
    ef_search: int | None = None
    by_record: bool = False

    @property
    def wanted(self) -> int:
        """How many rows have to be found."""
        return self.limit + self.offset


def attributes(target: Target, names: tuple[str, ...]) -> list[Any]:
    """Return the named attributes of the model, or columns of the table."""
    if isinstance(target.entity, sa.Table):
        return [target.entity.c[name] for name in names]
    return [getattr(target.entity, name) for name in names]


def search_statement(
    target: Target,
    shape: SearchShape,
    display: list[Any],
    where: sa.ColumnElement[bool] | None,
    schema: str,
) -> sa.Select[Any]:
    """Build the statement of a search.

    Args:
        target: What to search.
        shape: How.
        display: What to select beside distance and branch: columns, or the model itself.
        where: Condition on the rows, or None.
        schema: Postgres schema of the extension.

    Returns:
        A statement with the parameters ``pgvec_query`` (and ``pgvec_max_distance``, ``pgvec_key_<n>``) whose rows
        are ``display``, the distance, and the position of the branch in ``BRANCHES``.
    """
    builder = _SearchBuilder(target, shape, display, where, schema)
    return builder.shown(builder.exact() if shape.exact else builder.adaptive())


def stored_embedding(target: Target, key: tuple[Any, ...]) -> sa.Select[Any]:
    """Build the statement that tells whether a row exists and whether it has an embedding."""
    (embedding,) = attributes(target, (target.column.attribute,))
    conditions = (column == value for column, value in zip(attributes(target, target.key), key, strict=True))
    return sa.select(embedding.is_not(None)).where(*conditions)


def effective_ef_search(target: Target, shape: SearchShape) -> int | None:
    """The ``hnsw.ef_search`` that a search asks for, or None where it leaves the server's own."""
    index = target.index
    if index is not None and index.method is not IndexMethod.HNSW:
        return None
    if shape.ef_search is not None:
        return shape.ef_search
    candidates = shape.wanted * _oversampling(index)
    return min(candidates, _LARGEST_EF_SEARCH) if candidates > _DEFAULT_EF_SEARCH else None


class _SearchBuilder:
    """The parts of one search statement."""

    def __init__(
        self,
        target: Target,
        shape: SearchShape,
        display: list[Any],
        where: sa.ColumnElement[bool] | None,
        schema: str,
    ) -> None:
        self.target = target
        self.shape = shape
        self.display = display
        self.where = where
        self.schema = schema
        self.key = attributes(target, target.key)
        (self.embedding,) = attributes(target, (target.column.attribute,))
        self.index = target.index
        self.query = self._query()
        # What is shown beside the keys; the branches can bring it where it is columns of the table, without embeddings.
        self.beside = [item for item in display if not _among(item, self.key)]
        own = _plain_columns(target) if shape.wanted <= _MOST_CARRIED_ROWS else []
        self.carries = all(_among(item, own) for item in self.beside)

    def _query(self) -> CTE | sa.ColumnElement[Any]:
        """The query vector: a parameter where it is used as it is, else a CTE, so that it is made once."""
        column = self.target.column
        if self.shape.by_record:
            keys = (
                attribute == sa.bindparam(f"pgvec_key_{n}", type_=attribute.type)
                for n, attribute in enumerate(self.key)
            )
            return _materialized(sa.select(self.embedding.label("vector")).where(*keys), "query")
        if column.type in (VectorType.VECTOR, VectorType.HALFVEC):
            value = query_parameter(QUERY, column.type, self.schema)
            if self.index is None or _holds_whole_vectors(self.index):
                return value
        else:
            text = sa.cast(sa.bindparam(QUERY, type_=sa.Text()), sa.Text())
            value = vector_cast(text, column.type, column.dimensions, self.schema)
        return _materialized(sa.select(value.label("vector")), "query")

    @property
    def vector(self) -> sa.ColumnElement[Any]:
        return sa.select(self.query.c.vector).scalar_subquery() if isinstance(self.query, CTE) else self.query

    @property
    def distance(self) -> sa.ColumnElement[float]:
        return distance_between(self.embedding, self.vector, self.target.distance, self.schema)

    def _rows(self, *extra: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """Keys of the rows that may be found, with what is given beside them."""
        statement = sa.select(*(key.label(f"key_{n}") for n, key in enumerate(self.key)), *extra)
        statement = statement.where(self.embedding.is_not(None))
        if self.shape.by_record:
            statement = statement.where(self.vector.is_not(None))
        return statement if self.where is None else statement.where(self.where)

    def _scanned(self, branch: Strategy) -> sa.Select[Any]:
        """The true nearest by comparing every row."""
        exact_distance = (self.distance + sa.literal_column("0")).label("distance")
        number: sa.ColumnElement[int] = sa.literal_column(str(BRANCHES.index(branch))).label("branch")
        return (
            self._rows(exact_distance, number)
            .order_by(sa.literal_column("distance"))
            .limit(_literal(self.shape.wanted))
        )

    def _carried(self) -> list[sa.ColumnElement[Any]]:
        return [item.label(f"shown_{n}") for n, item in enumerate(self.beside if self.carries else ())]

    def _joined(self, scanned: sa.Select[Any]) -> sa.Select[Any]:
        """Rows of the exact branch, with what the branch of the index brings along."""
        rows = scanned.subquery("scanned")
        carried = self._carried()
        if not carried:
            return rows.select()
        keys = (rows.c[f"key_{n}"] for n in range(len(self.key)))
        statement = sa.select(*keys, *carried, rows.c.distance, rows.c.branch).select_from(rows)
        return statement.join(self.target.entity, self._is_row(rows))

    def _is_row(self, found: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.and_(*(key == found.c[f"key_{n}"] for n, key in enumerate(self.key)))

    def exact(self) -> sa.FromClause:
        return self._joined(self._scanned(Strategy.EXACT)).subquery("found")

    def adaptive(self) -> sa.FromClause:
        settings = _Settings(self)
        nearest = self._nearest(settings)
        counted = sa.func.count(sa.literal_column("*"))
        short = _materialized(
            sa.select((counted < _literal(self.shape.wanted)).label("yes"))
            .select_from(nearest)
            .having(settings.restored(counted)),
            "short",
        )
        is_short = sa.select(short.c.yes).scalar_subquery()
        by_index = sa.select(*nearest.c).where(~is_short)
        completed = self._scanned(Strategy.COMPLETED).where(is_short)
        return sa.union_all(by_index, self._joined(completed)).subquery("found")

    def _nearest(self, settings: _Settings) -> CTE:
        """What the index finds. Where it holds a smaller form of the vectors, more candidates, ordered by the full ones."""
        number: sa.ColumnElement[int] = sa.literal_column(str(BRANCHES.index(Strategy.INDEX))).label("branch")
        rows = self._rows(*self._carried(), self.distance.label("distance"), number).where(settings.applied())
        if self.index is None or _holds_whole_vectors(self.index):
            return _materialized(rows.order_by(self.distance).limit(_literal(self.shape.wanted)), "nearest")
        candidates = rows.order_by(self._indexed_distance(self.index)).limit(_literal(settings.candidates))
        pool = _materialized(candidates, "candidates")
        return _materialized(sa.select(*pool.c).order_by(pool.c.distance).limit(_literal(self.shape.wanted)), "nearest")

    def _indexed_distance(self, index: VectorIndex) -> sa.ColumnElement[float]:
        """The distance between the forms that the index holds; the left side equals the index's expression."""
        left = index_expression(self.embedding, self.target.column, index, self.schema)
        assert isinstance(self.query, CTE), "what the index holds of the vector is made once, in a CTE"
        compact = index_expression(self.query.c.vector, self.target.column, index, self.schema)
        right = sa.select(compact).scalar_subquery()
        by = Distance.HAMMING if index.quantization is VectorType.BIT else index.distance
        return distance_between(left, right, by, self.schema)

    def shown(self, found: sa.FromClause) -> sa.Select[Any]:
        ranked = found.c.distance
        extra = (ranked.label(_DISTANCE), found.c.branch.label(_BRANCH))
        if self.carries:
            names = {id(item): f"shown_{n}" for n, item in enumerate(self.beside)}
            names |= {id(key): f"key_{n}" for n, key in enumerate(self.key)}
            statement = sa.select(*(found.c[names[id(item)]].label(item.key) for item in self.display), *extra)
        else:
            statement = sa.select(*self.display, *extra).select_from(found)
            statement = statement.join(self.target.entity, self._is_row(found))
        if self.shape.bounded:
            statement = statement.where(ranked <= sa.bindparam("pgvec_max_distance", type_=sa.Float()))
        keys = (found.c[f"key_{n}"] for n in range(len(self.key)))
        statement = statement.order_by(ranked, *keys)
        if self.shape.offset:
            statement = statement.offset(_literal(self.shape.offset))
        return statement.limit(_literal(self.shape.limit))


class _Settings:
    """pgvector's settings for one statement: set before the index scan, put back after it.

    ``set_config(..., is_local => true)`` ends with the transaction, so nothing leaks into a pool; putting the values back
    leaves the caller's later statements in the same transaction as they were.
    """

    def __init__(self, builder: _SearchBuilder) -> None:
        shape, index = builder.shape, builder.index
        self.candidates = shape.wanted * _oversampling(index)
        ivfflat = index is not None and index.method is IndexMethod.IVFFLAT
        prefix = "ivfflat" if ivfflat else "hnsw"
        values: dict[str, sa.ColumnElement[str]] = {f"{prefix}.iterative_scan": sa.literal_column("'relaxed_order'")}
        if not ivfflat:
            ef_search = effective_ef_search(builder.target, shape)
            if shape.ef_search is not None:
                values["hnsw.ef_search"] = sa.literal_column(f"'{ef_search:d}'")
            elif ef_search is not None:
                values["hnsw.ef_search"] = _at_least("hnsw.ef_search", ef_search)
            if builder.where is not None:
                budget = max(_SCAN_BUDGET, _SCAN_BUDGET_PER_CANDIDATE * self.candidates)
                values["hnsw.max_scan_tuples"] = sa.literal_column(f"'{budget:d}'")
        self.values = values
        current = (
            sa.func.current_setting(sa.literal_column(f"'{name}'"), sa.true()).label(f"setting_{n}")
            for n, name in enumerate(values)
        )
        self.before = _materialized(sa.select(*current), "before")

    def applied(self) -> sa.ColumnElement[bool]:
        """True, once the settings are made. It reads ``before`` so that the old values are taken first."""
        made = (
            sa.func.set_config(sa.literal_column(f"'{name}'"), value, sa.true()) for name, value in self.values.items()
        )
        return sa.select(_concatenated(made)).select_from(self.before).scalar_subquery().is_not(None)

    def restored(self, found: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """True, once the settings are as before. It depends on the count of what was found, so it runs after the scan."""
        after = found >= sa.literal_column("0")
        made = (
            sa.func.coalesce(
                sa.func.set_config(
                    sa.literal_column(f"'{name}'"),
                    sa.select(self.before.c[f"setting_{n}"]).scalar_subquery(),
                    after,
                ),
                sa.literal_column("''"),
            )
            for n, name in enumerate(self.values)
        )
        return _concatenated(made).is_not(None)


def _concatenated(parts: Any) -> sa.ColumnElement[str]:
    first, *rest = parts
    for part in rest:
        first = first.op("||")(part)
    return first  # type: ignore[no-any-return]


def _plain_columns(target: Target) -> list[Any]:
    """Return the attributes that are columns of the target's own table and no embeddings."""
    if isinstance(target.entity, sa.Table):
        return [column for column in target.entity.c if column.key not in target.embeddings]
    mapper = sa.inspect(target.entity)
    own = [
        attribute.key
        for attribute in mapper.column_attrs
        if attribute.key not in target.embeddings
        and len(attribute.columns) == 1
        and isinstance(attribute.columns[0], sa.Column)
        and attribute.columns[0].table is mapper.local_table
    ]
    return attributes(target, tuple(own))


def _among(item: Any, columns: list[Any]) -> bool:
    return any(item is column for column in columns)


def _holds_whole_vectors(index: VectorIndex) -> bool:
    return index.quantization is None and index.dimensions is None


def _oversampling(index: VectorIndex | None) -> int:
    """How many candidates to fetch for each row wanted, when the index holds a smaller form of the vectors."""
    if index is None:
        return 1
    if index.quantization is VectorType.BIT:
        return 20
    if index.dimensions is not None:
        return 5
    return 2 if index.quantization is VectorType.HALFVEC else 1


def _at_least(setting: str, value: int) -> sa.ColumnElement[str]:
    """The current value of an integer setting, or ``value`` where that is larger."""
    name: sa.ColumnElement[str] = sa.literal_column(f"'{setting}'")
    current = sa.cast(sa.func.nullif(sa.func.current_setting(name, sa.true()), sa.literal_column("''")), sa.Integer)
    return sa.cast(sa.func.greatest(current, _literal(value)), sa.Text)


def _literal(number: int) -> sa.ColumnElement[int]:
    return sa.literal_column(f"{number:d}", sa.Integer)


def _materialized(statement: sa.Select[Any], name: str) -> CTE:
    return statement.cte(f"pgvec_{name}").prefix_with("MATERIALIZED")
