"""Workers make the embeddings that are missing, each row right or parked with its reason."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from fix_database import sqlalchemy_url
from fix_sync import ARTICLE, NAME, QUICK, SYNC, SyncedTable
from sqlalchemy import create_engine, make_url
from support.content_embedder import ContentEmbedder

from pgvec.embedding_sync import Worker
from pgvec.errors import (
    ConfigurationError,
    EmbedderResponseError,
    EmbedderUnavailableError,
    InvalidInputError,
    SyncError,
)
from pgvec.execution.session import SessionDriver
from pgvec.model import WrittenRow
from pgvec.operations import embedding_sync as recipes

SECONDS = 30


@pytest.fixture
def texts(synced: SyncedTable) -> SyncedTable:
    """Twenty articles, of which none is embedded yet."""
    synced.declare()
    synced.sql("INSERT INTO article (id, title) SELECT n, 'text ' || n FROM generate_series(1, 20) AS n")
    return synced


def parked(table: SyncedTable) -> dict[str, str]:
    return dict(table.sql("SELECT key[1], error FROM pgvec.embedding_outbox WHERE parked"))


def failing(bad: str, error: Exception) -> ContentEmbedder:
    """Return an embedder that fails whenever a text is among those that it is given."""

    def before(texts: list[str]) -> None:
        if bad in texts:
            raise error

    return ContentEmbedder(before=before)


def until(condition, *, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Holder:
    """Claims by hand, as a worker does that stops in the middle."""

    def __init__(self, table: SyncedTable) -> None:
        self.driver = SessionDriver(table.engine)
        (self.task,) = self.run(recipes.tasks())
        self.id = uuid4()
        self.run(recipes.begin_worker(self.id, "here", 1))

    def run(self, recipe):
        return self.driver.run(recipe, recipes.PLACE)

    def claim(self, *, lease_seconds: float = 60.0, size: int = 100, max_attempts: int = 5):
        return self.run(recipes.claim(self.task, size=size, lease_seconds=lease_seconds, max_attempts=max_attempts))

    def finish(self, claim, vector: str = "[9,9,9,9,9,9,9,9]"):
        rows = [WrittenRow(row, vector) for row in claim.rows]
        return self.run(recipes.finish(self.task, claim.token, self.id, rows))


def test_every_row_gets_the_embedding_of_its_text(texts: SyncedTable) -> None:
    """After one pass each embedding is that of its text, and a row without text has none."""
    texts.sql(
        "INSERT INTO article (id, title, body, embedding) VALUES (21, '', NULL, '[1,1,1,1,1,1,1,1]'), (22, ' ', '', NULL)"
    )
    done = texts.worker().run_once()
    assert (done.claimed, done.written, done.texts) == (22, 22, 20)
    assert texts.wrong_rows() == [22]  # a blank is a text to the test, and none to a model
    assert texts.sql("SELECT count(*) FROM article WHERE embedding IS NULL") == [(2,)]
    assert texts.sql("SELECT count(*) FROM pgvec.embedding_outbox") == [(0,)]


def test_equal_texts_are_embedded_once(texts: SyncedTable) -> None:
    """A batch asks the model for each text once."""
    texts.sql("UPDATE article SET title = 'the same'")
    texts.drain()
    assert texts.embedder.texts == {"the same": 1}
    assert texts.wrong_rows() == []


def test_a_text_that_came_back_is_not_embedded_again(article: SyncedTable) -> None:
    """A text that was changed and changed back costs no call."""
    article.sql("UPDATE article SET title = 'other' WHERE id = 1")
    article.sql("UPDATE article SET title = 'one' WHERE id = 1")
    article.drain()
    assert article.embedder.calls == []
    assert article.pending() == []


def test_no_transaction_is_open_while_the_model_works(texts: SyncedTable) -> None:
    """During a call of the model no backend of the database holds a snapshot or a transaction."""
    seen = []

    def look(_: list[str]) -> None:
        with psycopg.connect(texts.url, autocommit=True) as watcher:
            seen.extend(
                watcher.execute(
                    "SELECT backend_xmin, backend_xid, xact_start FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchall()
            )

    texts.drain(ContentEmbedder(before=look))
    assert seen
    assert all(row == (None, None, None) for row in seen)


def test_a_change_during_the_call_is_not_lost(texts: SyncedTable) -> None:
    """What a model made of the old text is refused when the text has changed meanwhile, and the new one is embedded."""
    changed = []

    def change(_: list[str]) -> None:
        if not changed:
            changed.append(texts.sql("UPDATE article SET title = 'newer' WHERE id = 7"))

    done = texts.worker(ContentEmbedder(before=change)).run_once()
    assert (done.refused, done.written) == (1, 20)
    assert texts.wrong_rows() == []


@pytest.mark.parametrize(
    ("error", "attempts"),
    [(InvalidInputError("too long"), 1), (EmbedderResponseError("nonsense"), 3), (RuntimeError("boom"), 3)],
)
def test_a_poison_row_is_parked_alone(texts: SyncedTable, error: Exception, attempts: int) -> None:
    """A text that no model takes is found, tried as often as makes sense and parked with the reason; no other row suffers."""
    embedder = failing("text 13", error)
    until(lambda: texts.drain(embedder, replace(QUICK, max_attempts=3)) or not texts.syncs.backlog(NAME))
    assert parked(texts) == {"13": f"{type(error).__name__}: {error}"}
    assert texts.sql("SELECT attempts FROM pgvec.embedding_outbox") == [(attempts,)]
    assert texts.wrong_rows() == [13]
    # The row is right again as soon as its text changes, or by hand once the model was mended.
    assert texts.syncs.retry(NAME) == 1
    texts.drain()
    assert texts.wrong_rows() == []


def test_a_model_that_answers_nonsense_costs_a_bounded_number_of_calls(texts: SyncedTable) -> None:
    """Where every text fails, the halves are not tried forever, and all rows are tried again later."""
    texts.sql("INSERT INTO article (id, title) SELECT 1000 + n, 'more ' || n FROM generate_series(1, 180) AS n")

    class Short(ContentEmbedder):
        def embed(self, inputs, *, role):
            return super().embed(inputs, role=role)[:-1]

    embedder = Short()
    done = texts.worker(
        embedder, replace(QUICK, batch_size=256, backoff_seconds=60, longest_backoff_seconds=60)
    ).run_once()
    assert done.written == 0
    assert len(embedder.calls) <= 64
    assert texts.sql("SELECT DISTINCT left(error, 21) FROM pgvec.embedding_outbox") == [("EmbedderResponseError",)]


def test_an_outage_costs_no_row_an_attempt(texts: SyncedTable) -> None:
    """While a model is out of reach rows wait with the reason, uncharged, and are embedded when it is back."""
    down = [True]

    def before(_: list[str]) -> None:
        if down[0]:
            raise EmbedderUnavailableError("no route to the model")

    embedder = ContentEmbedder(before=before)
    for _ in range(4):
        texts.drain(embedder)
        time.sleep(0.02)
    assert texts.sql("SELECT DISTINCT attempts, parked, error FROM pgvec.embedding_outbox") == [
        (0, False, "EmbedderUnavailableError: no route to the model")
    ]
    down.clear()
    down.append(False)
    until(lambda: texts.drain(embedder) or not texts.syncs.backlog(NAME))
    assert texts.wrong_rows() == []


def test_an_outage_that_lasts_parks_the_rows(texts: SyncedTable) -> None:
    """After the time to give up, rows are parked with the reason instead of waiting forever."""
    embedder = failing("text 1", EmbedderUnavailableError("gone"))
    time.sleep(0.02)
    texts.drain(embedder, replace(QUICK, give_up_seconds=0.01))
    assert len(parked(texts)) == 20


def test_a_late_write_is_refused(texts: SyncedTable) -> None:
    """A worker whose lease ended cannot write any more once another holds the row, and the counter tells."""
    slow, quick = Holder(texts), Holder(texts)
    late = slow.claim(lease_seconds=0.01)
    time.sleep(0.02)
    current = quick.claim()
    assert {row.key for row in current.rows} <= {row.key for row in late.rows}
    assert slow.finish(late).refused == 20
    assert quick.finish(current, "[1,1,1,1,1,1,1,1]").written == len(current.rows)
    assert texts.sql("SELECT DISTINCT embedding::text FROM article WHERE embedding IS NOT NULL") == [
        ("[1,1,1,1,1,1,1,1]",)
    ]
    assert texts.sql("SELECT max(refused) FROM pgvec.embedding_worker") == [(20,)]


def test_attempts_are_charged_to_workers_that_die(texts: SyncedTable) -> None:
    """Rows whose worker died come back in ever smaller batches, and one that always kills is parked in the end."""
    holder = Holder(texts)
    sizes = []
    for _ in range(400):
        claim = holder.claim(lease_seconds=0.0, size=16)
        if claim is None:
            break
        if "text 5" in {row.document for row in claim.rows}:
            sizes.append(len(claim.rows))  # the process dies here
        else:
            holder.finish(claim)
    assert sizes[0] == 16
    assert sizes[-1] == 1
    assert parked(texts) == {"5": "the worker died or lost its lease on each of 5 attempts"}
    assert texts.sql("SELECT count(embedding) FROM article") == [(19,)]


def test_two_workers_never_hold_the_same_row(texts: SyncedTable) -> None:
    """Claims skip what others hold, locked or leased."""
    first, second = Holder(texts), Holder(texts)
    one, two = first.claim(size=8), second.claim(size=100)
    assert {row.key for row in one.rows}.isdisjoint(row.key for row in two.rows)
    assert (len(one.rows), len(two.rows), second.claim()) == (8, 12, None)


def test_a_locked_entry_of_the_outbox_is_passed_over(texts: SyncedTable) -> None:
    """A claim does not wait for a transaction that holds an entry."""
    with psycopg.connect(texts.url) as other:
        other.execute("SELECT FROM pgvec.embedding_outbox WHERE key = '{4}' FOR UPDATE")
        texts.sql("SET lock_timeout = '5s'")
        claim = Holder(texts).claim()
    assert len(claim.rows) == 19


def test_a_locked_row_is_not_waited_for(texts: SyncedTable) -> None:
    """A long transaction that holds a row keeps the worker from nothing but that row."""
    with psycopg.connect(texts.url) as other:
        other.execute("UPDATE article SET views = 1 WHERE id = 3")
        holder = Holder(texts)
        claim = holder.claim()
        done = holder.finish(claim)
    assert (done.written, done.busy, done.refused) == (19, 1, 0)
    assert texts.sql("SELECT key[1], attempts, claim_token FROM pgvec.embedding_outbox") == [("3", 0, None)]


def test_what_the_table_refuses_is_isolated(texts: SyncedTable) -> None:
    """An embedding that a check of the table refuses is parked with the reason, and the others are written."""
    texts.sql("ALTER TABLE article ADD CHECK (id <> 11 OR embedding IS NULL)")
    until(lambda: texts.drain(options=replace(QUICK, max_attempts=2)) or not texts.syncs.backlog(NAME))
    assert list(parked(texts)) == ["11"]
    assert "article_check" in parked(texts)["11"]
    assert texts.wrong_rows() == [11]


def test_an_update_that_a_trigger_swallows_is_told(texts: SyncedTable) -> None:
    """A row whose update is silently dropped by a trigger of the table ends parked, not lost."""
    texts.sql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    texts.sql("CREATE TRIGGER no BEFORE UPDATE ON article FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION no()")
    until(lambda: texts.drain(options=replace(QUICK, max_attempts=2)) or not texts.syncs.backlog(NAME))
    assert "a trigger or a policy" in parked(texts)["2"]
    assert texts.wrong_rows() == [2]


def test_the_tables_own_triggers_see_their_search_path(texts: SyncedTable) -> None:
    """A trigger function that relies on the worker's search path still finds its tables."""
    texts.sql("CREATE TABLE history (id bigint)")
    texts.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO history VALUES (NEW.id); RETURN NEW; END'"
    )
    texts.sql("CREATE TRIGGER keep BEFORE UPDATE ON article FOR EACH ROW EXECUTE FUNCTION keep()")
    texts.drain()
    assert texts.wrong_rows() == []
    assert texts.sql("SELECT count(*) FROM history") == [(20,)]


