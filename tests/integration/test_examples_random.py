"""Searches by examples and diverse searches against NumPy, in random cases under filters that pass about one row of a hundred."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases, sqlalchemy_url
from fix_level import examples
from numpy.random import Generator
from support import example_references as reference

from pgvec import Repository
from pgvec.orm import Embedding, HnswIndex

ROWS = 6_000
DIMENSIONS = 12
PARTS = 100
TABLE = sa.Table(
    "thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("part", sa.Integer, index=True),
    sa.Column("embedding", Embedding(DIMENSIONS, distance="cosine")),
    HnswIndex("embedding", m=8, ef_construction=16),
)


@dataclass
class Things:
    """A table, and what is in it."""

    connection: sa.Connection
    vectors: np.ndarray[Any, Any]

    def repository(self, distance: str) -> Repository[Any]:
        return Repository(self.connection, TABLE, distance=distance)


@pytest.fixture(scope="module")
def things(databases: Databases, template_database: str) -> Iterator[Things]:
    """A table of six thousand vectors, some of which are equal, in parts of sixty rows."""
    rng = np.random.default_rng(17)
    vectors = rng.standard_normal((ROWS, DIMENSIONS)).astype(np.float32)
    # Equal rows, small whole numbers for exact ties, and lengths that differ.
    vectors[::10] = vectors[5::10]
    vectors[3::10] = np.round(vectors[3::10])
    vectors[3::10, 0] += 5
    name = databases.create(template_database)
    engine = sa.create_engine(sqlalchemy_url(databases.url_of(name)))
    with engine.begin() as connection:
        TABLE.create(connection)
        ids = np.arange(1, ROWS + 1)
        Repository[Any](connection, TABLE).bulk_load({"id": ids, "part": ids % PARTS, "embedding": vectors})
        connection.execute(sa.text("ANALYZE thing"))
    with engine.connect() as connection:
        yield Things(connection, vectors)
    engine.dispose()
    databases.drop(name)


class Case:
    """One random question, and the rows that may answer it."""

    def __init__(self, things: Things, number: int) -> None:
        self.rng: Generator = np.random.default_rng(number)
        self.things = things
        self.distance = ("cosine", "inner_product", "l2", "l1")[number % 4]
        self.repository = things.repository(self.distance)
        self.part = int(self.rng.integers(PARTS))
        # A statement is built for each limit, which takes longer than to run it.
        self.limit, self.offset = int(self.rng.choice([1, 6, 29])), int(self.rng.choice([0, 0, 3]))
        self.keys: set[int] = set()
        self.options = {"where": {"part": self.part}, "limit": self.limit, "offset": self.offset, "columns": ("id",)}

    def example(self) -> tuple[Any, Any]:
        """An example as it is given, and its vector: a row of the part or any row, or a vector of no row."""
        kind = self.rng.integers(3)
        if kind == 2:
            vector = self.rng.standard_normal(DIMENSIONS).astype(np.float32)
            return vector, vector.astype(np.float64)
        key = int(self.rng.integers(1, ROWS + 1))
        if kind == 0:
            key = int(self.rng.integers(1, ROWS // PARTS)) * PARTS + self.part or PARTS
        self.keys.add(key)
        return (key if self.rng.random() < 0.5 else {"id": key}), self.things.vectors[key - 1].astype(np.float64)

    def examples(self, least: int, most: int) -> tuple[list[Any], list[Any]]:
        """Several, sometimes one of them twice."""
        made = [self.example() for _ in range(int(self.rng.integers(least, most)))]
        if made and self.rng.random() < 0.2:
            made.append(made[0])
        return [given for given, _ in made], [vector for _, vector in made]

    def rows(self) -> tuple[list[int], Any]:
        """Keys and vectors of the rows that pass, without the examples."""
        ids = [key for key in range(1, ROWS + 1) if key % PARTS == self.part and key not in self.keys]
        return ids, self.things.vectors[np.array(ids) - 1].astype(np.float64)

    def check(self, found: Any, score: Callable[[Any], Any]) -> None:
        """Compare what was found with the scores of the rows that pass."""
        ids, rows = self.rows()
        expected = dict(zip(ids, score(rows).tolist(), strict=True))
        answers = [(match.record.id, match.score) for match in found]
        reference.check_scores(answers, expected, limit=self.limit, offset=self.offset)
        assert found.receipt.exact
        assert found.receipt.complete


NUMBERS = range(examples(dev=100, full=1_000))


def test_recommend_average(things: Things) -> None:
    """The nearest to the average, by every distance, with weights."""
    for number in NUMBERS:
        case = Case(things, number)
        (good, good_vectors), (bad, bad_vectors) = case.examples(1, 4), case.examples(0, 3)
        weights = [1.0] * len(good), [1.0] * len(bad)
        options: dict[str, Any] = {}
        if case.rng.random() < 0.3:
            weights = case.rng.uniform(0.1, 3, len(good)).tolist(), case.rng.uniform(0.1, 3, len(bad)).tolist()
            options = {"positive_weights": weights[0], "negative_weights": weights[1]}
        found = case.repository.recommend(good, bad, **options, **case.options)
        query = reference.average(good_vectors, bad_vectors, case.distance, weights)
        ids, rows = case.rows()
        near = reference.similarity(rows, query, case.distance)
        sign = {"cosine": lambda d: 1 - d, "l2": lambda d: -d * d}.get(case.distance, lambda d: -d)
        answers = [(match.record.id, sign(match.distance)) for match in found]
        expected = dict(zip(ids, near.tolist(), strict=True))
        reference.check_scores(answers, expected, limit=case.limit, offset=case.offset)


@pytest.mark.parametrize("strategy", ["best_score", "sum_scores"])
def test_recommend_by_scores(things: Things, strategy: str) -> None:
    """Qdrant's scores, with positive and negative examples, or one kind of them."""
    for number in NUMBERS:
        case = Case(things, number)
        (good, good_vectors), (bad, bad_vectors) = case.examples(0, 4), case.examples(0, 3)
        if not good and not bad:
            good, good_vectors = case.examples(1, 2)
        found = case.repository.recommend(good, bad, strategy=strategy, **case.options)
        formula = getattr(reference, strategy)
        case.check(found, lambda rows, f=formula, g=good_vectors, b=bad_vectors, d=case.distance: f(rows, g, b, d))


