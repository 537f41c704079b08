"""While a new revision of pgvec is rolled out, the one before goes on, on the schema of the new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fix_database import sqlalchemy_url
from support.content_embedder import ContentEmbedder
from support.rollout_process import Base

from pgvec.embedding_sync import EmbeddingSync, Syncs, Worker, WorkerOptions
from pgvec.sql import scripts

ROOT = Path(__file__).parents[2]


@pytest.fixture
def code_before(tmp_path: Path) -> Path:
    """The revision of pgvec before the newest script came, from the history of this checkout."""
    newest = f"pgvec/sql/migrations/{scripts()[-1].name}.up.sql"
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", newest)
    if not added:
        pytest.skip("no history of the newest script here: a copy without git, or a shallow clone")
    packed = subprocess.run(
        ["git", "archive", f"{added}^", "pgvec", "migrations"], cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode:
        pytest.skip(f"the revision before {added} is not in this clone")
    subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=packed.stdout, check=True)
    assert not (tmp_path / newest).exists()
    return tmp_path


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.mark.full
def test_the_code_before_works_on_the_new_schema(migrated_url: str, code_before: Path) -> None:
    """Old and new write, embed, search and tune beside each other, on tables that the new one made."""
    import sqlalchemy as sa

    engine = sa.create_engine(sqlalchemy_url(migrated_url))
    Base.metadata.create_all(engine)
    sync = EmbeddingSync(table="page", source=("body",), column="embedding", embedder="content")
    (name,) = Syncs(engine).create(sync)
    with engine.begin() as connection:
        texts = ["the first", "a bank of the river", "a bank that lends", "an apple"]
        texts += [f"number {number}" for number in range(200)]
        rows = [
            {"id": number, "body": text, "part": number % 2}
            for number, text in enumerate(texts, start=1)
            if number != 5
        ]
        connection.execute(sa.insert(Base.metadata.tables["page"]), rows)
    Worker(engine, {"content": ContentEmbedder()}, WorkerOptions()).run_once()

    for code, written in ((code_before, 2), (ROOT, 1)):
        answer = _use(code, sqlalchemy_url(migrated_url))
        assert Path(answer.pop("code")).is_relative_to(code)
        expected = {"waiting": written, "embedded": written, "nearest": 1, "hybrid": [2, 3, 5], "tuned": True, "sql": 1}
        assert expected.items() <= answer.items()
        assert sorted(answer["keyword"]) == [2, 3, 5]
        assert answer["recall"] == 1.0
    assert Syncs(engine).backlog(name) == 0
    engine.dispose()


def _use(code: Path, url: str) -> dict[str, object]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(code), str(ROOT / "tests")))}
    command = [sys.executable, "-W", "ignore", "-m", "support.rollout_process", url]
    done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer
