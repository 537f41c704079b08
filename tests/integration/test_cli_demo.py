"""``pgvec demo``: from nothing to answers, resumable wherever it was ended."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

pytest.importorskip("typer", reason="the extra cli is not installed")

from sqlalchemy import Engine

from pgvec.cli.demo import run, steps
from pgvec.cli.demo.docstrings import Docstring
from pgvec.cli.demo.questions import QUESTIONS, answers
from pgvec.execution.migrate import migration_engine
from pgvec.model import InputKind, InputRole

ROWS = 700  # more than two batches
# Embeds two batches as the fake does, then dies as if its power were cut.
KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_cli_demo import FakeEmbedder, library
from pgvec.cli.demo import run
from pgvec.execution.migrate import migration_engine

class Mortal(FakeEmbedder):
    def embed(self, inputs, **options):
        if len(self.embedded) > 400:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(inputs, **options)

run.read_library = library
run.prepare(migration_engine(sys.argv[1]), Mortal())
"""


class FakeEmbedder:
    """Embeds a text as numbers made from its hash, and remembers what it was given."""

    name, dimensions, kinds, max_length = "fake", 384, frozenset({InputKind.TEXT}), 10

    def __init__(self, revision: str = "1") -> None:
        self.revision = revision
        self.embedded: list[str] = []

    def embed(self, inputs: Any, *, role: InputRole = InputRole.DOCUMENT) -> Any:
        if role is InputRole.DOCUMENT:
            self.embedded += inputs
        seeds = (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in inputs)
        return np.array([np.random.default_rng(seed).standard_normal(384) for seed in seeds], dtype=np.float32)

    def token_counts(self, inputs: Any) -> Any:
        return np.array([len(text.split()) for text in inputs])


def library(count: int = ROWS) -> list[Docstring]:
    kinds = ("module", "class", "function", "method")
    return [
        Docstring(
            f"asyncio.name_{number}", kinds[number % 4], "asyncio", "()", "asyncio.py", f"line {number}\nand\nmore"
        )
        for number in range(count)
    ]