def test_halfvec_columns_are_filled(synced: SyncedTable) -> None:
    """A column of half precision takes embeddings too."""
    synced.declare(ARTICLE.replace("vector(8)", "halfvec(8)"))
    synced.sql("INSERT INTO article (title) VALUES ('x')")
    synced.drain()
    assert synced.wrong_rows() == []


def test_more_important_syncs_come_first(synced: SyncedTable) -> None:
    """A worker turns to the sync of the highest priority before the others."""
    synced.declare()
    synced.sql(ARTICLE.replace("article", "urgent"))
    synced.syncs.create(replace(SYNC, table="urgent", priority=5))
    synced.sql("INSERT INTO article (title) VALUES ('later')")
    synced.sql("INSERT INTO urgent (title) VALUES ('sooner')")
    synced.drain()
    assert [text for call in synced.embedder.calls for text in call] == ["sooner", "later"]


def test_a_paused_sync_is_left_alone(texts: SyncedTable) -> None:
    """While a sync is paused nothing of it is embedded; changes are kept until it goes on."""
    texts.syncs.pause(NAME)
    texts.drain()
    texts.sql("UPDATE article SET title = 'changed' WHERE id = 1")
    assert texts.embedder.calls == []
    (status,) = texts.syncs.status()
    assert (status.paused, status.backlog) == (True, 20)
    texts.syncs.resume(NAME)
    texts.drain()
    assert texts.wrong_rows() == []


