"""The model of a column changes while its table is written and searched."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from fix_database import sqlalchemy_url
from fix_sync import ARTICLE, QUICK, SYNC, SyncedTable
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from support.reembed_process import STEPS, TILES, NarrowEmbedder, WideEmbedder, vector_of

from pgvec import AsyncRepository, Repository
from pgvec.embedding_sync import Reembedding, ReembedOptions, Worker
from pgvec.errors import ModelMismatchError, SchemaError, SyncError
from pgvec.execution.survey import forget_surveys
from pgvec.orm import Embedding

OPTIONS = ReembedOptions(batch_size=32, least_recall=0.5, lease_seconds=1, patience_seconds=60)


class Base(DeclarativeBase):
    pass


class Article(Base):
    """The table as an application maps it before the change, and until the clean-up."""

    __tablename__ = "article"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None]
    embedding: Mapped[Any] = mapped_column(Embedding(8 * TILES), nullable=True)


def fill(table: SyncedTable, rows: int) -> None:
    """Make a table with an index whose embeddings are up to date."""
    table.declare(ARTICLE.replace("vector(8)", f"vector({8 * TILES})"))
    table.sql("INSERT INTO article (id, title) SELECT n, 'text ' || n FROM generate_series(1, %s) AS n", rows)
    table.drain(NarrowEmbedder())
    table.sql("CREATE INDEX article_embedding ON article USING hnsw (embedding vector_cosine_ops)")
    table.sql("ANALYZE article")


def reembedding(table: SyncedTable) -> Reembedding:
    return Reembedding(table.engine, "article", "embedding")


def wrong_rows(table: SyncedTable) -> list[tuple[int, str]]:
    """Return rows and models whose embedding is not, bit for bit, that of the text."""
    wrong = []
    for key, title, old, new in table.sql("SELECT id, title, embedding::text, embedding_wide::text FROM article"):
        for model, stored in (("content", old), ("wide", new)):
            if stored is None or not np.array_equal(np.fromstring(stored[1:-1], sep=","), vector_of(title, model)):
                wrong.append((key, model))
    return wrong


def nearest(table: SyncedTable, embedder: Any, number: int = 7) -> tuple[int, float]:
    forget_surveys(table.engine)
    match = Repository(table.engine, Article, embedder=embedder).search(f"text {number}", limit=1)[0]
    return match.record.id, round(match.distance, 6)


def test_the_model_changes_and_changes_back(synced: SyncedTable) -> None:
    """Both models answer until the clean-up, the current one where both are given; the rest is refused with its reason."""
    fill(synced, 200)
    old, new = NarrowEmbedder(), WideEmbedder()
    assert nearest(synced, old) == (7, 0.0)
    with pytest.raises(ModelMismatchError, match="content, revision 1"):
        nearest(synced, NarrowEmbedder(revision="2"))
    before = synced.sql("SELECT id, embedding::text FROM article ORDER BY id")
    done = reembedding(synced).run("wide", new, options=OPTIONS)
    assert (done.stage, done.new_column, done.whole, done.skipped) == ("switched", "embedding_wide", True, ())
    assert done.recall is not None
    assert wrong_rows(synced) == []
    both = [old, new]
    assert [nearest(synced, given) for given in (old, new, both)] == [(7, 0.0)] * 3
    new.calls.clear()
    nearest(synced, both)
    assert new.calls == [["text 7"]]
    assert synced.sql("SELECT pgvec.current_column('article', 'embedding')") == [("embedding_wide",)]
    found = Repository(synced.engine, Article, embedder=new).explain("text 7", analyze=True)
    assert "embedding_wide" in found.to_dict()["sql"]

    reembedding(synced).rollback()
    old.calls.clear()
    assert nearest(synced, both) == (7, 0.0)
    assert old.calls == [["text 7"]]
    assert synced.sql("SELECT id, embedding::text FROM article ORDER BY id") == before

    reembedding(synced).switch()
    with pytest.raises(SyncError, match="seconds ago"):
        reembedding(synced).clean_up()
    reembedding(synced).clean_up(patience_seconds=0)
    assert nearest(synced, new) == (7, 0.0)
    with pytest.raises(ModelMismatchError, match="wide, revision 1"):
        nearest(synced, old)
    indexes = synced.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'article' AND indexdef LIKE '%hnsw%'")
    assert indexes == [("article_embedding_wide",)]


def test_searches_by_texts_alike(synced: SyncedTable) -> None:
    """Many texts, and hybrid questions, are asked of the column that the model filled."""
    fill(synced, 60)
    reembedding(synced).run("wide", new := WideEmbedder(), options=OPTIONS)
    forget_surveys(synced.engine)
    found = Repository(synced.engine, Article, embedder=new).search_many(["text 3", "text 4"], limit=1)
    assert [answer[0].record.id for answer in found] == [3, 4]
    with Session(synced.engine) as session:
        assert Repository(session, Article, embedder=[new]).search("text 5", limit=1, exact=True)[0].record.id == 5


async def test_the_asynchronous_repository_follows(synced: SyncedTable) -> None:
    """It goes over to the new column as the other does."""
    fill(synced, 40)
    reembedding(synced).run("wide", new := WideEmbedder(), options=OPTIONS)
    engine = create_async_engine(sqlalchemy_url(synced.url))
    try:
        repository = AsyncRepository(engine, Article, embedder=[NarrowEmbedder(), new])
        assert (await repository.search("text 5", limit=1))[0].record.id == 5
        assert (await repository.search_many(["text 6"], limit=1))[0][0].record.id == 6
    finally:
        await engine.dispose()
    assert new.calls[-2:] == [["text 5"], ["text 6"]]


def test_a_search_sends_no_statement_more(synced: SyncedTable) -> None:
    """What model filled the column is known with what else is known of the table."""
    fill(synced, 30)
    repository = Repository(synced.engine, Article, embedder=NarrowEmbedder())
    repository.search("text 1")
    sent: list[str] = []
    sa.event.listen(synced.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    repository.search("text 1")
    assert len(sent) == 1


def test_models_are_not_mixed(synced: SyncedTable) -> None:
    """The record of the model outlives its sync: another is refused, unless the column is empty."""
    fill(synced, 10)
    synced.syncs.drop("public.article.embedding")
    synced.syncs.create(SYNC)
    other = NarrowEmbedder("other")
    Worker(synced.engine, {"content": other}, QUICK).run_once()
    assert other.calls == []
    synced.sql("UPDATE article SET embedding = NULL")
    Worker(synced.engine, {"content": other}, QUICK).run_once()
    assert other.calls


def test_what_cannot_be_done_is_refused(synced: SyncedTable) -> None:
    """Each refusal names what is in the way; abandoned, nothing is left."""
    fill(synced, 10)
    work = reembedding(synced)
    with pytest.raises(SyncError, match="no re-embedding"):
        work.rollback()
    with pytest.raises(SyncError, match="already"):
        work.run("again", NarrowEmbedder())
    with pytest.raises(SyncError, match="a name of its own"):
        work.run("content", WideEmbedder())
    synced.sql("ALTER TABLE article ADD COLUMN plain vector(3)")
    with pytest.raises(SyncError, match="no sync says"):
        Reembedding(synced.engine, "article", "plain").run("wide", WideEmbedder())
    ready = work.run("wide", WideEmbedder(), options=ReembedOptions(least_recall=0, switch=False))
    assert ready.stage == "ready"
    with pytest.raises(SyncError, match="being replaced"):
        work.run("other", NarrowEmbedder("other"))
    work.abandon()
    assert work.status() is None
    assert synced.sql("SELECT count(*) FROM pgvec.embedding_sync") == [(1,)]


def test_an_odd_table_without_a_sync(synced: SyncedTable) -> None:
    """Names that need quotes, a key of two columns, half precision, a column that nobody kept in step, and a table without rows."""
    synced.sql('CREATE SCHEMA "Odd Name"')
    synced.sql(
        'CREATE TABLE "Odd Name"."my table" (a date, "b %" text, title text, "old vec" vector(3), PRIMARY KEY (a, "b %"))'
    )
    work = Reembedding(synced.engine, "my table", "old vec", schema="Odd Name")
    given: dict[str, Any] = {
        "source": ["title"],
        "new_column": 'new "vec"',
        "column_type": "halfvec",
        "options": OPTIONS,
    }
    assert work.run("wide", WideEmbedder(), **given).stage == "switched"
    work.rollback()
    work.abandon()
    synced.sql(
        """INSERT INTO "Odd Name"."my table" VALUES
        ('2024-02-01', 'x y', 'one', '[1,2,3]'), ('2024-02-01', '', 'two', NULL)"""
    )
    assert work.run("wide", WideEmbedder(), **given).recall is None
    found = synced.sql('SELECT title, "new ""vec"""::text FROM "Odd Name"."my table" ORDER BY title')
    assert [title for title, stored in found if stored is not None] == ["one", "two"]
    work.clean_up(patience_seconds=0)