@pytest.fixture
def demo_engine(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on an empty database; the library has 700 docstrings."""
    monkeypatch.setattr(run, "read_library", library)
    made = migration_engine(empty_database_url)
    yield made
    made.dispose()


@pytest.fixture
def rows(empty_database_url: str) -> Iterator[Any]:
    """A function that runs a query and returns its rows."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:

        def run_query(query: str) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

        yield run_query


def index_state(rows: Any) -> Any:
    return rows(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = ANY (SELECT oid FROM pg_class WHERE relam ="
        " (SELECT oid FROM pg_am WHERE amname = 'hnsw'))"
    )


def test_everything_is_loaded_once(demo_engine: Engine, rows: Any, monkeypatch: pytest.MonkeyPatch):
    """The first run loads and indexes all of it; the second reads nothing, embeds nothing and builds nothing."""
    first = run.prepare(demo_engine, FakeEmbedder())
    assert (first.rows, first.embedded, first.index_built) == (ROWS, ROWS, True)
    assert index_state(rows) == [(True,)]
    monkeypatch.setattr(run, "read_library", lambda: pytest.fail("the library was read again"))
    embedder = FakeEmbedder()
    second = run.prepare(demo_engine, embedder)
    assert (second.rows, second.embedded, second.index_built) == (ROWS, 0, False)
    assert embedder.embedded == []


def test_interrupted_it_keeps_what_it_has(demo_engine: Engine, rows: Any):
    """Batches that were loaded before Ctrl-C stay, and the next run embeds only the others."""

    class Interrupted(FakeEmbedder):
        def embed(self, inputs: Any, **options: Any) -> Any:
            if self.embedded:
                raise KeyboardInterrupt
            return super().embed(inputs, **options)

    with pytest.raises(KeyboardInterrupt):
        run.prepare(demo_engine, Interrupted())
    ((kept,),) = rows("SELECT count(*) FROM pgvec_demo.docstring")
    assert 0 < kept < ROWS
    embedder = FakeEmbedder()
    assert run.prepare(demo_engine, embedder).embedded == ROWS - kept
    assert len(set(embedder.embedded)) == ROWS - kept


def test_killed_it_resumes(demo_engine: Engine, empty_database_url: str, rows: Any):
    """After SIGKILL the next run goes on where the last batch ended, and ends with a valid index."""
    command = [
        sys.executable,
        "-c",
        KILLED,
        empty_database_url,
        *[path for path in sys.path if path.endswith("integration")],
    ]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    ((kept,),) = rows("SELECT count(*) FROM pgvec_demo.docstring")
    assert kept > 400
    embedder = FakeEmbedder()
    prepared = run.prepare(demo_engine, embedder)
    assert (prepared.rows, len(embedder.embedded)) == (ROWS, ROWS - kept)
    assert index_state(rows) == [(True,)]


def test_only_what_changed_is_embedded_again(demo_engine: Engine, rows: Any, monkeypatch: pytest.MonkeyPatch):
    """Another text is embedded anew, what another Python had is removed, and a count that is off is noticed."""
    run.prepare(demo_engine, FakeEmbedder())
    changed = [*library()[:-2], Docstring("asyncio.name_698", "class", "asyncio", None, None, "Another text.")]
    monkeypatch.setattr(run, "read_library", lambda: changed)
    rows("DELETE FROM pgvec_demo.docstring WHERE qualified_name = 'asyncio.name_3'")
    embedder = FakeEmbedder()
    prepared = run.prepare(demo_engine, embedder)
    assert (prepared.rows, prepared.embedded) == (ROWS - 1, 2)
    assert {text.partition("\n")[0] for text in embedder.embedded} == {"asyncio.name_3", "asyncio.name_698"}
    assert rows("SELECT count(*) FROM pgvec_demo.docstring WHERE qualified_name = 'asyncio.name_699'") == [(0,)]


def test_another_model_embeds_everything_anew(demo_engine: Engine, rows: Any):
    """Vectors of two models never meet in the table."""
    run.prepare(demo_engine, FakeEmbedder())
    assert run.prepare(demo_engine, FakeEmbedder("2")).embedded == ROWS
    assert rows("SELECT DISTINCT model_revision FROM pgvec_demo.docstring") == [("2",)]


def test_a_quick_look_takes_a_part(demo_engine: Engine):
    """``limit`` takes so many docstrings, spread over the library, and the full run adds the others."""
    few = run.prepare(demo_engine, FakeEmbedder(), limit=20)
    assert (few.rows, few.embedded) == (20, 20)
    full = run.prepare(demo_engine, FakeEmbedder())
    assert (full.rows, full.embedded) == (ROWS, ROWS - 20)
    assert run.prepare(demo_engine, FakeEmbedder(), limit=20).rows == ROWS


def test_truncation_is_counted_from_the_table(demo_engine: Engine, monkeypatch: pytest.MonkeyPatch):
    """How many texts the model read only in part is known in the second run too."""
    long = Docstring("asyncio.long", "class", "asyncio", None, None, "word " * 50)
    monkeypatch.setattr(run, "read_library", lambda: [*library(50), long])
    for _ in range(2):
        assert run.prepare(demo_engine, FakeEmbedder()).cut == steps.Cut(1, 51, 10)


def test_the_extension_may_live_anywhere(demo_engine: Engine, rows: Any):
    """Tables and index are made, and questions answered, where the search path does not show the extension."""
    rows("CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions")
    embedder = FakeEmbedder()
    run.prepare(demo_engine, embedder)
    assert index_state(rows) == [(True,)]
    given = list(answers(demo_engine, embedder))
    assert len(given) == len(QUESTIONS) == 5
    tasks = given[2]
    assert len(tasks.matches) == 5
    assert all(row.line_count >= 3 for row in tasks.matches.records)


def test_filters_hold_in_every_answer(demo_engine: Engine):
    """Answers pass the filter of their question, and their receipts say that they are complete."""
    embedder = FakeEmbedder()
    run.prepare(demo_engine, embedder)
    first, dates, _, compress, _ = answers(demo_engine, embedder)
    assert {row.kind for row in first.matches.records} <= {"function", "method"}
    assert len(first.matches) == len(compress.matches) == 5
    assert {row.kind for row in compress.matches.records} == {"function"}
    assert len(dates.matches) == 0
    assert all(answer.matches.receipt.complete for answer in (first, dates, compress))


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None, reason="the extra local is not installed"
)
@pytest.mark.full
def test_the_program_answers_with_the_real_model(empty_database_url: str, rows: Any):
    """``pgvec demo`` runs as it is installed, twice, and the second run embeds nothing."""

    def demo(*options: str) -> subprocess.CompletedProcess[str]:
        program = "from pgvec.cli.main import main; main()"
        command = [sys.executable, "-c", program, "demo", "--limit", "40", "--url", empty_database_url, *options]
        return subprocess.run(command, check=True, capture_output=True, text=True)

    first = demo()
    assert "40 embedded now" in first.stdout
    assert "tokens and were cut" in first.stdout
    assert "Try next" in first.stdout
    assert all(question.text in first.stdout for question in QUESTIONS)
    assert first.stdout.count("receipt:") == len(QUESTIONS)
    assert "\x1b" not in first.stdout + first.stderr
    second = json.loads(demo("--json").stdout)
    assert (second["embedded"], second["index_built"], second["cut"]["max_length"]) == (0, False, 256)
    assert len(second["answers"]) == len(QUESTIONS)
    assert rows("SELECT count(*) FROM pgvec_demo.docstring") == [(40,)]
