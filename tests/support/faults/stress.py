"""Writers and workers under every fault at once, and the look afterwards."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from fix_database import sqlalchemy_url
from fix_sync import NAME, SyncedTable
from support.faults.plants import plant_in_database
from support.faults.probes import probe
from support.faults.worker_process import LEASE_SECONDS, POINTS, Orders, run_worker
from support.random_writers import RandomWriters

__all__ = ["Plan", "Report", "run_faults"]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["support.faults.worker_process"])


@dataclass(frozen=True, slots=True)
class Plan:
    """How many of each fault.

    Attributes:
        seed: Decides what writers and workers do, and when faults come.
        writers: Writers side by side.
        workers: Workers side by side.
        kills: SIGKILLs at random times.
        kills_at_each_point: SIGKILLs at each named point.
        freezes: SIGSTOPs of a worker that holds a result, until after its lease, then SIGCONT.
        cut_connections: Backends terminated.
        server_stops: Immediate stops of the server.
        plant: The bug to find, or None.
        most_seconds: When to give up.
    """

    seed: int
    writers: int = 8
    workers: int = 4
    kills: int = 0
    kills_at_each_point: int = 0
    freezes: int = 0
    cut_connections: int = 0
    server_stops: int = 0
    plant: str | None = None
    most_seconds: float = 900.0


@dataclass(slots=True)
class Report:
    """What happened, and what was wrong afterwards."""

    faults: Counter[str] = field(default_factory=Counter)
    transactions: int = 0
    rows: int = 0
    embedded: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)


def run_faults(url: str, plan: Plan, *, stop_server: Callable[[], None] | None = None) -> Report:
    """Run everything on a fresh migrated database.

    Args:
        url: libpq URL of the database, as a superuser.
        plan: How many of each fault.
        stop_server: Stops the server at once and starts it again, where the plan stops servers.
    """
    table = SyncedTable(url)
    try:
        table.declare()
        plant_in_database(plan.plant, table.connection)
        report = Report(problems=probe(table.engine, table.connection) + _rough(table, plan))
        if plan.kills or plan.kills_at_each_point or plan.freezes:
            table = _Storm(table, plan, report, stop_server).run()
        return report
    finally:
        table.close()


def _rough(table: SyncedTable, plan: Plan) -> list[str]:
    """Let one worker embed with a model that fails often, in every way, and return what was wrong then."""
    table.sql("INSERT INTO article (title) SELECT 'text ' || n FROM generate_series(1, 60) AS n")
    orders = Orders(sqlalchemy_url(table.url), plan.seed, plant=plan.plant, rough=0.25)
    process = _context.Process(target=run_worker, args=(orders,), daemon=True)
    process.start()
    deadline = time.monotonic() + 15
    while (left := table.syncs.backlog(NAME)) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.join()
    wrong = table.wrong_rows()
    table.sql("DELETE FROM article")
    table.sql("DELETE FROM pgvec.embedding_outbox")
    if left or wrong:
        return [f"with a model that fails often {left} of 60 rows were never embedded, and {len(wrong)} are wrong"]
    return []


class _Storm:
    def __init__(self, table: SyncedTable, plan: Plan, report: Report, stop_server: Callable[[], None] | None) -> None:
        self.table = table
        self.plan = plan
        self.report = report
        self.dice = random.Random(plan.seed)
        self.stop_server = stop_server
        self.url = table.url
        points = [(point, int(signal.SIGKILL)) for point in POINTS for _ in range(plan.kills_at_each_point)]
        freezes = [("after embedding", int(signal.SIGSTOP))] * plan.freezes
        self.orders: list[tuple[str | None, int]] = points + freezes
        self.dice.shuffle(self.orders)
        events = (
            ["kill"] * plan.kills + ["cut"] * plan.cut_connections + ["stop"] * plan.server_stops + ["truncate"] * 3
        )
        self.dice.shuffle(events)
        self.events = events
        self.living: dict[Any, Orders] = {}
        self.frozen: dict[Any, float] = {}
        self.thawed: dict[Any, float] = {}
        self.started = 0

    def run(self) -> SyncedTable:
        """Run until every fault has happened, then let the rest be done in peace, and look."""
        writers = RandomWriters(
            self.url, seed=self.plan.seed, writers=self.plan.writers, operations=10_000_000, pause_seconds=0.05
        )
        deadline = time.monotonic() + self.plan.most_seconds
        writers.start()
        try:
            while (self.orders or self.events or any(order.point for order in self.living.values())) and (
                time.monotonic() < deadline
            ):
                self._turn()
                time.sleep(0.01)
        finally:
            writers.stop()
            self._end_all()
        self.report.transactions = writers.done
        if time.monotonic() >= deadline:
            self.report.problems.append(f"not every fault happened in time: {len(self.orders)} orders left")
        self._settle()
        self._look()
        return self.table

    def _turn(self) -> None:
        self._thaw()
        for process in [process for process in self.living if not process.is_alive()]:
            order = self.living.pop(process)
            if order.point is not None and process.exitcode == -signal.SIGKILL:
                self.report.faults[f"killed {order.point}"] += 1
        self._retire()
        while len(self.living) < self.plan.workers:
            point, number = self.orders.pop() if self.orders else (None, 0)
            self._start(point, number)
        if self.events and self.dice.random() < 0.3:
            self._happen(self.events.pop())

    def _start(self, point: str | None, number: int) -> None:
        self.started += 1
        order = Orders(
            sqlalchemy_url(self.url), self.plan.seed * 100_000 + self.started, point, number, self.plan.plant
        )
        process = _context.Process(target=run_worker, args=(order,), daemon=True)
        process.start()
        self.living[process] = order

    def _thaw(self) -> None:
        for process, order in self.living.items():
            if order.signal != signal.SIGSTOP or order.point is None:
                continue
            if process not in self.frozen and _is_stopped(process.pid):
                self.frozen[process] = time.monotonic()
            # Time for others to take the rows once the lease is over, and to hold them.
            if time.monotonic() - self.frozen.get(process, time.monotonic()) > LEASE_SECONDS * 2.5:
                os.kill(process.pid, signal.SIGCONT)
                self.report.faults["frozen past the lease"] += 1
                self.living[process] = Orders(order.url, order.seed)
                del self.frozen[process]
                self.thawed[process] = time.monotonic()
                break

    def _retire(self) -> None:
        """Make room for the next order where all are without one; those just thawed have a late write to make."""
        if not self.orders or self.events or any(order.point for order in self.living.values()):
            return
        for process in self.living:
            if time.monotonic() - self.thawed.get(process, 0.0) > LEASE_SECONDS:
                process.kill()
                return

    def _happen(self, event: str) -> None:
        if event == "kill":
            plain = [process for process, order in self.living.items() if order.point is None]
            # Those with an order are left to it, as long as there are others.
            victim = self.dice.choice(plain or list(self.living))
            if not victim.is_alive():  # it was quicker to end itself
                self.events.append(event)
                return
            order = self.living[victim]
            if order.point is not None:
                self.orders.append((order.point, order.signal))
                self.living[victim] = Orders(order.url, order.seed)
            victim.kill()
        elif event == "stop":
            assert self.stop_server is not None
            self.stop_server()
        else:
            self._in_database(event)
        self.report.faults[event] += 1

    def _in_database(self, event: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            if event == "truncate":
                connection.execute("TRUNCATE article")
            else:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database() ORDER BY random() LIMIT 1) AS one"
                )

    def _end_all(self) -> None:
        for process in self.living:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            process.join()
        self.living.clear()

    def _settle(self) -> None:
        """Let workers without orders do what is left."""
        self.table.close()
        self.table = SyncedTable(self.url)
        for _ in range(2):
            self._start(None, 0)
        deadline = time.monotonic() + 120
        while self.table.syncs.backlog(NAME) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._end_all()
        if left := self.table.syncs.backlog(NAME):
            self.report.problems.append(f"{left} rows were never embedded")

    def _look(self) -> None:
        table, report = self.table, self.report
        ((report.rows, states, parked),) = table.sql(
            "SELECT (SELECT count(*) FROM article), (SELECT count(*) FROM pgvec.embedding_state),"
            " (SELECT count(*) FROM pgvec.embedding_outbox WHERE parked)"
        )
        ((report.embedded, report.refused),) = table.sql(
            "SELECT sum(embedded)::bigint, sum(refused)::bigint FROM pgvec.embedding_worker"
        )
        if wrong := table.wrong_rows():
            report.problems.append(f"{len(wrong)} of {report.rows} rows have another embedding than that of their text")
        if orphans := table.orphans():
            report.problems.append(f"{orphans} entries of rows that are gone")
        if states != report.rows:
            report.problems.append(f"{report.rows} rows, and {states} entries of what was embedded")
        if parked:
            report.problems.append(f"{parked} rows were parked")
        if self.plan.freezes and not report.refused:
            report.problems.append("no late write was refused, although workers were frozen past their lease")


def _is_stopped(pid: int | None) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False
