"""``pgvec sync`` and ``pgvec worker`` on databases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("typer", reason="the extra cli is not installed")

from fix_sync import ARTICLE, NAME, SyncedTable
from support.command_line import run_pgvec

EMBEDDER = ("--embedder", "content=support.content_embedder:ContentEmbedder")
CREATE = ("create", "--table", "article", "--source", "title,body", "--column", "embedding", "--embedder", "content")


@pytest.fixture
def table(synced: SyncedTable) -> SyncedTable:
    """An article table that nothing is declared of."""
    synced.sql(ARTICLE)
    return synced


def sync(table: SyncedTable, *arguments: str) -> Any:
    return run_pgvec("sync", *arguments, "--url", table.url)


def test_a_sync_from_declaration_to_end(table: SyncedTable) -> None:
    """Declared, seen, worked off, paused, reconciled, retried and dropped from the command line."""
    table.sql("INSERT INTO article (title) VALUES ('x'), ('y')")
    assert NAME in sync(table, *CREATE).stdout
    assert json.loads(sync(table, *CREATE, "--json").stdout) == {"name": NAME}
    status = json.loads(sync(table, "status", "--json").stdout)
    assert (status["syncs"][0]["waiting"], status["workers"]["running"]) == (2, 0)
    worked = run_pgvec("worker", "--once", "--json", *EMBEDDER, "--url", table.url)
    assert json.loads(worked.stdout)["written"] == 2, worked.stderr
    assert table.wrong_rows() == []
    assert "up to date" in sync(table, "status", NAME).stdout
    assert "paused" in sync(table, "pause", NAME).stdout
    assert "goes on" in sync(table, "resume", NAME).stdout
    assert sync(table, "retry", NAME).stdout.startswith("0 rows")
    assert sync(table, "reconcile", NAME).stdout.startswith("0 rows")
    assert "dropped" in sync(table, "drop", NAME).stdout
    assert table.syncs.status() == ()


def test_mistakes_are_told_in_one_line(table: SyncedTable) -> None:
    """A wrong name, place or number ends with one line and a telling exit code."""
    assert sync(table, "status", "nothing").exit_code == 1
    assert "no embedding sync" in sync(table, "drop", "nothing").stderr
    assert sync(table, "status", "--watch", "0").exit_code == 2
    assert "no column 'nothing'" in sync(table, *CREATE[:-3], "nothing").stderr
    for wrong in ("content", "content=nowhere", "content=os:getcwd", "content=os:nothing"):
        assert run_pgvec("worker", "--once", "--embedder", wrong, "--url", table.url).exit_code == 2
    assert run_pgvec("worker", "--once", "--batch-size", "0", "--url", table.url).exit_code == 2


def test_a_worker_finds_its_embedder_in_pyproject_and_stops_at_sigterm(table: SyncedTable, tmp_path: Path) -> None:
    """Started in a project, it embeds what is written, reports a parked row as JSON, and ends in order at SIGTERM."""
    sync(table, *CREATE)
    support = Path(__file__).parents[1]
    (tmp_path / "shop.py").write_text(
        "from support.content_embedder import ContentEmbedder\n"
        "from pgvec.errors import InvalidInputError\n"
        "def before(texts):\n"
        "    if 'bad' in texts:\n"
        "        raise InvalidInputError('no')\n"
        "embedder = ContentEmbedder(before=before)\n"
    )
    (tmp_path / "pyproject.toml").write_text('[tool.pgvec.embedders]\ncontent = "shop:embedder"\n')
    paths = os.pathsep.join([str(support), str(support.parent), os.environ.get("PYTHONPATH", "")])
    program = "from pgvec.cli.main import main; main()"
    worker = subprocess.Popen(
        [sys.executable, "-c", program, "worker", "--json", "--poll", "0.2"],
        cwd=tmp_path,
        env=os.environ | {"PGVEC_URL": table.url, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        table.sql("INSERT INTO article (title) VALUES ('x'), ('bad')")
        table.syncs.wait_until_synced(NAME, timeout_seconds=60)
    finally:
        worker.send_signal(signal.SIGTERM)
        output, log = worker.communicate(timeout=60)
    assert worker.returncode == 0, log
    assert json.loads(output)["parked"] == 1
    assert json.loads(log.splitlines()[0]) | {"time": "", "message": ""} == {
        "time": "",
        "level": "warning",
        "message": "",
        "sync": NAME,
    }


def test_status_can_be_watched(table: SyncedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --watch the status is shown again, with a rate, until it is interrupted."""
    sync(table, *CREATE)
    rounds = []

    def sleep(_: float) -> None:
        rounds.append(True)
        if len(rounds) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    shown = sync(table, "status", "--watch", "5")
    assert shown.exit_code == 130
    assert shown.stdout.count(NAME) == 2
    assert "0 a second now" in shown.stdout


def test_the_model_is_changed_from_the_command_line(synced: SyncedTable) -> None:
    """Begun, shown, switched back and forth, cleaned up; and what does not fit together is refused."""
    synced.declare()
    synced.sql("INSERT INTO article (title) VALUES ('x'), ('y')")
    synced.drain()

    def reembed(*arguments: str) -> Any:
        return run_pgvec("reembed", "--table", "article", "--column", "embedding", *arguments, "--url", synced.url)

    wide = ("--embedder", "wide=support.reembed_process:WideEmbedder")
    assert "no re-embedding" in reembed().stdout
    done = reembed("--to", "wide", *wide, "--json")
    assert json.loads(done.stdout)["reembedding"]["stage"] == "switched", done.stderr
    assert "searches by texts go to embedding_wide" in reembed().stdout
    assert "searches by texts go to embedding" in reembed("--rollback").stdout
    assert "switched" in reembed("--switch").stdout
    assert "seconds ago" in reembed("--clean-up").stderr
    assert "finished" in reembed("--clean-up", "--patience", "0").stdout
    assert "different things" in reembed("--switch", "--abandon").stderr
    assert "no embedder 'unknown'" in reembed("--to", "unknown").stderr
    assert "vector or halfvec" in reembed("--type", "bit").stderr