def test_an_index_that_finds_too_little_is_not_switched_to(
    synced: SyncedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recall of the new indexes is measured before anything is switched; asked for less, it goes on."""
    fill(synced, 40)
    work = reembedding(synced)
    monkeypatch.setattr(Repository, "recall", lambda *_given, **_named: SimpleNamespace(recall=0.4))
    with pytest.raises(SchemaError, match=r"find 0\.400 .*nothing was switched"):
        work.run("wide", WideEmbedder(), options=OPTIONS)
    status = work.status()
    assert status is not None
    assert (status.stage, status.whole) == ("filling", False)
    with pytest.raises(ModelMismatchError, match="still being filled"):
        nearest(synced, WideEmbedder())
    done = work.run("wide", WideEmbedder(), options=ReembedOptions(least_recall=0.4))
    assert (done.stage, done.recall) == ("switched", 0.4)


@contextmanager
def searchers(url: str, count: int) -> Iterator[list[BaseException]]:
    """Search all the time, by the mapped class and by SQL, and return what failed."""
    failures: list[BaseException] = []
    stop = threading.Event()
    engine = sa.create_engine(sqlalchemy_url(url))

    def search(number: int) -> None:
        given = [NarrowEmbedder()] if number % 2 else [NarrowEmbedder(), WideEmbedder()]
        turn = 0
        while not stop.is_set():
            turn += 1
            try:
                wanted = 1_000_000 + turn % 10
                found = Repository(engine, Article, embedder=given).search(f"kept {wanted}", limit=1)
                assert (found[0].record.id, round(found[0].distance, 6)) == (wanted, 0.0)
                vector = "[" + ",".join(map(str, vector_of(f"kept {wanted}", "content"))) + "]"
                with engine.begin() as connection:
                    sql = sa.text("SELECT id, embedding FROM article ORDER BY embedding <=> CAST(:v AS vector) LIMIT 1")
                    connection.execute(sql, {"v": vector}).all()
                if turn % 20 == 0:
                    forget_surveys(engine)
                # All threads share one interpreter with what is tested.
                stop.wait(0.05)
            except BaseException as exc:  # noqa: BLE001
                failures.append(exc)

    threads = [threading.Thread(target=search, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        engine.dispose()


@contextmanager
def under_load(table: SyncedTable) -> Iterator[list[BaseException]]:
    """Four writers, four searchers and a worker that knows both models; yields what failed."""
    worker = Worker(table.engine, {"content": NarrowEmbedder(), "wide": WideEmbedder()}, QUICK)
    stop = threading.Event()
    with searchers(table.url, 4) as failures:
        threads = [threading.Thread(target=worker.run)] + [
            threading.Thread(target=write_all_the_time, args=(table.url, number, stop, failures)) for number in range(4)
        ]
        for thread in threads:
            thread.start()
        try:
            yield failures
        finally:
            stop.set()
            for thread in threads[1:]:
                thread.join()
            for (name,) in table.sql("SELECT name FROM pgvec.embedding_sync"):
                table.syncs.wait_until_synced(name, timeout_seconds=300)
            worker.stop()
            threads[0].join()


def change_under_load(table: SyncedTable, *, rows: int, rounds: int) -> int:
    """Change the model under load, killed at every step, and back; return how often it was killed."""
    fill(table, rows)
    table.sql("INSERT INTO article (id, title) SELECT n, 'kept ' || n FROM generate_series(1000000, 1000009) AS n")
    table.drain(NarrowEmbedder())
    killed = 0
    with under_load(table) as failures:
        for turn in range(rounds):
            for step in STEPS:
                killed += run_killed(table.url, step)
            if turn < rounds - 1:
                reembedding(table).abandon()
        done = reembedding(table).run("wide", WideEmbedder(), options=OPTIONS)
        assert done.stage == "switched"
        reembedding(table).rollback()
        reembedding(table).switch()
    assert failures == []
    assert wrong_rows(table) == []
    return killed


def test_no_search_fails_while_the_model_changes(synced: SyncedTable) -> None:
    """Under writers and searchers, killed at a step, no statement fails and every row has both embeddings of its text."""
    fill(synced, 150)
    synced.sql("INSERT INTO article (id, title) SELECT n, 'kept ' || n FROM generate_series(1000000, 1000009) AS n")
    synced.drain(NarrowEmbedder())
    with under_load(synced) as failures:
        assert run_killed(synced.url, "embedding") == 1
        assert reembedding(synced).run("wide", WideEmbedder(), options=OPTIONS).stage == "switched"
        reembedding(synced).rollback()
        reembedding(synced).switch()
    assert failures == []
    assert wrong_rows(synced) == []


@pytest.mark.skipif("PGVEC_REEMBED_ROWS" not in os.environ, reason="make test-reembed runs it")
def test_the_full_size(synced: SyncedTable) -> None:
    """The same on many rows, killed at six points, three times each."""
    assert change_under_load(synced, rows=int(os.environ["PGVEC_REEMBED_ROWS"]), rounds=3) == 3 * len(STEPS)


def run_killed(url: str, step: str) -> int:
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root / 'tests'}:{root}"}
    command = [sys.executable, "-m", "support.reembed_process", sqlalchemy_url(url), step]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return int(ended.returncode != 0)


def write_all_the_time(url: str, number: int, stop: threading.Event, failures: list[BaseException]) -> None:
    """Insert, change and delete rows whose keys end in a digit of the writer's own."""
    dice = random.Random(number)
    with psycopg.connect(url, autocommit=True) as connection:
        turn = 0
        while not stop.is_set():
            turn += 1
            key = 10 * dice.randrange(1, 200) + number
            try:
                connection.execute("UPDATE article SET title = %s WHERE id = %s", (f"turn {turn} of {number}", key))
                if turn % 5 == 0:
                    connection.execute("DELETE FROM article WHERE id = %s", (key,))
                    connection.execute(
                        "INSERT INTO article (id, title) VALUES (%s, %s)", (key, f"new {turn} of {number}")
                    )
            except BaseException as exc:  # noqa: BLE001 - the test shows it
                failures.append(exc)
            stop.wait(0.05)


@pytest.mark.full
def test_killed_at_every_step_it_goes_on(synced: SyncedTable) -> None:
    """Killed at six points, a second call goes on; in the end every row has the embedding of its text."""
    fill(synced, 120)
    for step in STEPS:
        assert run_killed(synced.url, step) == 1, step
    done = reembedding(synced).run("wide", WideEmbedder(), options=OPTIONS)
    assert done.stage == "switched"
    assert wrong_rows(synced) == []
