"""Calibration: what it stores, who may, and that the planner goes by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from support.models import Article, Base, article_rows

from pgvec import MeasureProgress, Repository, Strategy, calibrate
from pgvec.errors import AccessDeniedError, ConfigurationError, InvalidOptionError, MigrationPendingError
from pgvec.execution.survey import forget_surveys
from pgvec.model import Costs
from pgvec.statements import calibration

QUERY = [1.0] * 8


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The table of the schema ``pgvec`` is there."""
    return migrated_url


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables so small that they are made at once; what is measured on them is mostly noise."""
    for name, value in {"NARROW_ROWS": 2_000, "WIDE_ROWS": 500, "VECTORS": 300, "FETCHED": 100}.items():
        monkeypatch.setattr(calibration, name, value)


def test_costs_are_measured_and_stored(engine: sa.Engine, small: None) -> None:
    """Every type has a row with costs above 0, nothing but that is left behind, and a second run replaces it."""
    seen: list[MeasureProgress] = []
    report = calibrate(engine, types=["vector", "halfvec", "bit", "sparsevec"], progress=seen.append)
    assert report.stored
    assert seen[-1].searches == seen[-1].total
    calibrate(engine, types=["vector"])
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM pgvec.calibration ORDER BY type")).mappings().all()
        left = connection.execute(sa.text("SELECT relname FROM pg_class WHERE relname LIKE 'pgvec_calibration%'")).all()
        settings = connection.execute(sa.text("SHOW enable_sort")).scalar()
    assert (left, settings) == ([], "on")
    assert [row["type"] for row in rows] == ["bit", "halfvec", "sparsevec", "vector"]
    assert all(row[name] > 0 for row in rows for name in row if name.endswith("_cost"))
    assert rows[0]["details"]["postgres"]


def _stored(engine: sa.Engine, **costs: float) -> None:
    values = {"page_cost": 0.8, "check_cost": 0.25, "row_cost": 0.45, "dimension_cost": 0.0016, "detoast_cost": 1.1,
              "visit_cost": 1.2, "visit_dimension_cost": 0.003, **costs}  # fmt: skip
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM pgvec.calibration"))
        connection.execute(sa.text(f"INSERT INTO pgvec.calibration (type, {names}) VALUES ('vector', {marks})"), values)
    forget_surveys(engine)


def test_the_planner_goes_by_what_is_stored(engine: sa.Engine) -> None:
    """Where rows are dear and graphs are cheap the index is asked, the other way round rows are compared; without a row the defaults hold."""
    Base.metadata.create_all(engine)
    articles = Repository[Article](engine, Article)
    articles.insert(article_rows(2_000))
    with engine.begin() as connection:
        connection.execute(sa.text("ANALYZE article"))
    forget_surveys(engine)

    def strategy() -> Strategy:
        return articles.search(QUERY, where=Article.category == "news").receipt.strategy

    default = articles.explain(QUERY, where=Article.category == "news").cap
    _stored(engine, row_cost=40.0, visit_cost=0.01)
    assert strategy() is Strategy.INDEX
    _stored(engine, row_cost=0.01, visit_cost=40.0)
    assert strategy() is Strategy.EXACT
    _stored(engine)
    assert articles.explain(QUERY, where=Article.category == "news").cap == default
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM pgvec.calibration"))
    forget_surveys(engine)
    assert articles.explain(QUERY, where=Article.category == "news").cap == default


def test_only_the_types_that_there_are(engine: sa.Engine, small: None) -> None:
    """Without types those of the columns are measured, or vector; without store nothing is written."""
    assert [found.type for found in calibrate(engine, store=False).calibrations] == ["vector"]
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (v halfvec(3))"))
    report = calibrate(engine, store=False)
    assert [found.type for found in report.calibrations] == ["halfvec"]
    assert not report.stored
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM pgvec.calibration")) == 0
    assert Costs() == Costs(**{name: getattr(Costs(), name) for name in Costs.__slots__})


def test_who_may_not(engine: sa.Engine, database_url: str, login_role: str) -> None:
    """A role that may not write, a read-only transaction and a missing table are told before anything is measured."""
    other = sa.create_engine(sa.make_url(sqlalchemy_url(database_url)).set(username=login_role, password=login_role))
    with pytest.raises(AccessDeniedError, match="GRANT"):
        calibrate(other)
    other.dispose()
    with pytest.raises(AccessDeniedError, match="temporary"):
        calibrate(engine.execution_options(postgresql_readonly=True))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE pgvec.calibration"))
    with pytest.raises(MigrationPendingError, match="migrate up"):
        calibrate(engine)
    wrong: list[Any] = ["vector", [], ["text"], 3]
    for types in wrong:
        with pytest.raises(InvalidOptionError, match="types"):
            calibrate(engine, types=types)
    with pytest.raises(ConfigurationError, match="Engine"):
        calibrate(None)  # type: ignore[arg-type]


def test_the_command(engine: sa.Engine, database_url: str, small: None) -> None:
    """Costs beside those that hold without a calibration, or JSON."""
    pytest.importorskip("typer", reason="the extra cli is not installed")
    from support.command_line import run_pgvec

    shown = run_pgvec("calibrate", "--types", "vector", "--url", database_url)
    assert shown.exit_code == 0, shown.output
    assert "visit_dimension" in shown.stdout
    assert "stored: searches" in shown.stdout
    answer = json.loads(
        run_pgvec("calibrate", "--types", "vector", "--dry-run", "--json", "--url", database_url).stdout
    )
    assert (answer["stored"], answer["calibrations"][0]["type"]) == (False, "vector")
    assert run_pgvec("calibrate", "--types", "text", "--url", database_url).exit_code == 2