def test_discover(things: Things) -> None:
    """The pairs decide first, then the target."""
    for number in NUMBERS:
        case = Case(things, number)
        target, vector = case.example()
        count = int(case.rng.integers(0, 4))
        pairs = [(case.example(), case.example()) for _ in range(count)]
        found = case.repository.discover(target, [(good[0], bad[0]) for good, bad in pairs], **case.options)
        sides = [(good[1], bad[1]) for good, bad in pairs]
        case.check(found, lambda rows, v=vector, s=sides, d=case.distance: reference.discover(rows, v, s, d))


def test_context(things: Things) -> None:
    """Without a target, what is on the good side of every pair comes first."""
    for number in NUMBERS:
        case = Case(things, number)
        pairs = [(case.example(), case.example()) for _ in range(int(case.rng.integers(1, 4)))]
        found = case.repository.discover(context=[(good[0], bad[0]) for good, bad in pairs], **case.options)
        sides = [(good[1], bad[1]) for good, bad in pairs]
        case.check(found, lambda rows, s=sides, d=case.distance: reference.context(rows, s, d))


def test_feedback(things: Things) -> None:
    """Judged rows move the answer as Qdrant's formula says."""
    for number in NUMBERS[::3]:
        case = Case(things, number)
        query, vector = case.example()
        given, vectors = case.examples(0, 8)
        scores = case.rng.random(len(given)).tolist()
        parameters = tuple(case.rng.uniform(0, 2, 3).tolist())
        a, b, c = parameters
        found = case.repository.feedback(query, zip(given, scores, strict=True), a=a, b=b, c=c, **case.options)
        judged = list(zip(vectors, scores, strict=True))
        case.check(
            found,
            lambda rows, v=vector, j=judged, p=parameters, d=case.distance: reference.feedback(rows, v, j, p, d),
        )


def test_refine(things: Things) -> None:
    """Rocchio's query, by every distance."""
    for number in NUMBERS[::3]:
        case = Case(things, number)
        query, vector = case.example()
        (good, good_vectors), (bad, bad_vectors) = case.examples(1, 4), case.examples(0, 3)
        found = case.repository.refine(query, relevant=good, irrelevant=bad, **case.options)
        unit = (lambda v: v / np.linalg.norm(v)) if case.distance == "cosine" else (lambda v: v)
        moved = unit(vector) + 0.75 * np.mean([unit(v) for v in good_vectors], axis=0)
        if bad:
            moved = moved - 0.15 * np.mean([unit(v) for v in bad_vectors], axis=0)
        ids, rows = case.rows()
        expected = dict(zip(ids, reference.similarity(rows, moved, case.distance).tolist(), strict=True))
        sign = {"cosine": lambda d: 1 - d, "l2": lambda d: -d * d}.get(case.distance, lambda d: -d)
        answers = [(match.record.id, sign(match.distance)) for match in found]
        reference.check_scores(answers, expected, limit=case.limit, offset=case.offset)


def test_mmr(things: Things) -> None:
    """Each match is the best next one by maximal marginal relevance among the nearest candidates."""
    for number in NUMBERS:
        case = Case(things, number)
        vector = case.rng.standard_normal(DIMENSIONS).astype(np.float32)
        diversity = float(case.rng.choice([0.0, 1.0, case.rng.random()]))
        candidates = int(case.rng.choice([case.limit, 40, 80]))
        options = {**case.options, "offset": 0}
        found = case.repository.search(vector, diversity=diversity, candidates=candidates, **options)
        ids, rows = case.rows()
        near = reference.similarity(rows, vector.astype(np.float64), case.distance)
        pool = [ids[place] for place in np.lexsort((ids, -np.round(near, 6)))[:candidates]]
        reference.check_mmr(
            [(match.record.id, match.score) for match in found],
            pool,
            dict(zip(ids, near.tolist(), strict=True)),
            dict(zip(ids, rows, strict=True)),
            diversity=diversity,
            distance=case.distance,
            limit=case.limit,
        )
