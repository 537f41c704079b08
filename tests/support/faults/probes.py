"""Short questions to the queue whose answer is known, each in a quiet database."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import psycopg
import sqlalchemy as sa

from pgvec.execution.session import SessionDriver
from pgvec.model import WrittenRow
from pgvec.operations import embedding_sync as recipes

__all__ = ["Hand", "probe"]

_KILLER = "this text kills its worker"


class Hand:
    """Does by hand, one transaction after the other, what a worker does."""

    def __init__(self, engine: sa.Engine) -> None:
        self._driver = SessionDriver(engine)
        self.id = uuid4()
        (self.task,) = self.run(recipes.tasks())
        self.run(recipes.begin_worker(self.id, "here", 1))

    def run(self, recipe: Any) -> Any:
        """Run one transaction."""
        return self._driver.run(recipe, recipes.PLACE)

    def claim(self, *, lease_seconds: float = 60.0, size: int = 100, max_attempts: int = 5) -> Any:
        """Claim rows."""
        return self.run(recipes.claim(self.task, size=size, lease_seconds=lease_seconds, max_attempts=max_attempts))

    def finish(self, claim: Any, vector: str = "[9,9,9,9,9,9,9,9]") -> Any:
        """Write the same vector for each row of a claim."""
        rows = [WrittenRow(row, vector) for row in claim.rows]
        return self.run(recipes.finish(self.task, claim.token, self.id, rows))


def probe(engine: sa.Engine, connection: psycopg.Connection) -> list[str]:
    """Ask every question, on a table without anything pending, and return what was answered wrongly."""
    found = []
    for question in (_locked_entry, _late_writer, _changed_text, _truncated, _killer):
        connection.execute("DELETE FROM article")
        connection.execute("DELETE FROM pgvec.embedding_outbox")
        if (answer := question(engine, connection)) is not None:
            found.append(answer)
    connection.execute("DELETE FROM article")
    connection.execute("DELETE FROM pgvec.embedding_outbox")
    return found


def _locked_entry(engine: sa.Engine, connection: psycopg.Connection) -> str | None:
    """A claim passes over an entry that somebody holds."""
    connection.execute("INSERT INTO article (id, title) SELECT n, 'text ' || n FROM generate_series(1, 5) AS n")
    impatient = sa.create_engine(engine.url, connect_args={"options": "-c lock_timeout=500"})
    try:
        with engine.begin() as other:
            other.execute(sa.text("SELECT 1 FROM pgvec.embedding_outbox WHERE key = '{3}' FOR UPDATE"))
            claim = Hand(impatient).claim()
    except Exception as error:  # noqa: BLE001
        return f"a claim waits for a locked entry: {type(error).__name__}"
    finally:
        impatient.dispose()
    return None if len(claim.rows) == 4 else f"with one of 5 entries locked {len(claim.rows)} were claimed"


def _late_writer(engine: sa.Engine, connection: psycopg.Connection) -> str | None:
    """A worker whose lease ended may not write once another holds the row."""
    connection.execute("INSERT INTO article (id, title) VALUES (1, 'text')")
    slow, quick = Hand(engine), Hand(engine)
    late = slow.claim(lease_seconds=0.0)
    current = quick.claim()
    if current is None:
        return "a row whose lease ended cannot be claimed again"
    done = slow.finish(late)
    return None if done.refused == 1 else "a late write was not refused"


def _changed_text(engine: sa.Engine, connection: psycopg.Connection) -> str | None:
    """What was made of an old text may not be written over the new one."""
    connection.execute("INSERT INTO article (id, title) VALUES (1, 'old')")
    hand = Hand(engine)
    claim = hand.claim()
    connection.execute("UPDATE article SET title = 'new'")
    done = hand.finish(claim)
    return None if done.refused == 1 else "the embedding of an old text was written"


def _truncated(engine: sa.Engine, connection: psycopg.Connection) -> str | None:
    """After TRUNCATE nothing is remembered of the rows."""
    connection.execute("INSERT INTO article (id, title) SELECT n, 'text ' || n FROM generate_series(1, 4) AS n")
    hand = Hand(engine)
    hand.finish(hand.claim(size=2))
    connection.execute("TRUNCATE article")
    left: Any = connection.execute(
        "SELECT (SELECT count(*) FROM pgvec.embedding_state), (SELECT count(*) FROM pgvec.embedding_outbox)"
    ).fetchone()
    connection.execute("DELETE FROM pgvec.embedding_state")
    return None if left == (0, 0) else f"after TRUNCATE {left[0]} embeddings and {left[1]} changes are still remembered"


def _killer(engine: sa.Engine, connection: psycopg.Connection) -> str | None:
    """A text that kills its worker each time ends parked, and takes no other along."""
    connection.execute("INSERT INTO article (id, title) SELECT n, 'text ' || n FROM generate_series(1, 20) AS n")
    connection.execute("UPDATE article SET title = %s WHERE id = 7", (_KILLER,))
    hand = Hand(engine)
    for _ in range(100):
        claim = hand.claim(lease_seconds=0.0, size=8, max_attempts=5)
        if claim is None:
            break
        if _KILLER not in {row.document for row in claim.rows}:
            hand.finish(claim)
        time.sleep(0.001)
    parked = connection.execute("SELECT key[1] FROM pgvec.embedding_outbox WHERE parked").fetchall()
    return None if parked == [("7",)] else f"of 20 rows, one of which kills its worker, these were parked: {parked}"
