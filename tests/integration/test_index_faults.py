"""An index build that is killed at any point can be run again, and writers do not notice either.

``make test-index-faults`` kills at every point in every way, five times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.index_faults import (
    POINTS,
    Kill,
    Point,
    Writer,
    before_the_end,
    build,
    fill,
    in_validation,
    indexes,
    kill_build,
    kill_client,
    late,
    stop_server,
    terminate_backend,
)

from pgvec.embedded import EmbeddedServer

ROUNDS = int(os.environ.get("PGVEC_INDEX_FAULT_ROUNDS", "1"))
MOST_SECONDS = 2.0
# What a quick run looks at; the other points run with TEST_LEVEL=full.
QUICK = {(kill_client, late), (terminate_backend, before_the_end)}
CASES = [
    pytest.param(
        kill, point, id=f"{kill.__name__}-{point.__name__}", marks=[] if (kill, point) in QUICK else pytest.mark.full
    )
    for kill in (kill_client, terminate_backend)
    for point in POINTS
]


def note(*facts: object) -> None:
    """Append a line to the report that ``make test-index-faults`` prints."""
    if path := os.environ.get("PGVEC_INDEX_FAULT_REPORT"):
        with Path(path).open("a") as report:
            report.write(" | ".join(map(str, facts)) + "\n")


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize(("kill", "point"), CASES)
def test_the_next_run_ends_valid(kill: Kill, point: Point, round_: int, database_url: str) -> None:
    """After the kill the next run ends with one valid index and nothing else; writers saw no error and waited for nobody."""
    fill(database_url)
    writer = Writer(database_url)
    with writer.running():
        phase = kill_build(database_url, point, kill)
        build(database_url)
        assert indexes(database_url) == [("item_v", True)]
    note(kill.__name__, point.__name__, phase, f"{writer.writes} writes", f"longest {writer.longest:.3f} s")
    assert writer.errors == []
    assert writer.writes > 0
    assert writer.longest < MOST_SECONDS


@pytest.fixture
def own_server(server_folder: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own, durable as in production."""
    with EmbeddedServer(server_folder) as server:
        yield server


@pytest.mark.full
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
def test_the_server_stops(point: Point, round_: int, own_server: EmbeddedServer) -> None:
    """After a crash of the server the next run ends with one valid index and nothing else."""
    import psycopg

    with psycopg.connect(own_server.url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    fill(own_server.url)
    phase = kill_build(own_server.url, point, stop_server)
    own_server.start()
    build(own_server.url)
    assert indexes(own_server.url) == [("item_v", True)]
    note(stop_server.__name__, point.__name__, phase)


def test_points_are_seven() -> None:
    """Every phase of a concurrent build is among the points."""
    assert len(POINTS) == 7
    assert in_validation in POINTS
