"""Rules of the doctor that a small database cannot break."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgvec.execution.pooling import pooling_between
from pgvec.model import CHECKS, IndexMethod, Severity
from pgvec.model.catalog import CatalogIndex
from pgvec.model.doctor import Health, IndexHealth, Pooling, ServerHealth
from pgvec.model.index_build import IndexState
from pgvec.sql import scripts
from pgvec.statements.doctor_rules import apply_rules

GIGABYTE = 1 << 30
SERVER = ServerHealth(
    database="shop",
    extension_version="0.8.6",
    extension_schema="public",
    on_path=True,
    search_path='"$user", public',
    shared_buffers=("8GB", 8 * GIGABYTE),
    maintenance_work_mem=("8GB", 8 * GIGABYTE),
    work_mem=("4MB", 4 << 20),
    max_scan_tuples=20_000,
    scan_mem_multiplier=1.0,
    session_settings=(),
    scripts=tuple((script.name, script.checksum) for script in scripts()),
)
INDEX = CatalogIndex(
    "public", "article", "by_v", "v", None, IndexMethod.HNSW, "vector_l2_ops", {}, None, None, True, False, True
)
GRAPH = IndexHealth(
    "public", "article", "by_v", INDEX.contents, False, True, 0, IndexState(INDEX, 4 * GIGABYTE, 0, 10, 0)
)


def found(server: ServerHealth = SERVER, **parts: object) -> list[tuple[str, Severity]]:
    health = Health(server, (), (), (GRAPH,), **parts)  # type: ignore[arg-type]
    return [(finding.check, finding.severity) for finding in apply_rules(health)]


def test_memory() -> None:
    """Indexes that outgrow the memory of the server, and a graph that outgrows that of its build."""
    assert found() == []
    assert found(replace(SERVER, shared_buffers=("1GB", GIGABYTE))) == [("memory.shared_buffers", Severity.WARNING)]
    assert found(replace(SERVER, maintenance_work_mem=("64MB", 1 << 26))) == [("memory.build", Severity.WARNING)]


def test_pooling() -> None:
    """A pooler is known by its made-up process, its mode by two clients on one process."""
    assert pooling_between(5, 5, 6) == Pooling()
    assert pooling_between(9, 5, 6) == Pooling(pooled=True)
    assert pooling_between(9, 5, 5) == Pooling(pooled=True, shared=True)
    assert found(pooling=Pooling(pooled=True)) == []
    assert found(pooling=Pooling(pooled=True, shared=True)) == [("connection.pooling", Severity.WARNING)]


@pytest.mark.parametrize(
    ("applied", "severity"),
    [
        (SERVER.scripts[:-1], Severity.ERROR),  # type: ignore[index]
        ((*SERVER.scripts, ("9999_pre_later", "0" * 64)), Severity.WARNING),  # type: ignore[misc]
        ((*SERVER.scripts[:-1], (scripts()[-1].name, "0" * 64)), Severity.ERROR),  # type: ignore[index]
    ],
)
def test_the_schema(applied: tuple[tuple[str, str], ...], severity: Severity) -> None:
    """Behind the library, ahead of it, or of another content."""
    assert found(replace(SERVER, scripts=applied)) == [("schema.version", severity)]


def test_ids_are_sorted_and_plain() -> None:
    """Ids of checks are what people type."""
    assert list(CHECKS) == sorted(CHECKS)
    assert all(name.replace(".", "").replace("_", "").isalpha() for name in CHECKS)