def test_models_are_not_mixed(article: SyncedTable, caplog: pytest.LogCaptureFixture) -> None:
    """A worker with another revision of the model leaves the column alone and says so."""
    article.sql("UPDATE article SET title = 'x' WHERE id = 1")
    other = ContentEmbedder(revision="2")
    article.drain(other)
    assert other.calls == []
    assert "was filled by the model content, revision 1" in caplog.text
    article.drain()
    assert article.wrong_rows() == []


def test_a_model_of_another_width_is_refused(texts: SyncedTable, caplog: pytest.LogCaptureFixture) -> None:
    """An embedder whose vectors the column cannot hold is not asked for any."""
    wide = ContentEmbedder()
    wide.dimensions = 9
    texts.drain(wide)
    assert wide.calls == []
    assert "has 8 dimensions" in caplog.text


def test_a_slow_model_keeps_its_lease(texts: SyncedTable) -> None:
    """While a model works longer than the lease, the lease is renewed, and nobody else takes the rows."""
    options = replace(QUICK, lease_seconds=2)
    other = ContentEmbedder()

    def slow(_: list[str]) -> None:
        time.sleep(2.5)
        texts.drain(other, options)

    done = texts.worker(ContentEmbedder(before=slow), options).run_once()
    assert (done.written, done.refused) == (20, 0)
    assert other.calls == []


