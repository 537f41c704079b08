"""Eight bugs that a queue of this kind may have; the harness has to find each."""

from __future__ import annotations

from typing import Any

import psycopg

__all__ = ["PLANTS", "plant_in_database", "plant_in_process"]

# Function, what it says, and what it says with the bug.
_IN_DATABASE: dict[str, list[tuple[str, str, str]]] = {
    "no skip locked": [("_claim_v1", " FOR UPDATE SKIP LOCKED", " FOR UPDATE")],
    "ack before write": [
        (
            "_claim_v1",
            "RETURN jsonb_build_object('token', token",
            "DELETE FROM pgvec.embedding_outbox AS o WHERE o.claim_token = token; RETURN jsonb_build_object('token', token",
        ),
        (
            "_finish_v1",
            "JOIN pgvec.embedding_outbox AS o ON o.sync_id = p_sync AND o.key = e.key",
            "LEFT JOIN pgvec.embedding_outbox AS o ON false",
        ),
        ("_finish_v1", "WHERE o.claim_token = p_token AND o.version = e.version AND (", "WHERE ("),
        ("_finish_v1", "FOR UPDATE OF o SKIP LOCKED) AS m", ") AS m"),
    ],
    "no version check": [
        ("_finish_v1", " AND o.version = e.version", ""),
        ("_finish_v1", " AND p.version = e.version", ""),
        ("_capture_update_v1", "claim_token = NULL", "claim_token = o.claim_token"),
    ],
    "no fencing": [
        ("_finish_v1", "o.claim_token = p_token AND ", ""),
        ("_finish_v1", "p.claim_token = p_token AND ", ""),
    ],
    "truncate missed": [
        (
            "_capture_truncate_v1",
            "IF sync.source_table = TG_RELID THEN",
            "IF true THEN RETURN NULL; END IF; IF true THEN",
        )
    ],
    "attempts not charged": [("_claim_v1", "attempts = o.attempts + 1", "attempts = o.attempts")],
}
_IN_PROCESS = ("swallowed exception", "replies zipped without a length check")
PLANTS = (*_IN_DATABASE, *_IN_PROCESS)


def plant_in_database(plant: str | None, connection: psycopg.Connection) -> None:
    """Change the functions of the database, if the bug lies in them."""
    for name, right, wrong in _IN_DATABASE.get(plant or "", []):
        row: Any = connection.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s AND pronamespace = 'pgvec'::regnamespace",
            (name,),
        ).fetchone()
        assert right in row[0], f"{name} does not say {right!r} any more"
        connection.execute(row[0].replace(right, wrong))


def plant_in_process(plant: str | None, url: str) -> None:
    """Change the code of this process, if the bug lies in it."""
    if plant == "swallowed exception":
        _swallow()
    elif plant == "replies zipped without a length check":
        _zip()


def _swallow() -> None:
    from pgvec.embedding_sync.lane import Lane
    from pgvec.model import WrittenRow

    sort = Lane._sort

    def swallowing(self: Any, rows: Any, outcomes: Any) -> Any:
        written, failed = sort(self, rows, outcomes)
        return [*written, *(WrittenRow(row.row, None) for row in failed)], []

    Lane._sort = swallowing  # type: ignore[method-assign]


def _zip() -> None:
    from pgvec.embedding_sync import lane
    from pgvec.embedding_sync.isolation import Failure

    def zipping(embedder: Any, texts: Any) -> Any:
        if not texts:
            return []
        try:
            vectors = list(embedder.embed(texts))
        except Exception as error:  # noqa: BLE001
            return [Failure(error, is_alone=False)] * len(texts)
        return (
            [vector for _, vector in zip(texts, [*vectors, *vectors[-1:]], strict=False)]
            if vectors
            else [Failure(ValueError("nothing"), is_alone=False)] * len(texts)
        )

    lane.embed_isolating = zipping
