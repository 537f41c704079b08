"""Tuning finds the smallest ``ef_search`` for a recall, stores it, and searches use it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fix_database import Databases
from fix_repository import World
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pgvec import MeasureProgress, Repository, TuneReport, errors
from pgvec.execution.migrate import up
from pgvec.operations.tune import LADDER
from pgvec.orm import Embedding, HnswIndex

ROWS = 1_500
SETTINGS = sa.text(
    "SELECT relation_schema, index_name, filter_class, target_recall, ef_search, recall FROM pgvec.search_setting"
    " ORDER BY filter_class, target_recall"
)


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    part: Mapped[int] = mapped_column(index=True)
    embedding = mapped_column(Embedding(32, distance="l2"))
    # A modest graph, so that there is something to tune.
    __table_args__ = (HnswIndex("embedding", m=8, ef_construction=24, name="thing_embedding"),)


def _fill(session: Session) -> None:
    Base.metadata.create_all(session.connection())
    random = np.random.default_rng(2)
    rows = [
        {"id": n, "part": n % 10, "embedding": vector}
        for n, vector in enumerate(random.standard_normal((ROWS, 32)).astype(np.float32))
    ]
    session.execute(sa.insert(Thing), rows)
    session.execute(sa.text("ANALYZE thing"))


@pytest.fixture
def database_template(
    request: pytest.FixtureRequest, databases: Databases, template_database: str, migrated_template: str
) -> str:
    """For the tests that ask for things, a database with the schema ``pgvec`` and the things."""
    return databases.filled(migrated_template, _fill) if "things" in request.fixturenames else template_database


@pytest.fixture
def things(world: World) -> Any:
    """A repository of the things."""
    return world.repository(Thing)


async def test_the_smallest_setting_that_reaches_the_target(world: World, things: Any):
    """The next smaller value missed the target; every class and target is stored, and a search takes it."""
    told: list[MeasureProgress] = []
    report = await things.tune(
        target_recall=(0.8, 0.95), sample=25, filter_classes=("all", "tenth"), progress=told.append
    )
    assert isinstance(report, TuneReport)
    assert report.stored
    assert [(found.filter_class, found.target_recall) for found in report.classes] == [
        ("all", 0.8),
        ("all", 0.95),
        ("tenth", 0.8),
        ("tenth", 0.95),
    ]
    assert all(told[n].searches == n + 1 for n in range(len(told)))
    for found in report.classes:
        assert found.reached
        assert found.ef_search in LADDER
        assert found.recall >= found.target_recall
        smaller = [trial for trial in found.trials if trial.ef_search < found.ef_search]
        assert found.ef_search == 15 or smaller[-1].recall < found.target_recall
        assert found.ef_search == 15 or smaller[-1].ef_search == LADDER[LADDER.index(found.ef_search) - 1]
        assert all(trial.rows_short == 0 for trial in found.trials)
    stored = (await world.execute(SETTINGS)).all()
    assert [tuple(row) for row in stored] == [
        ("public", "thing_embedding", found.filter_class, found.target_recall, found.ef_search, found.recall)
        for found in report.classes
    ]
    found = await things.search([0.1] * 32, recall=0.8)
    if found.receipt.strategy == "index":
        assert found.receipt.ef_search == report.classes[0].ef_search
    assert not any("pgvec tune" in warning for warning in found.receipt.warnings)
    measured = await things.recall(recall=0.95, sample=25)
    assert measured.recall >= 0.95


async def test_a_condition_is_measured_for_its_class(world: World, things: Any):
    """What the statistics say of the condition decides the class; a second run replaces the first."""
    for _ in range(2):
        report = await things.tune(where=Thing.part == 3, target_recall=0.9, sample=10)
    (found,) = report.classes
    assert (found.filter_class, found.share) == ("tenth", pytest.approx(0.1, abs=0.02))
    assert len((await world.execute(SETTINGS)).all()) == 1


async def test_what_is_not_to_be_stored_is_not(world: World, things: Any):
    """With store=False nothing is written, and every value can be measured."""
    report = await things.tune(store=False, every=True, filter_classes=("all",), sample=5)
    assert not report.stored
    assert [trial.ef_search for trial in report.classes[0].trials] == [ef for ef in LADDER if ef >= 15]
    assert (await world.execute(SETTINGS)).all() == []


def test_a_missing_table_or_privilege_is_told_before_anything_is_measured(engine: sa.Engine, database_url: str):
    """The error says what to do: run the migrations, be granted, or store nothing."""
    Base.metadata.create_all(engine)
    things = Repository(engine, Thing)
    with pytest.raises(errors.MigrationPendingError, match="pgvec migrate up"):
        things.tune()
    up(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE ROLE pgvec_tune_reader"))
        try:
            connection.execute(sa.text("GRANT SELECT ON thing TO pgvec_tune_reader"))
            connection.execute(sa.text("SET LOCAL ROLE pgvec_tune_reader"))
            with pytest.raises(errors.AccessDeniedError, match="GRANT INSERT"):
                Repository(connection, Thing).tune()
        finally:
            connection.rollback()


def test_without_an_index_there_is_nothing_to_tune(engine: sa.Engine, database_url: str):
    """The error says so, and what would help."""
    up(database_url)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(sa.insert(Thing), [{"id": 1, "part": 1, "embedding": [1.0] * 32}])
        connection.execute(sa.text("DROP INDEX thing_embedding"))
    with pytest.raises(errors.IndexNotFoundError, match="no HNSW index"):
        Repository(engine, Thing).tune()