def test_a_hanging_model_loses_its_lease(texts: SyncedTable) -> None:
    """A lease is not renewed for ever: after a time a model is taken to hang, and others go on."""
    options = replace(QUICK, lease_seconds=0.1, hold_seconds=0.15)
    other = ContentEmbedder()
    first = []

    def hang(_: list[str]) -> None:
        if not first:
            first.append(True)
            until(lambda: texts.drain(other, options) or other.calls)

    texts.worker(ContentEmbedder(before=hang), options).run_once()
    until(lambda: texts.drain(other, options) or not texts.syncs.backlog(NAME))
    assert texts.wrong_rows() == []


def test_an_embedder_that_hangs_delays_no_other(synced: SyncedTable) -> None:
    """Each embedder has its own lane."""
    synced.declare()
    synced.sql(ARTICLE.replace("article", "other"))
    synced.syncs.create(replace(SYNC, table="other", embedder="stuck"))
    synced.sql("INSERT INTO other (title) VALUES ('x')")
    synced.sql("INSERT INTO article (title) VALUES ('x')")
    release = threading.Event()
    stuck = ContentEmbedder(before=lambda _: release.wait(SECONDS))
    worker = Worker(synced.engine, {"stuck": stuck, "content": synced.embedder}, QUICK)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: stuck.calls and not synced.syncs.backlog(NAME))
        assert synced.wrong_rows() == []
    finally:
        release.set()
        worker.stop()
        thread.join()
    assert synced.sql("SELECT count(embedding) FROM other") == [(1,)]


