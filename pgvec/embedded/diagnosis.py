"""Turns what the PostgreSQL programs print when they fail into one clear error."""

from __future__ import annotations

from pathlib import Path

from pgvec.errors import ServerError

__all__ = ["explain", "last_lines"]

_LINES = 12

# The programs give no codes: their (untranslated, LC_ALL=C) texts are all there is.
_CAUSES = (
    ("No space left on device", "the disk is full: make room, or choose another place with PGVEC_SERVER_DIR"),
    ("Disk quota exceeded", "the disk quota is used up: make room, or choose another place with PGVEC_SERVER_DIR"),
    (
        "Permission denied",
        "the user that Postgres runs as may not use a file: check the owner and mode of the folder and of its parents",
    ),
    ("has invalid permissions", "the data directory is open to others: set its mode to 0700"),
    ("has wrong ownership", "the data directory belongs to another user: run as that user, or chown it"),
    ("Address already in use", "another program listens on the socket: stop it, or choose another folder"),
    ("is another postmaster", "another server uses this folder: stop it first"),
    ("is still in use", "processes of a killed server still hold its memory: end them, then start again"),
    ("could not resize shared memory", "the machine has too little shared memory: enlarge /dev/shm"),
    ("Cannot allocate memory", "the machine has too little memory: lower shared_buffers"),
    ("unrecognized configuration parameter", "a setting does not exist in this version of Postgres: check its name"),
    ("invalid value for parameter", "a setting has a value that Postgres refuses: check it"),
    (
        "could not locate a valid checkpoint record",
        "the data directory is corrupted: restore it from a copy, or remove it",
    ),
    ("PANIC", "the data directory may be corrupted: restore it from a copy, or remove it to begin anew"),
)


def explain(action: str, place: Path, output: str) -> ServerError:
    """Return the error for a program that failed.

    Args:
        action: What was tried: "start", "stop", "create".
        place: The folder of the server.
        output: What the program printed, and the end of the server's log.
    """
    cause = next((text for sign, text in _CAUSES if sign.lower() in output.lower()), "see what it printed")
    tail = "\n".join(f"  {line}" for line in output.strip().splitlines()[-_LINES:])
    return ServerError(f"cannot {action} the server in {place}: {cause}\n{tail}".rstrip(), cause=cause)


def last_lines(log: Path, since: int = 0) -> str:
    """Return the end of a log file from the byte ``since`` on; empty when there is none."""
    try:
        with log.open("rb") as opened:
            opened.seek(since)
            lines = opened.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-_LINES:])
