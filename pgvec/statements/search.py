"""The statement of a nearest-neighbour search: one round trip, whatever form the plan gives it.

Form INDEX asks the index and, where that comes back short, answers exactly::

    WITH settings AS MATERIALIZED (the settings as they are, and those of the scan made),
         nearest AS MATERIALIZED (index scan, once the settings are made),
         short AS MATERIALIZED (did it find too few? and the settings put back),
    SELECT ... FROM (nearest, unless short UNION ALL exact scan, if short)

Form COUNTED first compares what passes the condition, but no more rows than the index would cost::

    WITH few AS MATERIALIZED (at most cap + 1 rows that pass, with their distances),
         counted AS MATERIALIZED (how many those are),
         settings, nearest (if there are more than the cap), short as above
    SELECT ... FROM (few, if that is all UNION ALL nearest, unless short UNION ALL exact scan, if short)

Six things are as they are because Postgres 15 to 18 behave as they do; each was measured.

* The vector is a plain parameter of its own type, or sits in a CTE. With a cast or a function around it, it would be a constant
  to a custom plan and work for each row to a generic one, so the generic plan would look dearer and the statement would be
  planned anew on every call.
* The branch of the index brings along what is shown, where that is columns of the table: joining ten rows costs a twentieth of
  the search. The exact branch joins what it found, since sorting all rows with their texts would copy them.
* Limits are literals for the same reason: with a parameter the generic plan expects a tenth of the table.
* The exact branches order by ``distance + 0``: with the bare operator the planner would answer them from the index again.
* ``set_config`` runs in an InitPlan, so before the scan that it sits on; it also keeps the statement from being run in
  parallel, which would start workers for a branch that is then never executed. The form EXACT, which sets nothing, may be run
  in parallel.
* A partial index is found without knowing parameters, since its predicate is repeated as it stands in the catalog.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import CTE

from pgvec.model import CompactForm, Distance, IndexMethod, Strategy, Target, VectorIndex, VectorType
from pgvec.orm.indexes import index_expression
from pgvec.statements.numbers import paged, row_count, whole_number
from pgvec.statements.plan import Form, attributes, embedding_of, target_table
from pgvec.statements.predicates import term_condition
from pgvec.statements.qualified import distance_between, query_parameter, vector_cast
from pgvec.statements.requests import Find
from pgvec.statements.scan_settings import ScanSettings

__all__ = ["AFTER", "BRANCHES", "QUERY", "TRAILING", "SearchBuilder", "search_statement", "stored_embedding"]

QUERY = "pgvec_query"
AFTER = "pgvec_after"
"""Beginning of the names of the parameters that say where a page begins: a distance, and the parts of a key."""
_DISTANCE = "pgvec_distance"
_BRANCH = "pgvec_branch"
_MATCHING = "pgvec_matching"
TRAILING = 3
"""How many columns follow what is shown: the distance, the branch, and how many rows passed the condition, where counted."""
BRANCHES = (Strategy.INDEX, Strategy.COMPLETED, Strategy.EXACT)

# Beyond these rows only keys go through the CTEs, which keep in memory what they hold.
_MOST_CARRIED_ROWS = 1_000


def search_statement(find: Find, display: list[Any], schema: str) -> sa.Select[Any]:
    """Build the statement of a search.

    Args:
        find: What is asked for, and how it is to be answered.
        display: What to select beside distance and branch: columns, or the model itself.
        schema: Postgres schema of the extension.

    Returns:
        A statement with the parameters ``pgvec_query`` (and ``pgvec_max_distance``, ``pgvec_key_<n>``) whose rows are
        ``display``, the distance, the position of the branch in ``BRANCHES``, and the number of rows that passed the
        condition, at most one more than the plan's cap, or NULL where none were counted.
    """
    return SearchBuilder(find, display, schema).statement()


def stored_embedding(target: Target, key: tuple[Any, ...]) -> sa.Select[Any]:
    """Build the statement that tells whether a row exists and whether it has an embedding."""
    embedding = embedding_of(target)
    conditions = (column == value for column, value in zip(attributes(target, target.key), key, strict=True))
    return sa.select(embedding.is_not(None)).where(*conditions)


class SearchBuilder:
    """The parts of one search statement."""

    def __init__(self, find: Find, display: list[Any], schema: str) -> None:
        target = self.target = find.target
        shape = self.shape = find.shape
        self.plan = find.plan
        self.display = display
        self.where = find.where
        self.schema = schema
        self.key = attributes(target, target.key)
        self.embedding = embedding_of(target)
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
            return self.materialized(sa.select(self.embedding.label("vector")).where(*keys), "query")
        if column.type in (VectorType.VECTOR, VectorType.HALFVEC):
            value = query_parameter(QUERY, column.type, self.schema)
            whole = self.plan.form is Form.EXACT or self.plan.holds_whole_vectors
            if whole and self.plan.compact is None:
                return value
        else:
            text = sa.cast(sa.bindparam(QUERY, type_=sa.Text()), sa.Text())
            value = vector_cast(text, column.type, column.dimensions, self.schema)
        return self.materialized(sa.select(value.label("vector")), "query")

    # The small parts that also the statement for many queries is made of

    @staticmethod
    def materialized(statement: sa.Select[Any], name: str) -> CTE:
        """A CTE that is computed once."""
        return statement.cte(f"pgvec_{name}").prefix_with("MATERIALIZED")

    @staticmethod
    def numbered(branch: Strategy) -> sa.ColumnElement[int]:
        """The position of a branch in ``BRANCHES``."""
        number: sa.ColumnElement[int] = sa.literal_column(str(BRANCHES.index(branch)))
        return number.label("branch")

    @property
    def vector(self) -> sa.ColumnElement[Any]:
        """The query vector, where it is compared."""
        return sa.select(self.query.c.vector).scalar_subquery() if isinstance(self.query, CTE) else self.query

    @property
    def distance(self) -> sa.ColumnElement[float]:
        """The distance of a row, by the operator alone, so that an index may order by it."""
        return distance_between(self.embedding, self.vector, self.target.distance, self.schema)

    def _rows(self, *extra: sa.ColumnElement[Any], by_vector_index: bool = False) -> sa.Select[Any]:
        """Keys of the rows that may be found, with what is given beside them.

        Postgres guesses at many conditions, and where it guesses that few rows pass, it finds and sorts them all instead of
        asking the vector index. ``IS true`` takes the other indexes, and joins, out of its reach.
        """
        statement = sa.select(*(key.label(f"key_{n}") for n, key in enumerate(self.key)), *extra)
        # The compact form is NULL where the vector is; to ask for the vector would be to read the row.
        compact = self.plan.compact
        statement = statement.where((self.embedding if compact is None else self._compact_column(compact)).is_not(None))
        if self.shape.by_record:
            statement = statement.where(self.vector.is_not(None))
        if self.shape.passed:
            statement = statement.where(self._comes_after())
        if self.where is None:
            return statement
        return statement.where(
            self.where.self_group().is_(sa.true()) if by_vector_index and self.plan.hides_filter else self.where
        )

    def _comes_after(self) -> sa.ColumnElement[bool]:
        """Whether a row comes after the last one of the page before; the key decides among equal distances."""
        last = [
            sa.bindparam(f"{AFTER}_{n}", type_=attribute.type)
            for n, attribute in enumerate([sa.literal(0.0), *self.key])
        ]
        return sa.tuple_(self.distance + sa.literal_column("0"), *self.key) > sa.tuple_(*last)

    def matching(self, *values: Any) -> sa.Select[Any]:
        """What is given of every row that would be found without a limit, whatever page is asked for."""
        statement = sa.select(*values).select_from(self.target.entity).where(self.embedding.is_not(None))
        if self.shape.by_record:
            statement = statement.where(self.vector.is_not(None))
        if self.shape.bounded:
            within = sa.bindparam("pgvec_max_distance", type_=sa.Float())
            statement = statement.where(self.distance + sa.literal_column("0") <= within)
        return statement if self.where is None else statement.where(self.where)

    def statement(self) -> sa.Select[Any]:
        """The whole statement, in the form that the plan names."""
        if self.plan.form is Form.EXACT:
            return self._shown(self._joined(self._scanned(Strategy.EXACT)).subquery("found"))
        if self.plan.form is Form.INDEX:
            by_index, completed = self._branches()
            return self._shown(sa.union_all(by_index, completed).subquery("found"))
        few = self.materialized(self._compared(Strategy.EXACT).limit(whole_number(self._cap + 1)), "few")
        counted = self.materialized(sa.select(row_count().label("rows")).select_from(few), "counted")
        number = sa.select(counted.c.rows).scalar_subquery()
        all_few = self._nearest_of(sa.select(*few.c).where(number <= whole_number(self._cap)), few.c.distance)
        by_index, completed = self._branches(only_if=number > whole_number(self._cap))
        return self._shown(sa.union_all(self._joined(all_few), by_index, completed).subquery("found"), number)

    @property
    def _cap(self) -> int:
        assert self.plan.cap is not None, "a plan that counts says how far"
        return self.plan.cap

    def _compared(self, branch: Strategy) -> sa.Select[Any]:
        """Rows that may be found with their distances, by no vector index; by the compact form where the plan names one."""
        compared = self.distance if self.plan.compact is None else self._compact_distance(self.plan.compact)
        return self._rows((compared + sa.literal_column("0")).label("distance"), self.numbered(branch))

    def _scanned(self, branch: Strategy, only_if: sa.ColumnElement[bool] | None = None) -> sa.Select[Any]:
        """The nearest by comparing every row."""
        rows = self._compared(branch)
        return self._nearest_of(rows if only_if is None else rows.where(only_if), sa.literal_column("distance"))

    def _nearest_of(self, rows: sa.Select[Any], distance: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """The nearest of compared rows; where those were compared by a compact form, the best of them are compared again."""
        if self.plan.compact is None:
            return rows.order_by(distance).limit(whole_number(self.shape.wanted))
        pool = rows.order_by(distance).limit(whole_number(self.plan.pool)).subquery()
        keys = (pool.c[f"key_{n}"] for n in range(len(self.key)))
        again = (self.distance + sa.literal_column("0")).label("distance")
        statement = (
            sa.select(*keys, again, pool.c.branch).select_from(pool).join(self.target.entity, self._is_row(pool))
        )
        return statement.order_by(sa.literal_column("distance")).limit(whole_number(self.shape.wanted))

    def _compact_distance(self, form: CompactForm) -> sa.ColumnElement[float]:
        by = VectorIndex(None, IndexMethod.HNSW, self.target.distance, form.type)
        return self._distance_by(self._compact_column(form), by)

    def _compact_column(self, form: CompactForm) -> sa.ColumnElement[Any]:
        return sa.column(form.column, _selectable=target_table(self.target))

    def _carried(self) -> list[sa.ColumnElement[Any]]:
        return [item.label(f"shown_{n}") for n, item in enumerate(self.beside if self.carries else ())]

    def _joined(self, scanned: sa.Select[Any]) -> sa.Select[Any]:
        """Rows of an exact branch, with what the branch of the index brings along."""
        rows = scanned.subquery()
        carried = self._carried()
        if not carried:
            return rows.select()
        keys = (rows.c[f"key_{n}"] for n in range(len(self.key)))
        statement = sa.select(*keys, *carried, rows.c.distance, rows.c.branch).select_from(rows)
        return statement.join(self.target.entity, self._is_row(rows))

    def _is_row(self, found: sa.FromClause) -> sa.ColumnElement[bool]:
        return sa.and_(*(key == found.c[f"key_{n}"] for n, key in enumerate(self.key)))

    def _branches(self, only_if: sa.ColumnElement[bool] | None = None) -> tuple[sa.Select[Any], sa.Select[Any]]:
        """The branch of the index, and the one that answers exactly where the index came back short."""
        settings = ScanSettings(self.plan)
        applied = settings.applied()
        if only_if is not None:
            # In a CASE nothing is set where the index is not asked.
            applied = sa.case((only_if, applied), else_=sa.false())
        nearest = self._nearest(applied)
        found = sa.select(row_count().label("rows")).select_from(nearest).subquery()
        too_few = found.c.rows < whole_number(self.shape.wanted)
        short = self.materialized(
            sa.select((too_few if only_if is None else sa.and_(too_few, only_if)).label("yes"))
            .select_from(found.join(settings.kept, sa.true()))
            .where(settings.restored(found.c.rows)),
            "short",
        )
        is_short = sa.select(short.c.yes).scalar_subquery()
        by_index = sa.select(*nearest.c).where(~is_short)
        return by_index, self._joined(self._scanned(Strategy.COMPLETED, is_short))

    def _nearest(self, applied: sa.ColumnElement[bool]) -> CTE:
        """What the index finds. Where it holds a smaller form of the vectors, more candidates, ordered by the full ones."""
        rows = self._rows(*self._carried(), self.distance.label("distance"), self.numbered(Strategy.INDEX)).where(
            applied
        )
        rows = rows.where(*self._predicate())
        if self.plan.holds_whole_vectors:
            return self.materialized(rows.order_by(self.distance).limit(whole_number(self.shape.wanted)), "nearest")
        assert self.plan.index is not None
        candidates = rows.order_by(self._indexed_distance(self.plan.index))
        pool = self.materialized(
            candidates.limit(whole_number(self.shape.wanted * self.plan.oversampling)), "candidates"
        )
        return self.materialized(
            sa.select(*pool.c).order_by(pool.c.distance).limit(whole_number(self.shape.wanted)), "nearest"
        )

    def _predicate(self) -> list[sa.ColumnElement[bool]]:
        """What a partial index says of its rows; the condition implies it, but Postgres cannot see that in parameters."""
        columns = {column.name: column for column in target_table(self.target).c} if self.plan.predicate else {}
        return [term_condition(term, columns[term.column]) for term in self.plan.predicate]

    def _indexed_distance(self, index: VectorIndex) -> sa.ColumnElement[float]:
        """The distance between the forms that the index holds; the left side equals the index's expression."""
        left = index_expression(self.embedding, self.target.column, index, self.schema)
        return self._distance_by(left, index)

    def _distance_by(self, left: sa.ColumnElement[Any], index: VectorIndex) -> sa.ColumnElement[float]:
        """The distance of a smaller form of the row's vector from the same form of the query."""
        by = Distance.HAMMING if index.quantization is VectorType.BIT else index.distance
        return distance_between(left, self._compact_of_query(index), by, self.schema)

    def _compact_of_query(self, index: VectorIndex) -> sa.ColumnElement[Any]:
        assert isinstance(self.query, CTE), "a smaller form of the vector is made once, in a CTE"
        return sa.select(self._smaller(self.query.c.vector, index)).scalar_subquery()

    def _smaller(self, vector: sa.ColumnElement[Any], index: VectorIndex) -> sa.ColumnElement[Any]:
        return index_expression(vector, self.target.column, index, self.schema)

    def _trailing(self, found: sa.FromClause, counted: sa.ColumnElement[int] | None) -> list[sa.ColumnElement[Any]]:
        matching: sa.ColumnElement[Any] = sa.literal_column("NULL", sa.Integer) if counted is None else counted
        return [found.c.distance.label(_DISTANCE), found.c.branch.label(_BRANCH), matching.label(_MATCHING)]

    @staticmethod
    def _is_within(found: sa.FromClause) -> sa.ColumnElement[bool]:
        return found.c.distance <= sa.bindparam("pgvec_max_distance", type_=sa.Float())

    def _shown(self, found: sa.FromClause, counted: sa.ColumnElement[int] | None = None) -> sa.Select[Any]:
        extra = self._trailing(found, counted)
        if self.carries:
            names = {id(item): f"shown_{n}" for n, item in enumerate(self.beside)}
            names |= {id(key): f"key_{n}" for n, key in enumerate(self.key)}
            statement = sa.select(*(found.c[names[id(item)]].label(item.key) for item in self.display), *extra)
        else:
            statement = sa.select(*self.display, *extra).select_from(found)
            statement = statement.join(self.target.entity, self._is_row(found))
        if self.shape.bounded:
            statement = statement.where(self._is_within(found))
        keys = (found.c[f"key_{n}"] for n in range(len(self.key)))
        statement = statement.order_by(found.c.distance, *keys)
        return paged(statement, self.shape.limit, self.shape.offset)


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
