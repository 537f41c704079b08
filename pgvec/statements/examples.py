"""The statement of a search by examples: that of a search, with the examples beside it and their score in place of the distance.

::

    WITH examples AS MATERIALIZED (the vectors that were given, and those of the rows whose keys were given),
    ... as in the statement of a search, where rows are ordered by the score of the examples; the branch of the index is

         candidates AS (for each positive example, LATERAL, what the index finds near it),
         nearest AS MATERIALIZED (the candidates with the best scores)

Where an example is not stored, or has no embedding, nothing is found.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.sql.selectable import CTE

from pgvec.model import Distance, Strategy, Target, VectorIndex, VectorType
from pgvec.orm.indexes import extension_function
from pgvec.statements.numbers import HALF, LEAST, NAN, ONE, ZERO, row_count, whole_number
from pgvec.statements.plan import attributes, embedding_of
from pgvec.statements.qualified import distance_between, fetched, product, similarity_of, vector_cast
from pgvec.statements.requests import Find
from pgvec.statements.scoring import ExampleScoring, Formula
from pgvec.statements.search import SearchBuilder

__all__ = [
    "GOOD",
    "KEYS",
    "KEY_NUMBERS",
    "PARTS",
    "VECTORS",
    "VECTOR_NUMBERS",
    "WEIGHTS",
    "examples_statement",
    "stored_examples",
]

VECTORS = "pgvec_vectors"
VECTOR_NUMBERS = "pgvec_vector_numbers"
KEYS = "pgvec_example"
"""Beginning of the names of the parameters that hold the keys of examples: one array for each part of a key."""
KEY_NUMBERS = "pgvec_key_numbers"
WEIGHTS = "pgvec_weights"
GOOD = "pgvec_good"
PARTS = "pgvec_parts"
"""The pair that an example belongs to, from 1; 0 for the target."""

# What Qdrant's float32 arithmetic takes for the smallest difference.
_EPSILON = "1.1920929e-07::float8"


def examples_statement(find: Find, scoring: ExampleScoring, display: list[Any], schema: str) -> sa.Select[Any]:
    """Build the statement of a search by examples.

    Returns:
        A statement whose rows are those of the search statement, with the score, its sign changed, in place of the distance
        (for ``Formula.SUM_OF_VECTORS`` with the distance). Its parameters are ``pgvec_vectors`` as texts, ``pgvec_example_<n>``
        with the keys of stored examples, the numbers of both (from 1), and by number ``pgvec_weights``, ``pgvec_good`` and
        ``pgvec_parts``.
    """
    if scoring.formula is Formula.SUM_OF_VECTORS:
        return _SumBuilder(find, scoring, display, schema).statement()
    return _ScoreBuilder(find, scoring, display, schema).statement()


def stored_examples(target: Target) -> sa.Select[Any]:
    """Build the statement that tells the numbers of examples that are stored rows.

    Returns:
        A statement whose rows are the number, and whether an element of the embedding is not zero; NULL without an embedding.
    """
    named = _named(target)
    embedding = embedding_of(target)
    elements = sa.func.split_part(sa.cast(embedding, sa.Text()), "/", 1)
    statement = sa.select(named.c.number, elements.regexp_match("[1-9]")).select_from(named)
    return statement.join(target.entity, _is_named(target, named))


def _named(target: Target) -> Any:
    """The keys of stored examples, with their numbers."""
    keys = attributes(target, target.key)
    binds = (sa.bindparam(f"{KEYS}_{n}", type_=ARRAY(key.type)) for n, key in enumerate(keys))
    columns = (sa.column(f"key_{n}", key.type) for n, key in enumerate(keys))
    given = sa.func.unnest(*binds, sa.bindparam(KEY_NUMBERS, type_=ARRAY(sa.Integer())))
    return given.table_valued(*columns, sa.column("number", sa.Integer()), name="pgvec_named").render_derived()


def _is_named(target: Target, named: Any) -> sa.ColumnElement[bool]:
    return sa.and_(*(key == named.c[f"key_{n}"] for n, key in enumerate(attributes(target, target.key))))


class _ExampleBuilder(SearchBuilder):
    """What both kinds of search by examples have in common."""

    def __init__(self, find: Find, scoring: ExampleScoring, display: list[Any], schema: str) -> None:
        self.scoring = scoring
        super().__init__(find, display, schema)

    def _query(self) -> CTE:
        self.examples = self._examples()
        return self.examples

    def _examples(self) -> CTE:
        """The examples that can be compared, with what is known of them."""
        target, column = self.target, self.target.column
        given = sa.func.unnest(
            sa.bindparam(VECTORS, type_=ARRAY(sa.Text())), sa.bindparam(VECTOR_NUMBERS, type_=ARRAY(sa.Integer()))
        ).table_valued(sa.column("text", sa.Text()), sa.column("number", sa.Integer()), name="pgvec_given")
        given = given.render_derived()
        vector = vector_cast(given.c.text, column.type, column.dimensions, self.schema)
        rows: Any = sa.select(given.c.number, vector.label("vector")).select_from(given)
        if self.scoring.by_key:
            named = _named(target)
            embedding = fetched(self.embedding, column.type, self.schema)
            stored = sa.select(named.c.number, embedding.label("vector")).select_from(named)
            rows = sa.union_all(rows, stored.join(target.entity, _is_named(target, named)))
        found = rows.subquery("pgvec_found")
        about = self._about()
        statement = sa.select(found.c.vector, about.c.part, about.c.good, about.c.weight)
        statement = statement.select_from(found.join(about, about.c.number == found.c.number))
        return self.materialized(statement.where(*self._usable(found.c.vector)), "examples")

    @staticmethod
    def _about() -> Any:
        """What the formula has to know of each example, by number."""
        columns: tuple[sa.ColumnClause[Any], ...] = (
            sa.column("part", sa.Integer()),
            sa.column("good", sa.Boolean()),
            sa.column("weight", sa.Float()),
        )
        names = zip((PARTS, GOOD, WEIGHTS), columns, strict=True)
        given = sa.func.unnest(*(sa.bindparam(name, type_=ARRAY(column.type)) for name, column in names))
        return given.table_valued(*columns, with_ordinality="number", name="pgvec_about").render_derived()

    def _usable(self, vector: sa.ColumnElement[Any]) -> list[sa.ColumnElement[bool]]:
        """Whether rows can be compared with a vector: it is there, and is not zero where the length divides."""
        if self.target.distance is not Distance.COSINE:
            return [vector.is_not(None)]
        return [vector.is_not(None), distance_between(vector, vector, Distance.COSINE, self.schema) != NAN]

    def _all_there(self) -> sa.ColumnElement[bool]:
        """Whether every example can be compared."""
        number = sa.select(row_count()).select_from(self.examples).scalar_subquery()
        return number == sa.func.cardinality(sa.bindparam(WEIGHTS, type_=ARRAY(sa.Float())))

    def _rows(self, *extra: sa.ColumnElement[Any], by_vector_index: bool = False) -> sa.Select[Any]:
        """Rows that may be found: none that is an example, and none at all where an example is missing."""
        statement = super()._rows(*extra, by_vector_index=by_vector_index).where(*self._ready())
        if not self.scoring.by_key:
            return statement
        keys = [sa.bindparam(f"{KEYS}_{n}", type_=ARRAY(key.type)) for n, key in enumerate(self.key)]
        if len(keys) == 1:
            return statement.where(self.key[0] != sa.all_(keys[0]))
        named = _named(self.target)
        own = (named.c[f"key_{n}"] for n in range(len(keys)))
        return statement.where(sa.tuple_(*self.key).not_in(sa.select(*own).select_from(named)))

    def _ready(self) -> list[sa.ColumnElement[bool]]:
        return [self._all_there()]

    def _sum(self, examples: CTE) -> sa.ColumnElement[Any]:
        """The sum of the examples' vectors times their weights, those of negative examples less; for cosine of unit vectors."""
        vector: sa.ColumnElement[Any] = examples.c.vector
        if self.target.distance is Distance.COSINE:
            vector = extension_function("l2_normalize", self.schema, vector)
        if self.target.column.type is not VectorType.VECTOR:
            vector = vector_cast(vector, VectorType.VECTOR, None, self.schema)
        weight = sa.case((examples.c.good, examples.c.weight), else_=-examples.c.weight)
        dimensions = array([extension_function("vector_dims", self.schema, vector)], type_=sa.Integer())  # type: ignore[misc]
        filled = sa.func.array_fill(sa.cast(weight, sa.REAL()), dimensions)
        factors = vector_cast(filled, VectorType.VECTOR, None, self.schema)
        summed = extension_function("sum", self.schema, product(vector, factors, self.schema))
        column = self.target.column
        return summed if column.type is VectorType.VECTOR else vector_cast(summed, column.type, None, self.schema)


