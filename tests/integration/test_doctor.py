"""The doctor: every fault is found by its check and no other, a sound database has none, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from support.faulty_databases import CLEAN, FAULTS

from pgvec import Diagnosis, Severity, diagnose
from pgvec.errors import ConfigurationError, InvalidOptionError, MappingMismatchError
from pgvec.model import CHECKS
from pgvec.orm import Embedding

ARTICLE = sa.Table(
    "article",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("embedding", Embedding(8, distance="l2")),
)


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The schema ``pgvec`` is there."""
    return migrated_url


@pytest.fixture
def clean(database_url: str) -> Iterator[str]:
    """A database with a sound table."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for part in CLEAN.split("-- next"):
            connection.execute(part)
        connection.execute("ALTER TABLE article SET (autovacuum_enabled = off)")
    return database_url


def seed(url: str, faults: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for part in faults.split("-- next"):
            connection.execute(part)


def examined(url: str, **options: object) -> Diagnosis:
    """What a fresh connection finds, as new sessions have the settings of a database."""
    engine = sa.create_engine(sqlalchemy_url(url))
    try:
        return diagnose(engine, **options)  # type: ignore[arg-type]
    finally:
        engine.dispose()


def test_a_sound_database_has_no_finding(clean: str) -> None:
    """Nothing is wrong with a table that is indexed and analysed, and everything was looked at."""
    found = examined(clean)
    assert found.findings == ()
    assert found.unchecked == ()
    assert found.tables == 1


@pytest.mark.parametrize("check", FAULTS)
def test_each_fault_is_found_by_exactly_its_check(clean: str, check: str) -> None:
    """The fault is found, with evidence and a fix, and nothing else is."""
    seed(clean, FAULTS[check])
    models = [ARTICLE] if check == "index.operator_class" else []
    found = examined(clean, models=models)
    assert {finding.check for finding in found.findings} == {check}
    for finding in found.findings:
        assert finding.check in CHECKS
        assert finding.evidence
        assert finding.fix
    assert examined(clean, models=models, ignore=[check]).findings == ()


def test_all_faults_together(clean: str) -> None:
    """Sixteen and more faults in one database are all found, the errors first."""
    together = [check for check in FAULTS if check != "extension.search_path"]
    for check in together:
        seed(clean, FAULTS[check])
    found = examined(clean, models=[ARTICLE])
    assert len(together) >= 16
    assert {finding.check for finding in found.findings} == set(together)
    ranks = [finding.severity.rank for finding in found.findings]
    assert ranks == sorted(ranks, reverse=True)
    assert found.at_least("error") == tuple(f for f in found.findings if f.severity is Severity.ERROR)


@pytest.mark.parametrize(
    "check", ["filter.unindexed", "index.duplicate", "index.expression", "index.operator_class", "statistics.stale", "vectors.zero",
              "memory.build", "memory.scan", "table.bloat", "storage.toasted", "extension.search_path"]
)  # fmt: skip
def test_the_sql_of_a_fix_mends_it(clean: str, check: str) -> None:
    """The statements run as they stand, one by one outside of a transaction, and the check finds nothing afterwards."""
    seed(clean, FAULTS[check])
    models = [ARTICLE] if check == "index.operator_class" else []
    findings = examined(clean, models=models).findings
    for statement in [statement for finding in findings for statement in finding.sql]:
        seed(clean, statement)
    seed(clean, "SELECT pg_stat_force_next_flush()")
    assert [f for f in examined(clean, models=models).findings if f.check == check] == []


def test_statements_of_others_tell_the_distance(clean: str) -> None:
    """What pg_stat_statements remembers shows the distance and the expression of SQL written by hand."""
    seed(clean, "CREATE EXTENSION pg_stat_statements")
    seed(clean, "SELECT id FROM article ORDER BY embedding <-> '[1,2,3,4,5,6,7,8]' LIMIT 3")
    seed(clean, "SELECT id FROM article ORDER BY (embedding::halfvec(8)) <=> '[1,2,3,4,5,6,7,8]' LIMIT 3")
    seed(clean, "SELECT id FROM article ORDER BY embedding <=> '[1,2,3,4,5,6,7,8]' LIMIT 3")
    found = {finding.check: finding for finding in examined(clean).findings}
    assert set(found) == {"index.operator_class", "index.expression"}
    assert "<->" in found["index.operator_class"].evidence
    assert "halfvec" in found["index.expression"].evidence


def test_searches_of_pgvec_are_no_fault(clean: str) -> None:
    """Statements of pgvec compare rows exactly beside the index, on purpose."""
    from pgvec import Repository

    seed(clean, "CREATE EXTENSION pg_stat_statements")
    table = sa.Table("article", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("category", sa.Integer),
                     sa.Column("embedding", Embedding(8, distance="cosine")))  # fmt: skip
    engine = sa.create_engine(sqlalchemy_url(clean))
    for where in (None, table.c.category == 3):
        Repository(engine, table).search([1, 2, 3, 4, 5, 6, 7, 8], where=where)
    engine.dispose()
    assert examined(clean, models=[table]).findings == ()


@pytest.mark.parametrize("pgbouncer", [1], indirect=True)
def test_a_pooler_in_transaction_mode(pgbouncer: str) -> None:
    """Two clients on one process of the server, and a setting that an earlier one left there."""
    engine = sa.create_engine(sqlalchemy_url(pgbouncer), connect_args={"prepare_threshold": None})
    assert [finding.subject for finding in diagnose(engine, ignore=["schema.version"]).findings] == ["pooler"]
    with psycopg.connect(pgbouncer, autocommit=True, prepare_threshold=None) as earlier:
        earlier.execute("SELECT '[1]'::vector")
        earlier.execute("SET hnsw.ef_search = 77")
    found = diagnose(engine, ignore=["schema.version"]).findings
    engine.dispose()
    assert {finding.check for finding in found} == {"connection.pooling"}
    assert any("hnsw.ef_search = 77" in finding.evidence for finding in found)


def test_a_role_that_may_only_read(clean: str, login_role: str) -> None:
    """A role without any right gets what the catalog tells, and hears what was left out; one with SELECT sees all."""
    seed(clean, FAULTS["vectors.zero"] + FAULTS["index.duplicate"])
    url = sa.make_url(clean).set(username=login_role, password=login_role).render_as_string(hide_password=False)
    found = examined(url)
    assert {finding.check for finding in found.findings} == {"index.duplicate"}
    assert len(found.unchecked) == 2
    seed(clean, f"GRANT SELECT ON article, zero TO {login_role}")
    found = examined(url)
    assert {finding.check for finding in found.findings} == {"index.duplicate", "vectors.zero"}
    assert found.unchecked == ()
    seed(clean, f"REVOKE ALL ON article, zero FROM {login_role}")


def test_nothing_is_written(clean: str) -> None:
    """It runs in a read-only transaction, on a server that refuses every other too."""
    for check in ("vectors.zero", "index.invalid", "memory.build"):
        seed(clean, FAULTS[check])
    seed(
        clean,
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END$$",
    )
    assert {finding.check for finding in examined(clean).findings} == {"vectors.zero", "index.invalid", "memory.build"}


def test_partitions_are_looked_at_through_their_table(clean: str) -> None:
    """Vectors of a partitioned table are looked at once, its indexes and statistics partition by partition."""
    seed(clean, """CREATE TABLE part (id int, v vector(3)) PARTITION BY RANGE (id);
        CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (10);
        CREATE TABLE part_b PARTITION OF part FOR VALUES FROM (10) TO (20);
        CREATE INDEX ON part USING hnsw (v vector_l2_ops);
        INSERT INTO part VALUES (1, '[0,0,0]'), (11, '[0,0,0]'), (12, '[1,1,1]')""")  # fmt: skip
    (finding,) = examined(clean).findings
    assert (finding.check, finding.subject) == ("vectors.zero", "public.part.v")
    assert "2 vectors" in finding.evidence


def test_tables_are_chosen_by_name_and_schema(clean: str) -> None:
    """One table, or those of one schema; a table that is not there is told."""
    seed(clean, FAULTS["vectors.zero"] + 'CREATE SCHEMA "Other"; CREATE TABLE "Other".zero AS SELECT * FROM zero')
    assert examined(clean, table="article").findings == ()
    assert [f.subject for f in examined(clean, table="zero").findings] == ["public.zero.v"]
    assert [f.subject for f in examined(clean, schema="Other").findings] == ["Other.zero.v"]
    with pytest.raises(MappingMismatchError, match=r"public\.article"):
        examined(clean, table="nothing")
    with pytest.raises(InvalidOptionError, match="no check"):
        examined(clean, ignore=["nothing"])
    with pytest.raises(InvalidOptionError, match="table="):
        examined(clean, distance="l2")
    with pytest.raises(ConfigurationError, match="Engine"):
        diagnose(None)  # type: ignore[arg-type]


def test_a_database_without_vectors(empty_database_url: str) -> None:
    """Without the extension, a schema or a table there is nothing to find."""
    assert examined(empty_database_url) == Diagnosis((), 0)


def test_the_command(clean: str) -> None:
    """Findings for people, for psql and for programs; the exit code follows the severity that is asked for."""
    pytest.importorskip("typer", reason="the extra cli is not installed")
    from support.command_line import run_pgvec

    clear = run_pgvec("doctor", "--url", clean)
    assert (clear.exit_code, clear.stdout) == (0, "nothing is wrong with 1 table with vectors\n")
    seed(clean, FAULTS["index.duplicate"])
    shown = run_pgvec("doctor", "--url", clean)
    assert shown.exit_code == 1
    assert "WARNING index.duplicate: public.second" in shown.stdout
    assert "op.drop_vector_index('second', 'article', schema='public', concurrently=True)" in shown.stdout
    assert run_pgvec("doctor", "--url", clean, "--fail-on", "error").exit_code == 0
    assert run_pgvec("doctor", "--url", clean, "--ignore", "index.duplicate").exit_code == 0
    assert run_pgvec("doctor", "--url", clean, "--ignore", "nothing").exit_code == 2
    answer = json.loads(run_pgvec("doctor", "--url", clean, "--json", "--fail-on", "never").stdout)
    assert answer["findings"][0]["check"] == "index.duplicate"
    distances = run_pgvec(
        "doctor", "--url", clean, "--table", "article", "--distance", "l2", "--fail-on", "never"
    ).stdout
    assert "index.operator_class" in distances
    script = run_pgvec("doctor", "--url", clean, "--sql", "--fail-on", "never").stdout
    assert script.splitlines()[1] == 'DROP INDEX CONCURRENTLY "public"."second";'
    assert run_pgvec("doctor", "--list").stdout.count(".") >= len(CHECKS)
    assert json.loads(run_pgvec("doctor", "--list", "--json").stdout) == dict(CHECKS)
