"""The plans of the statements that really ran: the server's own ``auto_explain`` sends them to the client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.orm import Session

_SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "client_min_messages": "log",
}


class Plan:
    """The plan of one search, with what was executed of it."""

    def __init__(self, report: dict[str, Any]) -> None:
        self.text: str = report["Query Text"]
        self.nodes = list(_nodes(report["Plan"]))

    @property
    def executed_indexes(self) -> set[str]:
        """Names of the indexes that were scanned."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node and node["Actual Loops"]}

    @property
    def planned_indexes(self) -> set[str]:
        """Names of the indexes anywhere in the plan."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def workers(self) -> int:
        """How many parallel workers were planned."""
        return sum(node.get("Workers Planned", 0) for node in self.nodes)

    @property
    def sequential_scans(self) -> list[dict[str, Any]]:
        """The nodes that read a whole table, as the exact branch does."""
        return [node for node in self.nodes if node["Node Type"] == "Seq Scan"]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


@contextmanager
def explained(session: Session) -> Iterator[list[Plan]]:
    """Collect the plans of all searches that run on the session's connection within the block."""
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    session.execute(sa.text("LOAD 'auto_explain'"))
    for name, value in _SETTINGS.items():
        session.execute(sa.select(sa.func.set_config(name, value, False)))
    plans: list[Plan] = []

    def collect(notice: psycopg.errors.Diagnostic) -> None:
        message = notice.message_primary or ""
        if " plan:\n" in message:
            plan = Plan(json.loads(message.split(" plan:\n", 1)[1]))
            if "pgvec_distance" in plan.text:
                plans.append(plan)

    driver.add_notice_handler(collect)
    try:
        yield plans
        # The last plan arrives when the next statement replaces its portal.
        session.execute(sa.text("SET auto_explain.log_min_duration = -1"))
        session.execute(sa.text("SET client_min_messages = notice"))
    finally:
        driver.remove_notice_handler(collect)