class _SumBuilder(_ExampleBuilder):
    """A search for the sum of the examples' vectors, by distance, as any other search."""

    def _query(self) -> CTE:
        self.examples = self._examples()
        return self.materialized(sa.select(self._sum(self.examples).label("vector")), "query")

    def _ready(self) -> list[sa.ColumnElement[bool]]:
        return [self._all_there(), self.vector.is_not(None)]


class _ScoreBuilder(_ExampleBuilder):
    """A search that orders by a score of the examples; the index finds candidates near the positive ones."""

    def _query(self) -> CTE:
        examples = super()._query()
        self.pairs = self._pairs()
        return examples

    @property
    def distance(self) -> sa.ColumnElement[float]:
        """What rows are ordered by, ascending: the score, with its sign changed."""
        match self.scoring.formula:
            case Formula.BEST_SCORE:
                score = self._best_score()
            case Formula.SUM_SCORES:
                score = self._sum_scores()
            case Formula.DISCOVER:
                score = self._rank() + _share(self._similarity(self._target_vector()))
            case _:
                score = self._context()
        return -score

    def _similarity(self, vector: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
        distance = distance_between(self.embedding, vector, self.target.distance, self.schema)
        # With the bare operator Postgres might look for an index.
        return similarity_of(distance + sa.literal_column("0"), self.target.distance)

    def _best_score(self) -> sa.ColumnElement[float]:
        examples = self.examples
        similarity = self._similarity(examples.c.vector) * examples.c.weight
        best = sa.func.coalesce(sa.func.max(similarity).filter(examples.c.good), LEAST)
        worst = sa.func.coalesce(sa.func.max(similarity).filter(~examples.c.good), LEAST)
        score = sa.case((best > worst, _share(best)), else_=-_share(worst))
        return sa.select(score).select_from(examples).correlate_except(examples).scalar_subquery()

    def _sum_scores(self) -> sa.ColumnElement[float]:
        examples = self.examples
        similarity = self._similarity(examples.c.vector) * examples.c.weight
        total = sa.func.sum(sa.case((examples.c.good, similarity), else_=-similarity))
        return sa.select(total).select_from(examples).correlate_except(examples).scalar_subquery()

    def _pairs(self) -> CTE:
        good, bad = self.examples.alias("pgvec_good_one"), self.examples.alias("pgvec_bad_one")
        same = sa.and_(good.c.part == bad.c.part, good.c.part > sa.literal_column("0"), good.c.good, ~bad.c.good)
        statement = sa.select(good.c.vector.label("good"), bad.c.vector.label("bad")).select_from(good.join(bad, same))
        return self.materialized(statement, "pairs")

    def _of_pairs(self, pairs: CTE, value: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
        summed = sa.func.coalesce(sa.func.sum(value), ZERO)
        return sa.select(summed).select_from(pairs).correlate_except(pairs).scalar_subquery()

    def _target_vector(self) -> sa.ColumnElement[Any]:
        is_target = self.examples.c.part == sa.literal_column("0")
        return sa.select(self.examples.c.vector).where(is_target).scalar_subquery()

    def _rank(self) -> sa.ColumnElement[float]:
        pairs = self.pairs
        difference = self._similarity(pairs.c.good) - self._similarity(pairs.c.bad)
        return self._of_pairs(pairs, sa.func.sign(difference))

    def _context(self) -> sa.ColumnElement[float]:
        pairs = self.pairs
        epsilon: sa.ColumnElement[float] = sa.literal_column(_EPSILON, sa.Float())
        difference = self._similarity(pairs.c.good) - self._similarity(pairs.c.bad) - epsilon
        # NaN is larger than any number to Postgres: a row that cannot be compared would be the best.
        lost = sa.case((difference == NAN, NAN), else_=sa.func.least(difference, ZERO))
        return self._of_pairs(pairs, _sigmoid(lost))

    # The branch of the index

    def _seeds(self) -> CTE:
        """What the index looks near: the sum where that has the same order as the score, else every positive example."""
        if self._has_linear_order():
            return self.materialized(sa.select(self._sum(self.examples).label("vector")), "seeds")
        return self.materialized(sa.select(self.examples.c.vector).where(self.examples.c.good), "seeds")

    def _has_linear_order(self) -> bool:
        """Whether the sum of the similarities is the similarity to the sum."""
        is_linear = self.target.distance in (Distance.COSINE, Distance.INNER_PRODUCT)
        is_dense = self.target.column.type in (VectorType.VECTOR, VectorType.HALFVEC)
        return self.scoring.formula is Formula.SUM_SCORES and is_linear and is_dense

    def _nearest(self, applied: sa.ColumnElement[bool]) -> CTE:
        """The best of what the index finds near the positive examples."""
        self._seed = self._seeds()
        index, distance = self.plan.index, self._near_seed()
        order = distance if self.plan.holds_whole_vectors or index is None else self._indexed_distance(index)
        pool = max(self.shape.wanted, self.scoring.candidates) * self.plan.oversampling
        scored = (self.distance + sa.literal_column("0")).label("distance")
        found = (
            self._rows(scored).where(applied, *self._predicate()).order_by(order).limit(whole_number(pool)).lateral()
        )
        keys = [found.c[f"key_{n}"] for n in range(len(self.key))]
        # What is near several examples is found by each, with the same score.
        best = sa.select(*keys, sa.func.min(found.c.distance).label("distance"), self.numbered(Strategy.INDEX))
        best = best.select_from(self._seed).join(found, sa.true()).group_by(*keys)
        best = best.order_by(sa.literal_column("distance")).limit(whole_number(self.shape.wanted))
        return self.materialized(self._joined(best), "nearest")

    def _near_seed(self) -> sa.ColumnElement[float]:
        return distance_between(self.embedding, self._seed.c.vector, self.target.distance, self.schema)

    def _compact_of_query(self, index: VectorIndex) -> sa.ColumnElement[Any]:
        return self._smaller(self._seed.c.vector, index)


def _sigmoid(value: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
    """``x / (1 + abs(x))``: https://github.com/qdrant/qdrant/blob/master/lib/common/common/src/math.rs."""
    return sa.type_coerce(value / (ONE + sa.func.abs(value)), sa.Float())


def _share(value: sa.ColumnElement[Any]) -> sa.ColumnElement[float]:
    """The same, scaled into 0 to 1."""
    return HALF * (_sigmoid(value) + ONE)