def test_a_worker_wakes_when_something_is_written_and_stops_in_order(synced: SyncedTable) -> None:
    """An idle worker hears of a change at once, and ends when told to, with its batch written."""
    synced.declare()
    worker = synced.worker(options=replace(QUICK, poll_seconds=1000))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: synced.sql("SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN \"pgvec_sync\"'"))
        synced.sql("INSERT INTO article (title) VALUES ('x')")
        synced.syncs.wait_until_synced(NAME, timeout_seconds=SECONDS)
        assert synced.wrong_rows() == []
    finally:
        worker.stop()
        thread.join(SECONDS)
    assert not thread.is_alive()
    assert synced.sql("SELECT stopped_at IS NOT NULL FROM pgvec.embedding_worker") == [(True,)]


def test_an_interrupted_worker_gives_its_rows_back(texts: SyncedTable) -> None:
    """What ends the process in the middle of a call leaves the rows free and uncharged at once."""

    def before(_: list[str]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        texts.drain(ContentEmbedder(before=before))
    assert texts.sql("SELECT DISTINCT attempts, claim_token FROM pgvec.embedding_outbox") == [(0, None)]
    texts.drain()
    assert texts.wrong_rows() == []


def test_a_role_with_the_documented_grants_can_work(login_role: str, texts: SyncedTable) -> None:
    """A worker needs no more than the grants that docs/sync.md lists."""
    for grant in (
        "SELECT, UPDATE ON article",
        "SELECT, UPDATE ON pgvec.embedding_sync",
        "SELECT, INSERT, DELETE ON pgvec.embedding_model",
        "SELECT, INSERT, UPDATE, DELETE ON pgvec.embedding_outbox, pgvec.embedding_batch, pgvec.embedding_state, pgvec.embedding_worker",
        "USAGE ON SEQUENCE pgvec.embedding_version",
    ):
        texts.sql(f'GRANT {grant} TO "{login_role}"')
    url = make_url(texts.url).set(username=login_role, password=login_role).render_as_string(hide_password=False)
    engine = create_engine(sqlalchemy_url(url))
    Worker(engine, {"content": texts.embedder}, QUICK).run_once()
    engine.dispose()
    assert texts.wrong_rows() == []


def test_a_worker_without_embedders_is_refused(synced: SyncedTable) -> None:
    """A worker that could do nothing says so."""
    with pytest.raises(ConfigurationError, match="at least one embedder"):
        Worker(synced.engine, {})


def test_a_missing_schema_is_told(database_url: str) -> None:
    """Without the migration a pass ends with an error that says what is missing."""
    engine = create_engine(sqlalchemy_url(database_url))
    with pytest.raises(Exception, match="run the migrations"):
        Worker(engine, {"content": ContentEmbedder()}).run_once()
    engine.dispose()


def test_status_tells_where_everything_is(texts: SyncedTable) -> None:
    """The status counts what waits, is claimed, failed and was parked, and keeps the latest error."""
    holder = Holder(texts)
    holder.claim(size=5)
    texts.sql("UPDATE pgvec.embedding_outbox SET parked = true, error = 'bad' WHERE key = '{20}'")
    (status,) = texts.syncs.status(NAME)
    assert (status.waiting, status.claimed, status.parked, status.error) == (14, 5, 1, "bad")
    assert status.backlog == texts.syncs.backlog(NAME) == 19
    with pytest.raises(SyncError, match="no embedding sync 'nothing'"):
        texts.syncs.status("nothing")


def test_vectors_arrive_bit_for_bit(synced: SyncedTable) -> None:
    """Every float32 that a model returns is the one that is stored."""
    synced.declare()
    synced.sql("INSERT INTO article (title) SELECT n::text FROM generate_series(1, 50) AS n")
    values = np.random.default_rng(7).normal(size=(50, 8)).astype(np.float32)

    class Random(ContentEmbedder):
        def embed(self, inputs, *, role):
            assert role == "document"
            return values[[int(text) - 1 for text in inputs]]

    synced.drain(Random())
    stored = synced.sql("SELECT title, embedding::text FROM article")
    for title, vector in stored:
        assert np.fromstring(vector[1:-1], sep=",", dtype=np.float32).tobytes() == values[int(title) - 1].tobytes()
