"""Writers that do at random whatever an application may do to a table."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import psycopg

__all__ = ["RandomWriters"]


class RandomWriters:
    """Threads that insert, update, delete, truncate and roll back, each by its own seeded random numbers.

    Every text is written once only, so that what was embedded twice, or for the wrong row, shows.

    Args:
        url: The database, whose table ``article`` they write.
        seed: Decides what they do; how their transactions mix is up to the machine.
        writers: How many there are.
        operations: How many transactions they run in all.
        pause_seconds: How long each rests between two of them, at most.
    """

    def __init__(self, url: str, *, seed: int, writers: int, operations: int, pause_seconds: float = 0.0) -> None:
        self._url = url
        self._pause = pause_seconds
        self.done = 0
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._write, args=(number, random.Random(f"{seed}/{number}"), operations // writers)
            )
            for number in range(writers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def _write(self, number: int, dice: random.Random, operations: int) -> None:
        connection = None
        for turn in range(operations):
            if self._stop.is_set():
                break
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(self._url)
                _transaction(connection, dice, f"writer {number} turn {turn}")
            except (psycopg.OperationalError, psycopg.errors.AdminShutdown):
                # A deadlock, or a server that went away: the transaction never was.
                if connection is not None and not connection.closed:
                    connection.rollback()
                else:
                    time.sleep(0.05)
            except BaseException as error:  # noqa: BLE001 - it is raised again where the test waits
                self.failures.append(error)
                break
            self.done += 1
            if self._pause:
                time.sleep(dice.random() * self._pause)
        if connection is not None:
            connection.close()


def _transaction(connection: psycopg.Connection, dice: random.Random, label: str) -> None:
    actions: list[Callable[[psycopg.Connection, random.Random, str], None]] = [
        _insert,
        _update,
        _touch,
        _delete,
        _move,
        _upsert,
    ]
    for step in range(dice.randint(1, 3)):
        (action,) = dice.choices(actions, weights=(30, 40, 10, 12, 3, 5))
        action(connection, dice, f"{label} step {step}")
    if dice.random() < 0.003:
        connection.execute("TRUNCATE article")
    if dice.random() < 0.12:
        connection.rollback()
    else:
        connection.commit()


def _insert(connection: psycopg.Connection, dice: random.Random, label: str) -> None:
    count = 1200 if dice.random() < 0.004 else dice.choice((1, 1, 1, 3, 10))
    connection.execute(
        "INSERT INTO article (title, body) SELECT %s || ' row ' || n, CASE WHEN n %% 3 > 0 THEN 'body' END"
        " FROM generate_series(1, %s) AS n",
        (label, count),
    )


def _some(dice: random.Random) -> tuple[float, int]:
    return dice.random(), dice.choice((1, 1, 2, 5))


# Rows are chosen by a place in the order of their keys; whoever else has them locked is not waited for.
_CHOSEN = (
    "(SELECT id FROM article WHERE id >= (SELECT min(id) + (%s * (max(id) - min(id)))::bigint FROM article)"
    " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)"
)


def _update(connection: psycopg.Connection, dice: random.Random, label: str) -> None:
    connection.execute(f"UPDATE article SET title = %s || ' row ' || id WHERE id IN {_CHOSEN}", (label, *_some(dice)))


def _touch(connection: psycopg.Connection, dice: random.Random, label: str) -> None:
    connection.execute(f"UPDATE article SET views = views + 1 WHERE id IN {_CHOSEN}", _some(dice))


def _delete(connection: psycopg.Connection, dice: random.Random, label: str) -> None:
    connection.execute(f"DELETE FROM article WHERE id IN {_CHOSEN}", _some(dice))


def _move(connection: psycopg.Connection, dice: random.Random, label: str) -> None:
    connection.execute(
        f"UPDATE article SET id = DEFAULT, title = %s || ' row ' || id WHERE id IN {_CHOSEN}", (label, *_some(dice))
    )


def _upsert(connection: psycopg.Connection, dice: random.Random, label: str) -> None:
    connection.execute(
        "INSERT INTO article (id, title) SELECT n, %s || ' row ' || n FROM generate_series(%s::bigint, %s::bigint) AS n"
        " ON CONFLICT (id) DO UPDATE SET title = excluded.title",
        (label, start := dice.randint(10**9, 10**9 + 50), start + 2),
    )
